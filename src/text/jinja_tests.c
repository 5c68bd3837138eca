/* Tests: x is NAME. Each gives a bool. */
#include <string.h>

#include "text/jinja_run.h"

static int answer(bool truth, jvalue *out)
{
    *out = jvalue_bool(truth);
    return 0;
}

/* ---- what it is */

static int test_defined(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    (void)r;
    (void)a;
    return answer(v.type != J_UNDEFINED, out);
}

static int test_undefined(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    (void)r;
    (void)a;
    return answer(v.type == J_UNDEFINED, out);
}

static int test_none(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    (void)r;
    (void)a;
    return answer(v.type == J_NONE, out);
}

static int test_boolean(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    (void)r;
    (void)a;
    return answer(v.type == J_BOOL, out);
}

static int test_true(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    (void)r;
    (void)a;
    return answer(v.type == J_BOOL && v.as.truth, out);
}

static int test_false(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    (void)r;
    (void)a;
    return answer(v.type == J_BOOL && !v.as.truth, out);
}

static int test_integer(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    (void)r;
    (void)a;
    return answer(v.type == J_INT, out);
}

static int test_float(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    (void)r;
    (void)a;
    return answer(v.type == J_FLOAT, out);
}

static int test_number(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    (void)r;
    (void)a;
    return answer(jvalue_is_number(v), out);
}

static int test_string(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    (void)r;
    (void)a;
    return answer(v.type == J_TEXT, out);
}

static int test_mapping(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    (void)r;
    (void)a;
    return answer(v.type == J_DICT, out);
}

static int test_iterable(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    (void)a;
    return jis_strict(r, v) ? jrefuse_undefined(r, v) : answer(jvalue_is_list(v) || v.type == J_TEXT || v.type == J_DICT || v.type == J_UNDEFINED || v.type == J_LOOP, out);
}

/* Has a length and items by number or key. */
static int test_sequence(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    (void)a;
    bool range = v.type == J_VIEW && strncmp(v.as.list->label, "range(", 6) == 0;
    return jis_strict(r, v) ? jrefuse_undefined(r, v) : answer(v.type == J_LIST || v.type == J_TUPLE || v.type == J_TEXT || v.type == J_DICT || v.type == J_UNDEFINED || range, out);
}

static int test_callable(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    (void)r;
    (void)a;
    return answer(v.type == J_MACRO || v.type == J_METHOD || v.type == J_FUNCTION || v.type == J_LOOP || v.type == J_UNDEFINED, out);
}

static int test_escaped(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    (void)r;
    (void)v;
    (void)a;
    return answer(false, out);
}

static int in_case(jrun *r, jvalue v, const char *method, jvalue *out)
{
    jvalue text;
    return jto_text(r, v, &text) == 0 ? jcall_row(r, jrow_find(jtext_kind_methods, method), text, &(jargs){0}, out) : -1;
}

static int test_lower(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    (void)a;
    return in_case(r, v, "islower", out);
}

static int test_upper(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    (void)a;
    return in_case(r, v, "isupper", out);
}

/* ---- whole numbers */

static int remainder_is(jrun *r, jvalue v, jvalue by, int64_t wanted, jvalue *out)
{
    jvalue rest;
    bool equal;
    if (v.type == J_TEXT)
        return jfail(r, "a text has no remainder");
    if (jbinary(r, T_MOD, v, by, &rest) != 0 || jequal(r, rest, jvalue_int(wanted), &equal) != 0)
        return -1;
    return answer(equal, out);
}

static int test_odd(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    (void)a;
    return remainder_is(r, v, jvalue_int(2), 1, out);
}

static int test_even(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    (void)a;
    return remainder_is(r, v, jvalue_int(2), 0, out);
}

static int test_divisibleby(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    return remainder_is(r, v, a->items[0], 0, out);
}

/* ---- compared with another */

static int compared(jrun *r, int op, jvalue v, const jargs *a, jvalue *out)
{
    bool truth;
    return jcompare(r, op, v, a->items[0], &truth) == 0 ? answer(truth, out) : -1;
}

static int test_eq(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    return compared(r, T_EQ, v, a, out);
}

static int test_ne(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    return compared(r, T_NE, v, a, out);
}

static int test_lt(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    return compared(r, T_LT, v, a, out);
}

static int test_le(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    return compared(r, T_LE, v, a, out);
}

static int test_gt(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    return compared(r, T_GT, v, a, out);
}

static int test_ge(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    return compared(r, T_GE, v, a, out);
}

static int test_in(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    return compared(r, T_NAME, v, a, out);
}

/* The same object: here the same list or dict, or an equal value of one type. */
static int test_sameas(jrun *r, jvalue v, const jargs *a, jvalue *out)
{
    jvalue other = a->items[0];
    bool equal;
    if (v.type != other.type)
        return answer(false, out);
    if (v.type == J_DICT || jvalue_is_list(v))
        return answer(v.as.list == other.as.list, out);
    return jequal(r, v, other, &equal) == 0 ? answer(equal, out) : -1;
}

static const jrow tests[] = {
    {"defined", test_defined, "", 0}, {"undefined", test_undefined, "", 0}, {"none", test_none, "", 0}, {"boolean", test_boolean, "", 0}, {"true", test_true, "", 0},
    {"false", test_false, "", 0}, {"integer", test_integer, "", 0}, {"float", test_float, "", 0}, {"number", test_number, "", 0}, {"string", test_string, "", 0},
    {"mapping", test_mapping, "", 0}, {"iterable", test_iterable, "", 0}, {"sequence", test_sequence, "", 0}, {"callable", test_callable, "", 0},
    {"escaped", test_escaped, "", 0}, {"lower", test_lower, "", 0}, {"upper", test_upper, "", 0}, {"odd", test_odd, "", 0}, {"even", test_even, "", 0},
    {"divisibleby", test_divisibleby, "num", 1}, {"eq", test_eq, "other", 1}, {"==", test_eq, "other", 1}, {"equalto", test_eq, "other", 1}, {"ne", test_ne, "other", 1},
    {"!=", test_ne, "other", 1}, {"lt", test_lt, "other", 1}, {"<", test_lt, "other", 1}, {"lessthan", test_lt, "other", 1}, {"le", test_le, "other", 1},
    {"<=", test_le, "other", 1}, {"gt", test_gt, "other", 1}, {">", test_gt, "other", 1}, {"greaterthan", test_gt, "other", 1}, {"ge", test_ge, "other", 1},
    {">=", test_ge, "other", 1}, {"in", test_in, "seq", 1}, {"sameas", test_sameas, "other", 1}, {0},
};

const jrow *jtest_find(const char *name)
{
    return jrow_find(tests, name);
}
