#include "task/phrase.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "text/jinja.h"
#include "text/template.h"

struct phrase {
    char *source, *field;      /* field: NULL for the others; owned */
    prompt_template *filled;   /* owned, as the next */
    jinja *jinja;
};

void phrase_free(phrase *p)
{
    if (!p)
        return;
    template_free(p->filled);
    jinja_free(p->jinja);
    free(p->source);
    free(p->field);
    free(p);
}

phrase *phrase_template(const char *text, const char *name, error *err)
{
    prompt_template *t = template_parse(text, name, err);
    if (!t)
        return NULL;
    phrase *p = memory_new(1, sizeof *p);
    *p = (phrase){.source = memory_text(text), .filled = t};
    return p;
}

phrase *phrase_field(const char *field)
{
    phrase *p = memory_new(1, sizeof *p);
    *p = (phrase){.source = memory_text(field), .field = memory_text(field)};
    return p;
}

phrase *phrase_jinja(const char *text, const char *name, error *err)
{
    jinja *t = jinja_parse(name, text, strlen(text), JINJA_PROMPT, err);
    if (!t)
        return NULL;
    phrase *p = memory_new(1, sizeof *p);
    *p = (phrase){.source = memory_text(text), .jinja = t};
    return p;
}

phrase *phrase_read(const yaml_value *v, const char *what, error *err)
{
    static const char *const keys[] = {"field", "jinja", NULL};
    const char *text = NULL, *field = NULL, *source = NULL;
    char name[600];
    snprintf(name, sizeof name, "%.500s:%d: %.60s", v->file, v->line, what);
    if (v->kind == YAML_MAP) {
        if (yaml_known_keys(v, keys, err) != 0 || yaml_text(yaml_get(v, "field"), &field, err) != 0 ||
            yaml_text(yaml_get(v, "jinja"), &source, err) != 0)
            return NULL;
        if (!field == !source || (field && !*field)) {
            yaml_fail(err, v, "%s should be a text, {field: NAME} or {jinja: TEXT}", what);
            return NULL;
        }
        return field ? phrase_field(field) : phrase_jinja(source, name, err);
    }
    if (yaml_text(v, &text, err) != 0)
        return NULL;
    if (!text) {
        yaml_fail(err, v, "'%s' is empty", what);
        return NULL;
    }
    return phrase_template(text, name, err);
}

const char *phrase_source(const phrase *p)
{
    return p->source;
}

bool phrase_is_field(const phrase *p)
{
    return p->field != NULL;
}

json_t *phrase_value(const phrase *p, const json_t *fields, const char *name, error *err)
{
    if (p->field) {
        json_t *value = json_object_get(fields, p->field);
        if (!value)
            fail(err, ERROR_FORMAT, "%s: no field '%.200s'", name, p->field);
        return json_incref(value);
    }
    char *text = phrase_text(p, fields, name, err);
    json_t *value = text ? json_string(text) : NULL;
    if (text && !value)
        fail(err, ERROR_FORMAT, "%s: makes text that is not UTF-8", name);
    free(text);
    return value;
}

char *phrase_text(const phrase *p, const json_t *fields, const char *name, error *err)
{
    if (p->filled)
        return template_fill(p->filled, fields, name, err);
    if (p->jinja) {
        size_t n;
        char *text = jinja_render(p->jinja, fields, &n, err);
        if (!text)
            fail_in(err, "%s", name);
        else if (strlen(text) != n) {
            fail(err, ERROR_FORMAT, "%s: makes text with a NUL in it", name);
            free(text);
            text = NULL;
        }
        return text;
    }
    json_t *value = phrase_value(p, fields, name, err);
    char *text = json_is_string(value) ? memory_text(json_string_value(value)) : json_is_number(value) ? json_print(json_incref(value), -1) : NULL;
    if (value && !text)
        fail(err, ERROR_FORMAT, "%s: the field '%.200s' should be a string or a number", name, p->field);
    json_decref(value);
    return text;
}
