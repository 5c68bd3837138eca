/* What is true, equal, less, in: Python's answers. */
#include <math.h>
#include <string.h>

#include "text/jinja_run.h"
#include "text/jinja_text.h"

int jtruth(jrun *r, jvalue v, bool *out)
{
    *out = true;
    switch (v.type) {
    case J_UNDEFINED:
        if (jis_strict(r, v))
            return jrefuse_undefined(r, v);
        *out = false;
        break;
    case J_ABSENT:
    case J_NONE:
        *out = false;
        break;
    case J_BOOL:
        *out = v.as.truth;
        break;
    case J_INT:
        *out = v.as.whole != 0;
        break;
    case J_FLOAT:
        *out = v.as.real != 0;
        break;
    case J_TEXT:
        *out = v.as.text.n > 0;
        break;
    case J_LIST:
    case J_TUPLE:
    case J_VIEW:
        *out = v.as.list->count > 0;
        break;
    case J_DICT:
        *out = v.as.dict->count > 0;
        break;
    default:
        break;
    }
    return 0;
}

/* ---- equality */

static int equal_lists(jrun *r, const jlist *a, const jlist *b, bool *out)
{
    *out = a->count == b->count;
    for (size_t i = 0; *out && i < a->count; i++)
        if (jequal(r, a->items[i], b->items[i], out) != 0)
            return -1;
    return 0;
}

static int equal_dicts(jrun *r, const jdict *a, const jdict *b, bool *out)
{
    *out = a->count == b->count;
    for (size_t i = 0; *out && i < a->count; i++) {
        const jvalue *other = jdict_find(b, a->keys[i]);
        *out = other != NULL;
        if (other && jequal(r, a->values[i], *other, out) != 0)
            return -1;
    }
    return 0;
}

static bool equal_numbers(jvalue a, jvalue b)
{
    jwhole x, y;
    if (jwhole_of(a, &x) && jwhole_of(b, &y))
        return x == y;
    return jreal_of(a) == jreal_of(b);
}

int jequal(jrun *r, jvalue a, jvalue b, bool *out)
{
    int status = 0;
    if (jis_strict(r, a) || jis_strict(r, b))
        return jrefuse_undefined(r, a.type == J_UNDEFINED ? a : b);
    if (jstep(r, 1) != 0 || jenter(r) != 0)
        return -1;
    if (jvalue_is_number(a) && jvalue_is_number(b))
        *out = equal_numbers(a, b);
    else if (a.type != b.type)
        *out = false;
    else if (a.type == J_TEXT)
        *out = a.as.text.n == b.as.text.n && (a.as.text.s == b.as.text.s || memcmp(a.as.text.s, b.as.text.s, a.as.text.n) == 0);
    else if (a.type == J_LIST || a.type == J_TUPLE || a.type == J_VIEW)
        status = equal_lists(r, a.as.list, b.as.list, out);
    else if (a.type == J_DICT)
        status = equal_dicts(r, a.as.dict, b.as.dict, out);
    else
        *out = a.type == J_NONE || a.type == J_UNDEFINED || a.as.list == b.as.list;
    r->depth--;
    return status;
}

/* ---- order */

static int order_lists(jrun *r, const char *op, const jlist *a, const jlist *b, int *out)
{
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        bool equal;
        if (jequal(r, a->items[i], b->items[i], &equal) != 0)
            return -1;
        if (!equal)
            return jorder(r, op, a->items[i], b->items[i], out);
    }
    *out = (a->count > b->count) - (a->count < b->count);
    return 0;
}

static int order_texts(jvalue a, jvalue b)
{
    size_t n = a.as.text.n < b.as.text.n ? a.as.text.n : b.as.text.n;
    int first = n ? memcmp(a.as.text.s, b.as.text.s, n) : 0;   /* UTF-8 sorts as its characters do */
    return first ? (first > 0) - (first < 0) : (a.as.text.n > b.as.text.n) - (a.as.text.n < b.as.text.n);
}

static int order_numbers(jvalue a, jvalue b)
{
    jwhole x, y;
    if (jwhole_of(a, &x) && jwhole_of(b, &y))
        return (x > y) - (x < y);
    double p = jreal_of(a), q = jreal_of(b);
    return isnan(p) || isnan(q) ? 2 : (p > q) - (p < q);
}

int jorder(jrun *r, const char *op, jvalue a, jvalue b, int *out)
{
    int status = 0;
    if (a.type == J_UNDEFINED || b.type == J_UNDEFINED)
        return jrefuse_undefined(r, a.type == J_UNDEFINED ? a : b);
    if (jstep(r, 1) != 0 || jenter(r) != 0)
        return -1;
    if (jvalue_is_number(a) && jvalue_is_number(b))
        *out = order_numbers(a, b);
    else if (a.type == J_TEXT && b.type == J_TEXT)
        *out = order_texts(a, b);
    else if (a.type == b.type && (a.type == J_LIST || a.type == J_TUPLE))
        status = order_lists(r, op, a.as.list, b.as.list, out);
    else
        status = jfail(r, "'%s' not supported between instances of '%s' and '%s'", op, jvalue_type_name(a), jvalue_type_name(b));
    r->depth--;
    return status;
}

/* ---- membership */

int jcontains(jrun *r, jvalue item, jvalue in, bool *out)
{
    const jvalue *items;
    size_t n;
    *out = false;
    if (in.type == J_TEXT) {
        if (item.type != J_TEXT)
            return jfail_type(r, "'in <string>' requires string as left operand, not %s", item);
        *out = jtext_find(in.as.text.s, in.as.text.n, item.as.text.s, item.as.text.n, 0) <= in.as.text.n;
        return jstep(r, in.as.text.n / 16);
    }
    if (in.type == J_DICT) {
        if (item.type != J_UNDEFINED && !jvalue_is_key(item))
            return jfail_type(r, "unhashable type: '%s'", item);
        *out = jvalue_is_key(item) && jdict_find(in.as.dict, item);
        return 0;
    }
    if (!jvalue_is_list(in) && (in.type != J_UNDEFINED || jis_strict(r, in)))
        return jfail_type(r, "argument of type '%s' is not iterable", in);
    if (jitems(r, in, &items, &n) != 0)
        return -1;
    for (size_t i = 0; !*out && i < n; i++)
        if (jequal(r, items[i], item, out) != 0)
            return -1;
    return 0;
}

int jcompare(jrun *r, int op, jvalue a, jvalue b, bool *out)
{
    int order = 0;
    switch (op) {
    case T_EQ:
        return jequal(r, a, b, out);
    case T_NE:
        if (jequal(r, a, b, out) != 0)
            return -1;
        *out = !*out;
        return 0;
    case T_NAME:
        return jcontains(r, a, b, out);
    case T_TEXT:
        if (jcontains(r, a, b, out) != 0)
            return -1;
        *out = !*out;
        return 0;
    default:
        if (jorder(r, op == T_LT ? "<" : op == T_LE ? "<=" : op == T_GT ? ">" : ">=", a, b, &order) != 0)
            return -1;
        *out = order != 2 && (op == T_LT ? order < 0 : op == T_LE ? order <= 0 : op == T_GT ? order > 0 : order >= 0);
        return 0;
    }
}

/* A text that grows piece by piece stays in its place: joining n of them is no n copies. */
int jconcat(jrun *r, jvalue a, jvalue b, jvalue *out)
{
    size_t n = a.as.text.n, m = b.as.text.n;
    if (m == 0 || n == 0) {
        *out = m == 0 ? a : b;
        return 0;
    }
    if (jstep(r, m / 64) != 0)
        return -1;
    char *behind = jarena_extend(&r->arena, a.as.text.s + n, m);
    if (behind) {
        memcpy(behind, b.as.text.s, m);
        *out = jvalue_text(a.as.text.s, n + m);
        return 0;
    }
    char *both = jbytes_growing(r, n + m);
    if (!both)
        return -1;
    memcpy(both, a.as.text.s, n);
    memcpy(both + n, b.as.text.s, m);
    *out = jvalue_text(both, n + m);
    return 0;
}
