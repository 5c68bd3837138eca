#include "text/template.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

typedef struct part {
    char *text;     /* literal text, or a field's name; owned */
    bool field;
} part;

struct prompt_template {
    char *name;
    part *part;     /* [count], owned */
    size_t count;
};

void template_free(prompt_template *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->count; i++)
        free(t->part[i].text);
    free(t->part);
    free(t->name);
    free(t);
}

static void add_part(prompt_template *t, const char *text, size_t n, bool field)
{
    t->part = memory_grow(t->part, t->count + 1, sizeof *t->part);
    t->part[t->count++] = (part){memory_text_n(text, n), field};
}

static int line_of(const char *text, const char *at)
{
    int line = 1;
    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

static int parse(prompt_template *t, const char *text, error *err)
{
    string literal = {0};
    int status = 0;
    for (const char *at = text; *at && status == 0;) {
        size_t plain = strcspn(at, "{}");
        string_add(&literal, at, plain);
        at += plain;
        if (!*at)
            break;
        if (at[0] == at[1]) {
            string_add(&literal, at, 1);
            at += 2;
            continue;
        }
        size_t n = *at == '{' ? strcspn(at + 1, "{}\n") : 0;
        if (n == 0 || at[n + 1] != '}') {
            status = fail(err, ERROR_FORMAT,
                          "%s: line %d of the prompt: '%c' that is not part of a {field}; write '%c%c' for the character itself",
                          t->name, line_of(text, at), *at, *at, *at);
            break;
        }
        add_part(t, literal.text ? literal.text : "", literal.length, false);
        literal.length = 0;
        add_part(t, at + 1, n, true);
        at += n + 2;
    }
    if (status == 0)
        add_part(t, literal.text ? literal.text : "", literal.length, false);
    free(literal.text);
    return status;
}

prompt_template *template_parse(const char *text, const char *name, error *err)
{
    prompt_template *t = memory_new(1, sizeof *t);
    t->name = memory_text(name);
    if (parse(t, text, err) != 0) {
        template_free(t);
        return NULL;
    }
    return t;
}

/* The shortest decimal that reads back as the same number; "1.0" stays told apart from "1". */
static void add_real(string *out, double x)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    string_print(out, "%s%s", text, strpbrk(text, ".en") ? "" : ".0");
}

static int add_field(string *out, const json_t *fields, const char *field, const char *name, error *err)
{
    const json_t *value = json_object_get(fields, field);
    if (json_is_string(value))
        string_add(out, json_string_value(value), json_string_length(value));
    else if (json_is_integer(value))
        string_print(out, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        add_real(out, json_real_value(value));
    else if (!value)
        return fail(err, ERROR_FORMAT, "%s: has no field '%.200s', which the prompt asks for", name, field);
    else
        return fail(err, ERROR_FORMAT, "%s: the field '%.200s' should be a string or a number", name, field);
    return 0;
}

char *template_fill(const prompt_template *t, const json_t *fields, const char *name, error *err)
{
    string out = {0};
    string_puts(&out, "");
    for (size_t i = 0; i < t->count; i++) {
        if (!t->part[i].field) {
            string_puts(&out, t->part[i].text);
        } else if (add_field(&out, fields, t->part[i].text, name, err) != 0) {
            free(out.text);
            return NULL;
        }
    }
    return out.text;
}
