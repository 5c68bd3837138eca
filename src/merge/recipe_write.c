#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "merge/method.h"
#include "merge/recipe.h"
#include "tensor/dtype.h"

/* The shortest decimal that reads back as x; with a point before an exponent, without which PyYAML sees text. */
static void put_number(string *s, double x)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    char *exponent = strchr(text, 'e');
    if (exponent && !strchr(text, '.'))
        string_print(s, "%.*s.0%s", (int)(exponent - text), text, exponent);
    else
        string_puts(s, text);
}

/* U+0080 to U+009F, the line and paragraph separators, U+FEFF, U+FFFE and U+FFFF: a YAML reader breaks lines at them or refuses them. */
static bool unprintable(const char *c)
{
    unsigned char a = (unsigned char)c[0], b = (unsigned char)c[1], d = b ? (unsigned char)c[2] : 0;
    return (a == 0xc2 && b >= 0x80 && b < 0xa0) || (a == 0xe2 && b == 0x80 && (d == 0xa8 || d == 0xa9)) || (a == 0xef && b == 0xbb && d == 0xbf) ||
           (a == 0xef && b == 0xbf && d >= 0xbe);
}

/* As an escape; returns the character's last byte. */
static const char *put_escaped(string *s, const char *c)
{
    unsigned char a = (unsigned char)c[0], b = (unsigned char)c[1];
    if (a == 0xc2) {
        string_print(s, "\\x%02x", (unsigned)b);
        return c + 1;
    }
    string_print(s, "\\u%04x", (unsigned)((a & 15) << 12 | (b & 63) << 6 | ((unsigned char)c[2] & 63)));
    return c + 2;
}

/* Plain where no YAML reader could take it for anything but text, else in double quotes. */
static void put_text(string *s, const char *text)
{
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./-";
    size_t n = strlen(text);
    bool plain = n > 5 && strspn(text, safe) == n && (strchr(text, '/') || strspn(text, "0123456789.-_eE") < n) && text[0] != '-';
    if (plain) {
        string_puts(s, text);
        return;
    }
    string_puts(s, "\"");
    for (const char *c = text; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (byte == '"' || byte == '\\')
            string_print(s, "\\%c", byte);
        else if (byte < 0x20 || byte == 0x7f)
            string_print(s, "\\x%02x", (unsigned)byte);
        else if (unprintable(c))
            c = put_escaped(s, c);
        else
            string_add(s, c, 1);
    }
    string_puts(s, "\"");
}

static void put_value(string *s, const recipe_value *v, bool is_bool)
{
    if (v->n > 1)
        string_puts(s, "[");
    for (size_t i = 0; i < v->n; i++) {
        string_puts(s, i ? ", " : "");
        if (is_bool)
            string_puts(s, v->gradient[i] != 0 ? "true" : "false");
        else
            put_number(s, v->gradient[i]);
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
                put_text(s, p->values[j].filter);
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
    put_text(s, text);
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
        put_text(&s, r->models[i].path);
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
        put_text(&s, r->models[r->config_from].path);
        string_puts(&s, "\n");
    }
    return s.text;
}
