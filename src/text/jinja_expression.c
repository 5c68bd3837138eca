/* Expressions, by the grammar of Jinja2 3.1's parser: one function a level of precedence. Operands are jinja_operand.c's. */
#include <string.h>

#include "text/jinja_syntax.h"

/* ---- a binary operator's level */

jnode *jparse_binary(jparser *p, enum jkind kind, const jtoken *at, int op, jnode *left, jnode *right)
{
    jnode *n = right ? jparser_node(p, kind, at) : NULL;
    if (!n)
        return NULL;
    n->op = op;
    n->left = left;
    n->right = right;
    return jparser_deepen(p, n, left) == 0 && jparser_deepen(p, n, right) == 0 ? n : NULL;
}

static jnode *parse_left_to_right(jparser *p, jnode *(*operand)(jparser *), const enum jtoken_kind *ops, size_t n_ops)
{
    jnode *left = operand(p);
    while (left) {
        size_t i = 0;
        while (i < n_ops && !jparser_is(p, ops[i]))
            i++;
        if (i == n_ops)
            return left;
        jtoken at = p->now;
        left = jparser_next(p) == 0 ? jparse_binary(p, N_BINARY, &at, (int)ops[i], left, operand(p)) : NULL;
    }
    return NULL;
}

/* ---- levels of precedence, the tightest first */

static jnode *parse_unary(jparser *p, bool with_filter)
{
    jnode *n;
    if (jparser_enter(p) != 0)
        return NULL;
    if (jparser_is(p, T_SUB) || jparser_is(p, T_ADD)) {
        jtoken at = p->now;
        jnode *operand = jparser_next(p) == 0 ? parse_unary(p, false) : NULL;
        n = operand ? jparse_binary(p, at.kind == T_SUB ? N_NEGATIVE : N_POSITIVE, &at, 0, operand, operand) : NULL;
    } else {
        n = jparse_primary(p, false);
    }
    n = jparse_postfix(p, n);
    p->nesting--;
    return with_filter ? jparse_filters_and_tests(p, n) : n;
}

static jnode *parse_operand(jparser *p)
{
    return parse_unary(p, true);
}

static jnode *parse_power(jparser *p)
{
    static const enum jtoken_kind ops[] = {T_POW};
    return parse_left_to_right(p, parse_operand, ops, 1);
}

static jnode *parse_product(jparser *p)
{
    static const enum jtoken_kind ops[] = {T_MUL, T_DIV, T_FLOORDIV, T_MOD};
    return parse_left_to_right(p, parse_power, ops, 4);
}

static jnode *parse_concat(jparser *p)
{
    jtoken at = p->now;
    jnode *first = parse_product(p), *n = NULL;
    size_t capacity = 0;
    while (first && jparser_is(p, T_TILDE)) {
        if (!n && (!(n = jparser_node(p, N_CONCAT, &at)) || jparser_add(p, &n->items, &capacity, first) != 0 || jparser_deepen(p, n, first) != 0))
            return NULL;
        jnode *more = jparser_next(p) == 0 ? parse_product(p) : NULL;
        if (!more || jparser_add(p, &n->items, &capacity, more) != 0 || jparser_deepen(p, n, more) != 0)
            return NULL;
    }
    return n ? n : first;
}

static jnode *parse_sum(jparser *p)
{
    static const enum jtoken_kind ops[] = {T_ADD, T_SUB};
    return parse_left_to_right(p, parse_concat, ops, 2);
}

/* The comparison at this place: 1 and its op, T_NAME for "in" and T_TEXT for "not in"; 0: there is none. */
static int take_comparison(jparser *p, int *op)
{
    bool not_in = jparser_is_word(p, "not") && p->then.kind == T_NAME && p->then.n == 2 && memcmp(p->then.s, "in", 2) == 0;
    if (p->now.kind >= T_EQ && p->now.kind <= T_GE)
        *op = (int)p->now.kind;
    else if (jparser_is_word(p, "in"))
        *op = T_NAME;
    else if (not_in)
        *op = T_TEXT;
    else
        return 0;
    if (jparser_next(p) != 0 || (not_in && jparser_next(p) != 0))
        return -1;
    return 1;
}

static jnode *parse_comparison(jparser *p)
{
    jnode *left = parse_sum(p), *n = NULL;
    size_t capacity = 0;
    for (;;) {
        int op = 0;
        jtoken at = p->now;
        int there = left ? take_comparison(p, &op) : -1;
        if (there <= 0)
            return there < 0 ? NULL : n ? n : left;
        jnode *right = parse_sum(p);
        if (!n) {
            n = jparse_binary(p, N_COMPARE, &at, op, left, right);
            left = n;
            continue;
        }
        jnode *more = jparse_binary(p, N_OPERAND, &at, op, NULL, right);
        if (!more || jparser_add(p, &n->items, &capacity, more) != 0 || jparser_deepen(p, n, more) != 0)
            return NULL;
    }
}

static jnode *parse_not(jparser *p)
{
    if (!jparser_is_word(p, "not"))
        return parse_comparison(p);
    jtoken at = p->now;
    if (jparser_enter(p) != 0)
        return NULL;
    jnode *operand = jparser_next(p) == 0 ? parse_not(p) : NULL;
    p->nesting--;
    return operand ? jparse_binary(p, N_NOT, &at, 0, operand, operand) : NULL;
}

static jnode *parse_word_operator(jparser *p, const char *word, enum jkind kind, jnode *(*operand)(jparser *))
{
    jnode *left = operand(p);
    while (left && jparser_is_word(p, word)) {
        jtoken at = p->now;
        left = jparser_next(p) == 0 ? jparse_binary(p, kind, &at, 0, left, operand(p)) : NULL;
    }
    return left;
}

static jnode *parse_and(jparser *p)
{
    return parse_word_operator(p, "and", N_AND, parse_not);
}

static jnode *parse_or(jparser *p)
{
    return parse_word_operator(p, "or", N_OR, parse_and);
}

jnode *jparse_expression(jparser *p)
{
    if (jparser_enter(p) != 0)
        return NULL;
    jnode *left = parse_or(p);
    while (left && jparser_is_word(p, "if")) {
        jtoken at = p->now;
        jnode *condition = jparser_next(p) == 0 ? parse_or(p) : NULL, *n = jparse_binary(p, N_CONDITION, &at, 0, left, condition);
        int otherwise = n ? jparser_skip_word(p, "else") : -1;
        if (otherwise < 0 || (otherwise && (!(n->third = jparse_expression(p)) || jparser_deepen(p, n, n->third) != 0)))
            return NULL;
        left = n;
    }
    p->nesting--;
    return left;
}

/* ---- tuples */

static bool ends_tuple(const jparser *p, const char *end_word)
{
    return jparser_is(p, T_PRINT_END) || jparser_is(p, T_BLOCK_END) || jparser_is(p, T_RPAREN) || (end_word && jparser_is_word(p, end_word));
}

jnode *jparse_list_of(jparser *p, jnode *(*parse)(jparser *), const char *end_word, bool parentheses)
{
    char what[80];
    jnode *n = jparser_node(p, N_TUPLE, &p->now);
    size_t capacity = 0;
    bool comma = false;
    while (n) {
        if (n->items.count && jparser_expect(p, T_COMMA) != 0)
            return NULL;
        if (ends_tuple(p, end_word))
            break;
        jnode *item = parse(p);
        if (!item || jparser_add(p, &n->items, &capacity, item) != 0 || jparser_deepen(p, n, item) != 0)
            return NULL;
        if (!jparser_is(p, T_COMMA))
            break;
        comma = true;
    }
    if (n && !comma && n->items.count)
        return n->items.items[0];
    if (n && !comma && !parentheses) {
        jparser_fail(p, &p->now, "expected an expression, got %s", jparser_describe(&p->now, what));
        return NULL;
    }
    return n;
}

jnode *jparse_tuple(jparser *p, bool with_condition, const char *end_word)
{
    return jparse_list_of(p, with_condition ? jparse_expression : parse_or, end_word, false);
}
