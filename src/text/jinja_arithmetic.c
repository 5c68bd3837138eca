/* Numbers as in Python: whole ones of 127 bits, where more is an error, and doubles; + and * of texts and lists. */
#include <math.h>
#include <string.h>

#include "text/jinja_run.h"

bool jwhole_of(jvalue v, jwhole *out)
{
    *out = v.type == J_BOOL ? v.as.truth : v.type == J_INT ? v.as.whole : 0;
    return v.type == J_BOOL || v.type == J_INT;
}

double jreal_of(jvalue number)
{
    jwhole x;
    return jwhole_of(number, &x) ? (double)x : number.as.real;
}

int jwhole_from_real(jrun *r, double x, jwhole *out)
{
    if (isnan(x) || isinf(x))
        return jfail(r, "cannot convert float %s to integer", isnan(x) ? "NaN" : "infinity");
    if (!(x > -0x1p126 && x < 0x1p126))
        return jfail(r, "%g is beyond the 127 bits of a whole number", x);
    *out = (jwhole)x;
    return 0;
}

static const char *symbol(int op)
{
    switch (op) {
    case T_ADD: return "+";
    case T_SUB: return "-";
    case T_MUL: return "*";
    case T_DIV: return "/";
    case T_FLOORDIV: return "//";
    case T_MOD: return "%";
    default: return "** or pow()";
    }
}

static int fail_operands(jrun *r, int op, jvalue a, jvalue b)
{
    if (a.type == J_UNDEFINED || b.type == J_UNDEFINED)
        return jrefuse_undefined(r, a.type == J_UNDEFINED ? a : b);
    if (op == T_ADD && a.type == J_TEXT)
        return jfail(r, "can only concatenate str (not \"%s\") to str", jvalue_type_name(b));
    if (op == T_ADD && (a.type == J_LIST || a.type == J_TUPLE))
        return jfail(r, "can only concatenate %s (not \"%s\") to %s", jvalue_type_name(a), jvalue_type_name(b), jvalue_type_name(a));
    return jfail(r, "unsupported operand type(s) for %s: '%s' and '%s'", symbol(op), jvalue_type_name(a), jvalue_type_name(b));
}

/* ---- whole numbers */

static int fail_overflow(jrun *r, int op)
{
    return jfail_code(r, ERROR_LIMIT, "the result of '%s' is beyond the 127 bits of a whole number", op == T_POW ? "**" : symbol(op));
}

/* Rounded down, as in Python; y is not 0. */
static jwhole floor_quotient(jwhole x, jwhole y)
{
    jwhole q = x / y;
    return x % y != 0 && (x < 0) != (y < 0) ? q - 1 : q;
}

static int power(jrun *r, jwhole x, jwhole y, jvalue *out)
{
    if (y < 0) {
        if (x == 0)
            return jfail(r, "0 cannot be raised to a negative power");
        *out = jvalue_float(pow((double)x, (double)y));
        return 0;
    }
    jwhole result = 1;
    for (; y > 0; y >>= 1) {
        if ((y & 1) && __builtin_mul_overflow(result, x, &result))
            return fail_overflow(r, T_POW);
        if (y > 1 && __builtin_mul_overflow(x, x, &x))
            return fail_overflow(r, T_POW);
    }
    *out = jvalue_int(result);
    return 0;
}

static int whole_binary(jrun *r, int op, jwhole x, jwhole y, jvalue *out)
{
    jwhole result = 0;
    bool overflow = false;
    if ((op == T_DIV || op == T_FLOORDIV || op == T_MOD) && y == 0)
        return jfail(r, op == T_DIV ? "division by zero" : "integer division or modulo by zero");
    if (op == T_POW)
        return power(r, x, y, out);
    if (op == T_DIV) {
        *out = jvalue_float((double)x / (double)y);
        return 0;
    }
    if (op == T_ADD)
        overflow = __builtin_add_overflow(x, y, &result);
    else if (op == T_SUB)
        overflow = __builtin_sub_overflow(x, y, &result);
    else if (op == T_MUL)
        overflow = __builtin_mul_overflow(x, y, &result);
    else if (y == -1)
        overflow = op == T_FLOORDIV && __builtin_sub_overflow((jwhole)0, x, &result);
    else
        result = op == T_FLOORDIV ? floor_quotient(x, y) : x - floor_quotient(x, y) * y;
    *out = jvalue_int(result);
    return overflow ? fail_overflow(r, op) : 0;
}

/* ---- doubles */

static double real_modulo(double x, double y)
{
    double rest = fmod(x, y);
    if (rest != 0)
        return (rest < 0) != (y < 0) ? rest + y : rest;
    return copysign(0, y);
}

static int real_power(jrun *r, double x, double y, jvalue *out)
{
    if (x == 0 && y < 0)
        return jfail(r, "0.0 cannot be raised to a negative power");
    if (x < 0 && isfinite(y) && y != floor(y))
        return jfail(r, "a negative number to a fractional power is complex, which is not known here");
    double result = pow(x, y);
    if (isinf(result) && isfinite(x) && isfinite(y))
        return jfail(r, "the result of '**' is too large for a float");
    *out = jvalue_float(result);
    return 0;
}

static int real_binary(jrun *r, int op, double x, double y, jvalue *out)
{
    if ((op == T_DIV || op == T_FLOORDIV || op == T_MOD) && y == 0)
        return jfail(r, op == T_DIV ? "float division by zero" : op == T_MOD ? "float modulo" : "float floor division by zero");
    switch (op) {
    case T_ADD:
        *out = jvalue_float(x + y);
        return 0;
    case T_SUB:
        *out = jvalue_float(x - y);
        return 0;
    case T_MUL:
        *out = jvalue_float(x * y);
        return 0;
    case T_DIV:
        *out = jvalue_float(x / y);
        return 0;
    case T_MOD:
        *out = jvalue_float(real_modulo(x, y));
        return 0;
    case T_FLOORDIV: {
        double quotient = (x - real_modulo(x, y)) / y, down = floor(quotient);
        *out = jvalue_float(quotient == 0 ? copysign(0, x / y) : quotient - down > 0.5 ? down + 1 : down);
        return 0;
    }
    default:
        return real_power(r, x, y, out);
    }
}

/* ---- texts and lists */

static int join_lists(jrun *r, jvalue a, jvalue b, jvalue *out)
{
    size_t n = a.as.list->count, m = b.as.list->count;
    if (jlist_make(r, a.type, n + m, out) != 0)
        return -1;
    if (n)
        memcpy(out->as.list->items, a.as.list->items, n * sizeof(jvalue));
    if (m)
        memcpy(out->as.list->items + n, b.as.list->items, m * sizeof(jvalue));
    out->as.list->count = n + m;
    return 0;
}

int jrepeat(jrun *r, jvalue v, jwhole times, jvalue *out)
{
    size_t n = v.type == J_TEXT ? v.as.text.n : v.as.list->count, size = v.type == J_TEXT ? 1 : sizeof(jvalue);
    if (times < 0 || n == 0)
        times = 0;
    if (times > (jwhole)(JINJA_MEMORY_LIMIT / size / (n ? n : 1)))
        return jfail_code(r, ERROR_LIMIT, "the template's values take more than the limit of %zu MB", JINJA_MEMORY_LIMIT >> 20);
    size_t all = n * (size_t)times;
    if (v.type == J_TEXT) {
        char *text = jbytes(r, all);
        if (!text)
            return -1;
        for (size_t i = 0; i < all; i += n)
            memcpy(text + i, v.as.text.s, n);
        *out = jvalue_text(text, all);
        return 0;
    }
    if (jlist_make(r, v.type, all, out) != 0)
        return -1;
    for (size_t i = 0; i < all; i += n)
        memcpy(out->as.list->items + i, v.as.list->items, n * sizeof(jvalue));
    out->as.list->count = all;
    return 0;
}

static bool repeats(jvalue v)
{
    return v.type == J_TEXT || v.type == J_LIST || v.type == J_TUPLE;
}

static int percent(jrun *r, jvalue format, jvalue v, jvalue *out)
{
    jargs a = {.items = &v, .count = 1};
    if (v.type == J_TUPLE)
        a = (jargs){.items = v.as.list->items, .count = v.as.list->count};
    return jformat_percent(r, format, &a, out);
}

int jbinary(jrun *r, int op, jvalue a, jvalue b, jvalue *out)
{
    jwhole x, y;
    if (jvalue_is_number(a) && jvalue_is_number(b)) {
        if (jwhole_of(a, &x) && jwhole_of(b, &y))
            return whole_binary(r, op, x, y, out);
        return real_binary(r, op, jreal_of(a), jreal_of(b), out);
    }
    if (op == T_ADD && a.type == J_TEXT && b.type == J_TEXT)
        return jconcat(r, a, b, out);
    if (op == T_ADD && a.type == b.type && (a.type == J_LIST || a.type == J_TUPLE))
        return join_lists(r, a, b, out);
    if (op == T_MUL && repeats(a) && jwhole_of(b, &y))
        return jrepeat(r, a, y, out);
    if (op == T_MUL && repeats(b) && jwhole_of(a, &x))
        return jrepeat(r, b, x, out);
    if (op == T_MOD && a.type == J_TEXT && b.type != J_UNDEFINED)
        return percent(r, a, b, out);
    return fail_operands(r, op, a, b);
}

int jnegate(jrun *r, jvalue v, bool negative, jvalue *out)
{
    jwhole x;
    if (v.type == J_FLOAT) {
        *out = jvalue_float(negative ? -v.as.real : v.as.real);
        return 0;
    }
    if (!jwhole_of(v, &x))
        return jfail_type(r, negative ? "bad operand type for unary -: '%s'" : "bad operand type for unary +: '%s'", v);
    if (negative && __builtin_sub_overflow((jwhole)0, x, &x))
        return fail_overflow(r, T_SUB);
    *out = jvalue_int(x);
    return 0;
}
