/* Help comes from the declarations: a verb's from its options, a method's from its parameters. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/yaml.h"
#include "cmd/options.h"
#include "merge/method.h"

/* ---- methods as text */

static const char *base_text(const method *m)
{
    switch (m->base) {
    case BASE_NEEDED: return "a base";
    case BASE_OPTIONAL: return "a base or none";
    case BASE_AS_MODEL: return "no base";
    }
    return "";
}

static void print_models(const method *m)
{
    printf("  takes %s and ", base_text(m));
    if (m->max_models && m->max_models == m->min_models)
        printf("%d", m->min_models);
    else if (m->max_models)
        printf("%d to %d", m->min_models, m->max_models);
    else
        printf("%d or more", m->min_models);
    printf(" model%s\n", m->max_models == 1 ? "" : "s");
}

static const char *value_text(const method_parameter *p, double value, char text[32])
{
    snprintf(text, 32, "%g", value);
    return p->is_bool ? value != 0 ? "true" : "false" : text;
}

static bool is_searched(const method_parameter *p)
{
    return p->search_low < p->search_high;
}

static void print_parameter(const method_parameter *p)
{
    char standard[32], legal[64] = "true or false", searched[64] = "";
    if (!p->is_bool)
        snprintf(legal, sizeof legal, "%g to %g", p->low, p->high);
    if (is_searched(p))
        snprintf(searched, sizeof searched, "%g to %g", p->search_low, p->search_high);
    printf("  %-14s %-9s %-9s %-15s %-11s %s\n", p->name, p->per_model ? "model" : "merge", p->required ? "required" : value_text(p, p->standard, standard), legal, searched,
           p->help);
}

static void print_method(const method *m)
{
    printf("%s: %s\n", m->name, m->help);
    print_models(m);
    if (m->n_parameters)
        printf("  %-14s %-9s %-9s %-15s %s\n", "parameter", "per", "default", "legal", "searched");
    for (size_t i = 0; i < m->n_parameters; i++)
        print_parameter(&m->parameters[i]);
}

static void print_methods(void)
{
    for (const char *const *name = method_names(); *name; name++) {
        print_method(method_find(*name));
        printf("\n");
    }
    printf("A study searches what has a range under 'searched'; 'bounds' changes that range and adds other parameters, 'parameters' fixes one.\n");
}

/* ---- methods as JSON */

static json_t *value_json(const method_parameter *p, double value)
{
    return p->is_bool ? json_boolean(value != 0) : json_real(value);
}

static json_t *parameter_json(const method_parameter *p)
{
    return json_pack("{s:s, s:s, s:s, s:b, s:o, s:o, s:o, s:s}", "name", p->name, "type", p->is_bool ? "switch" : "number", "per", p->per_model ? "model" : "merge", "required",
                     p->required, "default", p->required ? json_null() : value_json(p, p->standard), "legal", p->is_bool ? json_null() : json_pack("[f, f]", p->low, p->high), "searched",
                     is_searched(p) ? json_pack("[f, f]", p->search_low, p->search_high) : json_null(), "help", p->help);
}

static json_t *method_json(const method *m)
{
    static const char *const bases[] = {[BASE_NEEDED] = "needed", [BASE_OPTIONAL] = "optional", [BASE_AS_MODEL] = "none"};
    json_t *parameters = json_array();
    for (size_t i = 0; i < m->n_parameters; i++)
        json_array_append_new(parameters, parameter_json(&m->parameters[i]));
    return json_pack("{s:s, s:s, s:s, s:i, s:o, s:o}", "name", m->name, "help", m->help, "base", bases[m->base], "least_models", m->min_models, "most_models",
                     m->max_models ? json_integer(m->max_models) : json_null(), "parameters", parameters);
}

static json_t *methods_json(void)
{
    json_t *list = json_array();
    for (const char *const *name = method_names(); *name; name++)
        json_array_append_new(list, method_json(method_find(*name)));
    return json_pack("{s:o}", "methods", list);
}

static int print_json(json_t *json)
{
    char *text = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    printf("%s\n", text);
    free(text);
    json_decref(json);
    return 0;
}

/* ---- the verb */

void help_print(FILE *out)
{
    fputs("merganser: find, by evolution, a merge of language models that does what none of its sources does\n\nusage: merganser VERB ...\n\n", out);
    for (const command *const *c = command_table; *c; c++)
        fprintf(out, "  %-9s %s\n", (*c)->name, (*c)->summary);
    fputs("\nmerganser VERB --help tells more, with an example. merganser --version names what it was built with.\n", out);
}

static int fail_topic(const char *topic)
{
    const char *names[64] = {"methods"};
    size_t n = 1;
    for (const command *const *c = command_table; *c && n < 32; c++)
        names[n++] = (*c)->name;
    for (const char *const *name = method_names(); *name && n < 63; name++)
        names[n++] = *name;
    const char *near = text_nearest(topic, names);
    fprintf(stderr, "merganser: help: '%s' is no verb and no merge method%s%s%s (see merganser help and merganser help methods)\n", topic, near ? "; did you mean '" : "",
            near ? near : "", near ? "'?" : "");
    return 2;
}

static int run(const command *self, int argc, char **argv)
{
    common_options common = {0};
    const char *words[1] = {NULL};
    int stop = options_parse(self, NULL, 0, argc, argv, words, 0, 1, &common);
    if (stop)
        return stop - 1;
    if (!words[0]) {
        help_print(stdout);
        return 0;
    }
    const command *verb = command_find(words[0]);
    const method *m = method_find(words[0]);
    char asked[] = "--help", *one[] = {asked};
    if (verb)
        return verb->run(verb, 1, one);
    if (m && common.json)
        return print_json(method_json(m));
    if (strcmp(words[0], "methods") == 0 && common.json)
        return print_json(methods_json());
    if (m)
        print_method(m);
    else if (strcmp(words[0], "methods") == 0)
        print_methods();
    else
        return fail_topic(words[0]);
    return 0;
}

const command command_help = {
    "help", "[VERB|methods|METHOD]", "Tell what a verb does, or what merge methods there are, with their parameters and ranges.",
    "  merganser help methods\n  merganser help dare_ties --json\n", run,
};
