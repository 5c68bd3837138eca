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

char *recipe_yaml(const recipe *r)
{
    string s = {0};
    string_puts(&s, "# A mergekit recipe. mergekit ignores the key `merganser`.\n");
    if (strncmp(r->method, "dare_", 5) == 0 && r->mask == MERGE_MASK_PHILOX)
        string_puts(&s, "# mergekit would draw other random masks than those that `merganser` names, and so give other weights.\n");
    string_puts(&s, "models:\n");
    for (size_t i = 0; i < r->n_models; i++) {
        if ((int)i == r->base && !r->base_listed)
            continue;
        string_puts(&s, "- model: ");
        yaml_put_text(&s, r->models[i].path);
        string_puts(&s, "\n");
        put_parameters(&s, r, &r->models[i].parameters, "  ");
    }
    string_print(&s, "merge_method: %s\n", r->method);
    if (r->base >= 0)
        put_line(&s, "base_model", r->models[r->base].path);
    if (r->dtype >= 0)
        string_print(&s, "dtype: %s\n", dtype_torch_name((enum dtype)r->dtype));
    if (r->out_dtype >= 0)
        string_print(&s, "out_dtype: %s\n", dtype_torch_name((enum dtype)r->out_dtype));
    if (r->tokenizer_base)
        string_puts(&s, "tokenizer_source: base\n");
    put_parameters(&s, r, &r->parameters, "");
    string_print(&s, "merganser:\n  mode: %s\n  seed: %llu\n  mask: %s\n", r->mode == MERGE_COMPAT ? "compat" : "exact",
                 (unsigned long long)r->seed, r->mask == MERGE_MASK_MT19937 ? "mt19937" : "philox");
    if (r->inverse_density)
        string_puts(&s, "  rescale: inverse_density\n");
    if (r->config_from >= 0) {
        string_puts(&s, "  config_from: ");
        yaml_put_text(&s, r->models[r->config_from].path);
        string_puts(&s, "\n");
    }
    return s.text;
}
