/* Calling what can be called, and giving arguments their places. */
#include <string.h>

#include "text/jinja_run.h"

#define MOST_PARAMETERS 8   /* of a row */

const jrow *jrow_find(const jrow *table, const char *name)
{
    for (; table->name; table++)
        if (strcmp(table->name, name) == 0)
            return table;
    return NULL;
}

const jvalue *jargs_named(const jargs *a, const char *name)
{
    for (size_t i = 0; i < a->n_named; i++)
        if (strcmp(a->names[i], name) == 0)
            return &a->named[i];
    return NULL;
}

/* ---- a row's parameters */

/* The index of `name` among the words of `parameters`; -1: there is none. *count becomes their number. */
static int parameter_index(const char *parameters, const char *name, size_t *count)
{
    size_t n = name ? strlen(name) : 0;
    int found = -1;
    *count = 0;
    for (const char *at = parameters; *at; ++*count) {
        size_t length = strcspn(at, " ");
        if (name && length == n && memcmp(at, name, n) == 0)
            found = (int)*count;
        at += length + (at[length] == ' ');
    }
    return found;
}

int jcall_row(jrun *r, const jrow *row, jvalue self, const jargs *a, jvalue *out)
{
    jvalue bound[MOST_PARAMETERS] = {{0}};
    size_t count;
    if (!row->parameters)
        return row->run(r, self, a, out);
    parameter_index(row->parameters, NULL, &count);
    if (a->count > count)
        return jfail(r, "'%s' takes %zu arguments at most, not %zu", row->name, count, a->count);
    for (size_t i = 0; i < a->count; i++)
        bound[i] = a->items[i];
    for (size_t i = 0; i < a->n_named; i++) {
        int place = parameter_index(row->parameters, a->names[i], &count);
        if (place < 0)
            return jfail(r, "'%s' has no argument named '%.60s'", row->name, a->names[i]);
        if (bound[place].type != J_ABSENT)
            return jfail(r, "'%s' gets its argument '%.60s' twice", row->name, a->names[i]);
        bound[place] = a->named[i];
    }
    for (size_t i = 0; i < row->least; i++)
        if (bound[i].type == J_ABSENT)
            return jfail(r, "'%s' needs %zu argument%s (%s)", row->name, row->least, row->least == 1 ? "" : "s", row->parameters);
    return row->run(r, self, &(jargs){.items = bound, .count = count}, out);
}

int jarg_text(jrun *r, const jargs *a, size_t i, jvalue *out)
{
    if (a->items[i].type == J_ABSENT)
        return 0;
    if (a->items[i].type != J_TEXT)
        return jfail_type(r, "the argument should be a text, not %s", a->items[i]);
    *out = a->items[i];
    return 0;
}

int jarg_int(jrun *r, const jargs *a, size_t i, int64_t *out)
{
    jwhole x;
    if (a->items[i].type == J_ABSENT || a->items[i].type == J_NONE)
        return 0;
    if (!jwhole_of(a->items[i], &x))
        return jfail_type(r, "'%s' object cannot be interpreted as an integer", a->items[i]);
    *out = x > INT64_MAX ? INT64_MAX : x < -INT64_MAX ? -INT64_MAX : (int64_t)x;
    return 0;
}

int jarg_truth(jrun *r, const jargs *a, size_t i, bool *out)
{
    return a->items[i].type == J_ABSENT ? 0 : jtruth(r, a->items[i], out);
}

/* ---- by name */

int jcall_filter(jrun *r, const char *name, jvalue v, const jargs *a, jvalue *out)
{
    const jrow *row = jfilter_find(r, name);
    if (!row)
        return jfail_code(r, ERROR_UNSUPPORTED, "no filter named '%.60s' is known here", name);
    return jcall_row(r, row, v, a, out);
}

int jcall_test(jrun *r, const char *name, jvalue v, const jargs *a, bool *out)
{
    const jrow *row = jtest_find(name);
    jvalue result;
    if (strcmp(name, "filter") == 0) {
        *out = false;
        if (v.type != J_TEXT)
            return 0;
        const char *filter = jprint_text(r, "%.*s", (int)(v.as.text.n < 100 ? v.as.text.n : 100), v.as.text.s);
        *out = filter && jfilter_find(r, filter);
        return filter ? 0 : -1;
    }
    if (!row)
        return jfail_code(r, ERROR_UNSUPPORTED, "no test named '%.60s' is known here", name);
    if (jcall_row(r, row, v, a, &result) != 0)
        return -1;
    *out = result.as.truth;
    return 0;
}

/* ---- a value that is called */

static int call_loop(jrun *r, const jloop *l, const jargs *a, jvalue *out)
{
    size_t mark = r->out.length;
    jframe *frame = r->frame;
    if (!l->node->op)
        return jfail(r, "the loop must have the 'recursive' marker to be called recursively");
    if (a->count != 1 || a->n_named)
        return jfail(r, "loop() takes one argument");
    r->frame = l->frame;
    if (jrender_loop(r, l->node, a->items[0], l->depth0 + 1) != 0)
        return -1;
    r->frame = frame;
    return jtake(r, mark, out);
}

int jcall_value(jrun *r, jvalue f, const jargs *a, jvalue *out)
{
    switch (f.type) {
    case J_METHOD:
        return jcall_row(r, f.as.method->row, f.as.method->self, a, out);
    case J_FUNCTION:
        return jcall_row(r, f.as.function, jvalue_none(), a, out);
    case J_MACRO:
        return jcall_macro(r, f.as.macro, a, out);
    case J_LOOP:
        return call_loop(r, f.as.loop, a, out);
    default:
        return jfail_type(r, "'%s' object is not callable", f);
    }
}
