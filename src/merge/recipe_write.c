#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "merge/method.h"
#include "merge/recipe.h"
#include "tensor/dtype.h"

static void put_value(string *s, const recipe_value *v, bool is_bool)
{
    if (v->n > 1)
        string_puts(s, "[");
    for (size_t i = 0; i < v->n; i++) {
        string_puts(s, i ? ", " : "");
        if (is_bool)
            string_puts(s, v->gradient[i] != 0 ? "true" : "false");
        else
            yaml_put_real(s, v->gradient[i]);
    }
    if (v->n > 1)
        string_puts(s, "]");
}

static void put_parameters(string *s, const recipe *r, const recipe_parameters *list, const char *indent)
{
    const method *m = method_find(r->method);
    if (!list->count)
        return;
    string_print(s, "%sparameters:\n", indent);
    for (size_t i = 0; i < list->count; i++) {
        const recipe_parameter *p = &list->items[i];
        const method_parameter *declared = m ? method_parameter_find(m, p->name) : NULL;
        bool is_bool = declared && declared->is_bool;
        string_print(s, "%s  %s:", indent, p->name);
        if (p->count == 1 && !p->values[0].filter) {
            string_puts(s, " ");
            put_value(s, &p->values[0], is_bool);
            string_puts(s, "\n");
            continue;
        }
        string_puts(s, "\n");
        for (size_t j = 0; j < p->count; j++) {
            string_print(s, "%s  - ", indent);
            if (p->values[j].filter) {
                string_puts(s, "filter: ");
                yaml_put_text(s, p->values[j].filter);
                string_print(s, "\n%s    ", indent);
            }
            string_puts(s, "value: ");
            put_value(s, &p->values[j], is_bool);
            string_puts(s, "\n");
        }
    }
}

static void put_line(string *s, const char *key, const char *text)
{
    string_print(s, "%s: ", key);
    yaml_put_text(s, text);
    string_puts(s, "\n");
}

static void put_model(string *s, const recipe *r, int model, const char *indent)
{
    string_print(s, "%s- model: ", indent);
    yaml_put_text(s, r->models[model].path);
    string_puts(s, "\n");
}

static void put_slice(string *s, const recipe *r, const recipe_slice *slice, const char *indent)
{
    char *inner = memory_print("%s  ", indent), *source = memory_print("%s    ", indent);
    string_print(s, "%s- sources:\n", indent);
    for (size_t i = 0; i < slice->n_sources; i++) {
        put_model(s, r, slice->sources[i].model, inner);
        string_print(s, "%slayer_range: [%lld, %lld]\n", source, (long long)slice->sources[i].first, (long long)slice->sources[i].end);
        put_parameters(s, r, &slice->sources[i].parameters, source);
    }
    if (slice->own_base >= 0) {
        string_print(s, "%sbase_model: ", inner);
        yaml_put_text(s, r->models[slice->own_base].path);
        string_puts(s, "\n");
    }
    put_parameters(s, r, &slice->parameters, inner);
    free(inner);
    free(source);
}

/* The slices of a module, or of the whole recipe (module -1). */
static void put_slices(string *s, const recipe *r, int module, const char *indent)
{
    bool begun = false;
    for (size_t i = 0; i < r->n_slices; i++) {
        const recipe_slice *slice = &r->slices[i];
        bool models = slice->sources[0].end < 0;
        if (slice->module != module)
            continue;
        if (!begun)
            string_print(s, "%s%s:\n", indent, models ? "models" : "slices");
        begun = true;
        for (size_t k = 0; models && k < slice->n_sources; k++) {
            char *inner = memory_print("%s  ", indent);
            put_model(s, r, slice->sources[k].model, indent);
            put_parameters(s, r, &slice->sources[k].parameters, inner);
            free(inner);
        }
        if (!models)
            put_slice(s, r, slice, indent);
    }
}

static void put_modules(string *s, const recipe *r)
{
    string_puts(s, "modules:\n");
    for (size_t i = 0; i < r->n_modules; i++) {
        string_puts(s, "  ");
        yaml_put_text(s, r->modules[i].name);
        string_puts(s, ":\n");
        put_slices(s, r, (int)i, "    ");
        put_parameters(s, r, &r->modules[i].parameters, "    ");
    }
}

static void put_models(string *s, const recipe *r)
{
    string_puts(s, "models:\n");
    for (size_t i = 0; i < r->n_models; i++) {
        if ((int)i == r->base && !r->base_listed)
            continue;
        put_model(s, r, (int)i, "");
        put_parameters(s, r, &r->models[i].parameters, "  ");
    }
}

char *recipe_yaml(const recipe *r)
{
    string s = {0};
    string_puts(&s, "# A mergekit recipe. mergekit ignores the key `merganser`.\n");
    if (strncmp(r->method, "dare_", 5) == 0 && r->mask == MERGE_MASK_PHILOX)
        string_puts(&s, "# mergekit would draw other random masks than those that `merganser` names, and so give other weights.\n");
    if (r->language_only)
        string_puts(&s, "# mergekit would not make this model: it does not know `component`.\n");
    if (r->n_modules)
        put_modules(&s, r);
    else if (r->n_slices)
        put_slices(&s, r, -1, "");
    else
        put_models(&s, r);
    string_print(&s, "merge_method: %s\n", r->method);
    if (r->language_only)
        string_puts(&s, "component: language_model\n");
    if (r->base >= 0)
        put_line(&s, "base_model", r->models[r->base].path);
    if (r->dtype >= 0)
        string_print(&s, "dtype: %s\n", dtype_torch_name((enum dtype)r->dtype));
    if (r->out_dtype >= 0)
        string_print(&s, "out_dtype: %s\n", dtype_torch_name((enum dtype)r->out_dtype));
    recipe_tokenizer_write(r, &s);
    put_parameters(&s, r, &r->parameters, "");
    string_print(&s, "merganser:\n  mode: %s\n  seed: %llu\n  mask: %s\n", r->mode == MERGE_COMPAT ? "compat" : "exact",
                 (unsigned long long)r->seed, r->mask == MERGE_MASK_MT19937 ? "mt19937" : "philox");
    if (r->inverse_density)
        string_puts(&s, "  rescale: inverse_density\n");
    if (r->layers)
        string_print(&s, "  layers: '%s%%d'\n", r->layers);
    if (r->config_from >= 0) {
        string_puts(&s, "  config_from: ");
        yaml_put_text(&s, r->models[r->config_from].path);
        string_puts(&s, "\n");
    }
    return s.text;
}
