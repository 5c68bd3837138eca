#include "text/jinja_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/utf8.h"

#define BYTES_A_STEP 64   /* copied or searched */

/* ---- errors and limits */

static int fail_at(jrun *r, enum error_code code, const char *format, va_list args)
{
    char what[900];
    if (r->err->code)   /* the first one counts */
        return -1;
    vsnprintf(what, sizeof what, format, args);
    if (!r->at)
        return fail(r->err, code, "%s: %s", r->source->name, what);
    return fail(r->err, code, "%s:%d:%d: %s", r->source->name, r->at->line, r->at->column, what);
}

int jfail_code(jrun *r, enum error_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail_at(r, code, format, args);
    va_end(args);
    return -1;
}

int jfail(jrun *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail_at(r, ERROR_FORMAT, format, args);
    va_end(args);
    return -1;
}

int jfail_type(jrun *r, const char *format, jvalue v)
{
    char what[300];
    if (v.type == J_UNDEFINED)
        return jrefuse_undefined(r, v);
    const char *mark = strstr(format, "%s");
    snprintf(what, sizeof what, "%.*s%s%s", (int)(mark - format), format, jvalue_type_name(v), mark + 2);
    return jfail(r, "%s", what);
}

int jrefuse_undefined(jrun *r, jvalue v)
{
    return jfail(r, "%s", v.as.why);
}

int jstep(jrun *r, size_t n)
{
    if (n <= JINJA_STEP_LIMIT - r->steps) {
        r->steps += n;
        return 0;
    }
    return jfail_code(r, ERROR_LIMIT, "the template takes more than the limit of %zu steps", JINJA_STEP_LIMIT);
}

int jenter(jrun *r)
{
    if (++r->depth <= JINJA_DEPTH_LIMIT)
        return 0;
    return jfail_code(r, ERROR_LIMIT, "the template goes deeper than the limit of %d levels", JINJA_DEPTH_LIMIT);
}

/* ---- memory */

static void *memory(jrun *r, void *p)
{
    if (!p)
        jfail_code(r, ERROR_LIMIT, "the template's values take more than the limit of %zu MB", JINJA_MEMORY_LIMIT >> 20);
    return p;
}

void *jnew(jrun *r, size_t n)
{
    return jstep(r, n / BYTES_A_STEP) == 0 ? memory(r, jarena_new(&r->arena, n)) : NULL;
}

char *jbytes(jrun *r, size_t n)
{
    return jstep(r, n / BYTES_A_STEP) == 0 ? memory(r, jarena_bytes(&r->arena, n)) : NULL;
}

char *jbytes_growing(jrun *r, size_t n)
{
    return jstep(r, n / BYTES_A_STEP) == 0 ? memory(r, jarena_bytes_growing(&r->arena, n)) : NULL;
}

const char *jprint_text(jrun *r, const char *format, ...)
{
    char text[300];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t n = strlen(text);
    char *made = jbytes(r, n + 1);
    return made ? memcpy(made, text, n + 1) : NULL;
}

/* ---- output */

int jput(jrun *r, const char *s, size_t n)
{
    if (jstep(r, n / BYTES_A_STEP) != 0)
        return -1;
    if (n > JINJA_OUTPUT_LIMIT - r->out.length)
        return jfail_code(r, ERROR_LIMIT, "the template's text is longer than the limit of %zu MB", JINJA_OUTPUT_LIMIT >> 20);
    string_add(&r->out, s, n);
    return 0;
}

int jputs(jrun *r, const char *s)
{
    return jput(r, s, strlen(s));
}

int jtake(jrun *r, size_t mark, jvalue *out)
{
    size_t n = r->out.length - mark;
    char *text = jbytes(r, n);
    if (!text)
        return -1;
    if (n)
        memcpy(text, r->out.text + mark, n);
    r->out.length = mark;
    *out = jvalue_text(text, n);
    return 0;
}

/* ---- lists and dicts */

int jlist_make(jrun *r, enum jtype type, size_t capacity, jvalue *out)
{
    jlist *l = jnew(r, sizeof *l);
    if (!l || (capacity && !(l->items = jnew(r, capacity * sizeof *l->items))))
        return -1;
    *out = (jvalue){.type = type, .as.list = l};
    return 0;
}

int jlist_append(jrun *r, jlist *l, size_t *capacity, jvalue v)
{
    if (l->count == *capacity) {
        size_t larger = *capacity ? 2 * *capacity : 8;
        jvalue *items = jnew(r, larger * sizeof *items);
        if (!items)
            return -1;
        if (l->count)
            memcpy(items, l->items, l->count * sizeof *items);
        l->items = items;
        *capacity = larger;
    }
    l->items[l->count++] = v;
    return 0;
}

int jdict_make(jrun *r, jvalue *out)
{
    *out = (jvalue){.type = J_DICT, .as.dict = jnew(r, sizeof(jdict))};
    return out->as.dict ? 0 : -1;
}

int jdict_put(jrun *r, jdict *d, jvalue key, jvalue v)
{
    if (key.type == J_UNDEFINED)
        return jrefuse_undefined(r, key);
    if (key.type == J_TUPLE)
        return jfail(r, "a tuple as a key is not known here");
    if (!jvalue_is_key(key))
        return jfail_type(r, "unhashable type: '%s'", key);
    return memory(r, jdict_set(&r->arena, d, key, v) == 0 ? d : NULL) ? 0 : -1;
}

int jundefined(const char *why, jvalue *out)
{
    *out = (jvalue){.type = J_UNDEFINED, .as.why = why};
    return why ? 0 : -1;
}

const char jno_else[] = "the inline if-expression evaluated to false and no else section was defined";

bool jis_strict(const jrun *r, jvalue v)
{
    return v.type == J_UNDEFINED && r->source->setting == JINJA_PROMPT && v.as.why != jno_else;
}

/* ---- the caller's variables */

static int from_object(jrun *r, const json_t *json, jvalue *out)
{
    const char *key;
    json_t *item;
    if (jdict_make(r, out) != 0)
        return -1;
    json_object_foreach((json_t *)json, key, item) {
        jvalue v;
        if (jfrom_json(r, item, &v) != 0 || jdict_put(r, out->as.dict, jvalue_word(key), v) != 0)
            return -1;
    }
    return 0;
}

static int from_array(jrun *r, const json_t *json, jvalue *out)
{
    size_t n = json_array_size(json);
    if (jlist_make(r, J_LIST, n, out) != 0)
        return -1;
    for (jlist *l = out->as.list; l->count < n; l->count++)
        if (jfrom_json(r, json_array_get(json, l->count), &l->items[l->count]) != 0)
            return -1;
    return 0;
}

int jfrom_json(jrun *r, const json_t *json, jvalue *out)
{
    int status = 0;
    if (jstep(r, 1) != 0 || jenter(r) != 0)
        return -1;
    if (json_is_object(json))
        status = from_object(r, json, out);
    else if (json_is_array(json))
        status = from_array(r, json, out);
    else if (json_is_string(json))
        *out = jvalue_text(json_string_value(json), json_string_length(json));
    else if (json_is_integer(json))
        *out = jvalue_int(json_integer_value(json));
    else if (json_is_real(json))
        *out = jvalue_float(json_real_value(json));
    else
        *out = json_is_boolean(json) ? jvalue_bool(json_is_true(json)) : jvalue_none();
    r->depth--;
    return status;
}

/* ---- a template */

jinja *jinja_parse(const char *name, const char *text, size_t n, enum jinja_setting setting, error *err)
{
    error why = {0};
    jinja *t = memory_new(1, sizeof *t);
    t->name = memory_text(name);
    t->setting = setting;
    t->arena.limit = JINJA_MEMORY_LIMIT;
    jparser p = {.setting = setting, .arena = &t->arena, .err = &why};
    p.lexer = (jlexer){.name = t->name, .trim = setting == JINJA_CHAT, .line_starting = true, .line = 1, .column = 1, .arena = &t->arena};
    int status = 0;
    if (n > JINJA_TEXT_LIMIT)
        status = fail(&why, ERROR_LIMIT, "%s: a template of %zu bytes; the limit is %zu", name, n, JINJA_TEXT_LIMIT);
    else if (!utf8_valid(text, n))
        status = fail(&why, ERROR_FORMAT, "%s: the template is not UTF-8", name);
    else if (!(p.lexer.text = jlexer_prepare(&t->arena, text, &n, setting)))
        status = fail(&why, ERROR_MEMORY, "%s: no memory for the template", name);
    p.lexer.n = n;
    t->loop_name = jparser_intern(&p, "loop", 4);
    t->varargs_name = jparser_intern(&p, "varargs", 7);
    t->kwargs_name = jparser_intern(&p, "kwargs", 6);
    t->caller_name = jparser_intern(&p, "caller", 6);
    if (status == 0)
        status = jparser_next(&p) == 0 && jparser_next(&p) == 0 && jparse_template(&p, &t->body) == 0 ? 0 : -1;
    free(p.names);
    if (status == 0)
        return t;
    if (err)
        *err = why;
    jinja_free(t);
    return NULL;
}

void jinja_free(jinja *t)
{
    if (!t)
        return;
    jarena_free(&t->arena);
    free(t->name);
    free(t);
}

void jinja_set_clock(jinja *t, const struct tm *now)
{
    t->clock = *now;
    t->has_clock = true;
}

char *jinja_render(const jinja *t, const json_t *variables, size_t *n, error *err)
{
    error why = {0};
    jrun r = {.source = t, .arena = {.limit = JINJA_MEMORY_LIMIT}, .err = &why};
    jvalue root = {0};
    string_puts(&r.out, "");
    int status = jdict_make(&r, &root);
    if (status == 0 && json_is_object(variables))
        status = jfrom_json(&r, variables, &root);
    if (status == 0) {
        r.variables = root.as.dict;
        r.frame = jframe_new(&r, NULL);
        status = r.frame ? jrender_body(&r, &t->body) : -1;
    }
    jarena_free(&r.arena);
    if (status == 0) {
        r.out.text[r.out.length] = '\0';
        if (n)
            *n = r.out.length;
        return r.out.text;
    }
    free(r.out.text);
    if (err)
        *err = why;
    return NULL;
}
