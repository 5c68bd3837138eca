/* Expressions, by the grammar of Jinja2 3.1's parser: one function a level of precedence. */
#include <stdio.h>
#include <string.h>

#include "text/jinja_syntax.h"

/* ---- a binary operator's level */

static jnode *binary(jparser *p, enum jkind kind, const jtoken *at, int op, jnode *left, jnode *right)
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
        left = jparser_next(p) == 0 ? binary(p, N_BINARY, &at, (int)ops[i], left, operand(p)) : NULL;
    }
    return NULL;
}

/* ---- calls */

static int add_named(jparser *p, jcall *c, size_t *capacity, const char *name, jnode *node)
{
    size_t before = *capacity;
    if (jparser_add(p, &c->named, capacity, node) != 0)
        return -1;
    if (before != *capacity) {
        const char **names = jarena_new(p->arena, *capacity * sizeof *names);
        if (!names)
            return jparser_fail(p, &p->now, "the template takes more memory than the limit");
        if (before)
            memcpy(names, c->names, before * sizeof *names);
        c->names = names;
    }
    c->names[c->named.count - 1] = name;
    return 0;
}

static int parse_argument(jparser *p, jcall *c, size_t *n_positional, size_t *n_named)
{
    jtoken at = p->now;
    if (jparser_is(p, T_MUL) || jparser_is(p, T_POW)) {
        jnode **place = jparser_is(p, T_MUL) ? &c->list : &c->map;
        if (c->map || *place)
            return jparser_fail(p, &at, "arguments in an order that is not allowed");
        if (jparser_next(p) != 0 || !(*place = jparse_expression(p)))
            return -1;
        return 0;
    }
    if (jparser_is(p, T_NAME) && p->then.kind == T_ASSIGN) {
        const char *name = jparser_name(p);
        if (!name || jparser_next(p) != 0)
            return -1;
        if (c->map)
            return jparser_fail(p, &at, "arguments in an order that is not allowed");
        jnode *value = jparse_expression(p);
        return value ? add_named(p, c, n_named, name, value) : -1;
    }
    if (c->list || c->map || c->named.count)
        return jparser_fail(p, &at, "an argument without a name behind those with one");
    jnode *value = jparse_expression(p);
    return value ? jparser_add(p, &c->positional, n_positional, value) : -1;
}

static jcall *parse_arguments(jparser *p)
{
    jcall *c = jarena_new(p->arena, sizeof *c);
    size_t n_positional = 0, n_named = 0;
    if (!c || jparser_expect(p, T_LPAREN) != 0)
        return NULL;
    for (bool first = true; !jparser_is(p, T_RPAREN); first = false) {
        if (!first && jparser_expect(p, T_COMMA) != 0)
            return NULL;
        if (!first && jparser_is(p, T_RPAREN))
            break;
        if (parse_argument(p, c, &n_positional, &n_named) != 0)
            return NULL;
    }
    return jparser_next(p) == 0 ? c : NULL;
}

static int deepen_call(jparser *p, jnode *n)
{
    const jcall *c = n->call;
    for (size_t i = 0; c && i < c->positional.count; i++)
        if (jparser_deepen(p, n, c->positional.items[i]) != 0)
            return -1;
    for (size_t i = 0; c && i < c->named.count; i++)
        if (jparser_deepen(p, n, c->named.items[i]) != 0)
            return -1;
    return !c || (jparser_deepen(p, n, c->list) == 0 && jparser_deepen(p, n, c->map) == 0) ? 0 : -1;
}

static jnode *parse_call(jparser *p, jnode *left)
{
    jnode *n = jparser_node(p, N_CALL, &p->now);
    if (!n || !(n->call = parse_arguments(p)))
        return NULL;
    n->left = left;
    return jparser_deepen(p, n, left) == 0 && deepen_call(p, n) == 0 ? n : NULL;
}

/* A filter's or a test's name, which may have dots. */
static const char *parse_dotted(jparser *p)
{
    const char *name = jparser_name(p);
    if (name && jparser_is(p, T_DOT)) {
        jparser_fail(p, &p->now, "'%s.' is no filter or test that is known here", name);
        return NULL;
    }
    return name;
}

jnode *jparse_filters(jparser *p, jnode *left, bool first_without_pipe)
{
    for (bool pipe = !first_without_pipe; !pipe || jparser_is(p, T_PIPE); pipe = true) {
        if (pipe && jparser_next(p) != 0)
            return NULL;
        jnode *n = jparser_node(p, N_FILTER, &p->now);
        if (!n || !(n->name = parse_dotted(p)) || (jparser_is(p, T_LPAREN) && !(n->call = parse_arguments(p))))
            return NULL;
        n->left = left;
        if (jparser_deepen(p, n, left) != 0 || deepen_call(p, n) != 0)
            return NULL;
        left = n;
    }
    return left;
}

/* ---- what follows a value */

static jnode *parse_subscribed(jparser *p, bool *is_slice, jnode *parts[3])
{
    memset(parts, 0, 3 * sizeof *parts);
    *is_slice = false;
    if (!jparser_is(p, T_COLON) && !(parts[0] = jparse_expression(p)))
        return NULL;
    for (int i = 1; i < 3 && jparser_is(p, T_COLON); i++) {
        *is_slice = true;
        if (jparser_next(p) != 0)
            return NULL;
        bool empty = jparser_is(p, T_COLON) || jparser_is(p, T_RBRACKET) || jparser_is(p, T_COMMA);
        if (!empty && !(parts[i] = jparse_expression(p)))
            return NULL;
    }
    return *is_slice ? NULL : parts[0];
}

static jnode *parse_slice(jparser *p, jnode *n, jnode *parts[3])
{
    n->kind = N_SLICE;
    size_t capacity = 0;
    for (int i = 0; i < 3; i++)
        if (jparser_add(p, &n->items, &capacity, parts[i]) != 0 || jparser_deepen(p, n, parts[i]) != 0)
            return NULL;
    return n;
}

static jnode *parse_subscript(jparser *p, jnode *left)
{
    jnode *n = jparser_node(p, N_SUBSCRIPT, &p->now), *parts[3];
    bool is_slice, dot = jparser_is(p, T_DOT);
    if (!n || jparser_next(p) != 0)
        return NULL;
    n->left = left;
    if (jparser_deepen(p, n, left) != 0)
        return NULL;
    if (dot && jparser_is(p, T_NAME)) {
        n->kind = N_ATTRIBUTE;
        return (n->name = jparser_name(p)) ? n : NULL;
    }
    if (dot) {
        if (!jparser_is(p, T_INT)) {
            jparser_fail(p, &p->now, "a name or a number should follow the dot");
            return NULL;
        }
        n->right = jparser_node(p, N_LITERAL, &p->now);
        if (n->right)
            n->right->literal = p->now.literal;
        return n->right && jparser_next(p) == 0 ? n : NULL;
    }
    n->right = parse_subscribed(p, &is_slice, parts);
    if ((is_slice && !parse_slice(p, n, parts)) || (!is_slice && !n->right) || p->err->code)
        return NULL;
    if (jparser_is(p, T_COMMA)) {
        jparser_fail(p, &p->now, "subscripts of several parts are not known here");
        return NULL;
    }
    return jparser_deepen(p, n, n->right) == 0 && jparser_expect(p, T_RBRACKET) == 0 ? n : NULL;
}

static jnode *parse_postfix(jparser *p, jnode *n)
{
    while (n && (jparser_is(p, T_DOT) || jparser_is(p, T_LBRACKET) || jparser_is(p, T_LPAREN)))
        n = jparser_is(p, T_LPAREN) ? parse_call(p, n) : parse_subscript(p, n);
    return n;
}

/* A test's single argument may stand without parentheses: x is divisibleby 3. */
static int parse_bare_argument(jparser *p, jnode *test)
{
    bool is_value = jparser_is(p, T_NAME) || jparser_is(p, T_TEXT) || jparser_is(p, T_INT) || jparser_is(p, T_FLOAT) || jparser_is(p, T_LBRACKET) ||
                    jparser_is(p, T_LBRACE);
    if (!is_value || jparser_is_word(p, "else") || jparser_is_word(p, "or") || jparser_is_word(p, "and"))
        return 0;
    if (jparser_is_word(p, "is"))
        return jparser_fail(p, &p->now, "tests with 'is' do not follow one another");
    test->call = jarena_new(p->arena, sizeof *test->call);
    size_t capacity = 0;
    jnode *argument = test->call ? parse_postfix(p, jparse_primary(p, false)) : NULL;
    return argument ? jparser_add(p, &test->call->positional, &capacity, argument) : -1;
}

static jnode *parse_test(jparser *p, jnode *left)
{
    jnode *n = jparser_node(p, N_TEST, &p->now);
    if (!n || jparser_next(p) != 0)
        return NULL;
    int negated = jparser_skip_word(p, "not");
    if (negated < 0 || !(n->name = parse_dotted(p)))
        return NULL;
    n->left = left;
    if (jparser_is(p, T_LPAREN) ? !(n->call = parse_arguments(p)) : parse_bare_argument(p, n) != 0)
        return NULL;
    if (jparser_deepen(p, n, left) != 0 || deepen_call(p, n) != 0)
        return NULL;
    return negated ? binary(p, N_NOT, &(jtoken){.line = n->line, .column = n->column}, 0, n, n) : n;
}

static jnode *parse_filters_and_tests(jparser *p, jnode *n)
{
    while (n) {
        if (jparser_is(p, T_PIPE))
            n = jparse_filters(p, n, false);
        else if (jparser_is_word(p, "is"))
            n = parse_test(p, n);
        else if (jparser_is(p, T_LPAREN))
            n = parse_call(p, n);
        else
            return n;
    }
    return NULL;
}

/* ---- values */

static jnode *literal(jparser *p, jvalue v)
{
    jnode *n = jparser_node(p, N_LITERAL, &p->now);
    if (!n || jparser_next(p) != 0)
        return NULL;
    n->literal = v;
    return n;
}

static jnode *parse_name(jparser *p, bool as_target)
{
    static const struct { const char *name; enum jtype type; bool truth; } words[] = {
        {"true", J_BOOL, true}, {"True", J_BOOL, true}, {"false", J_BOOL, false}, {"False", J_BOOL, false}, {"none", J_NONE, false}, {"None", J_NONE, false},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (jparser_is_word(p, words[i].name))
            return literal(p, words[i].type == J_NONE ? jvalue_none() : jvalue_bool(words[i].truth));
    jnode *n = jparser_node(p, N_NAME, &p->now);
    if (!n || !(n->name = jparser_name(p)))
        return NULL;
    if (!as_target || !jparser_is(p, T_DOT))
        return n;
    n->kind = N_NAMESPACE;
    const char *attribute = jparser_next(p) == 0 ? jparser_name(p) : NULL;
    if (!attribute)
        return NULL;
    n->literal = jvalue_word(attribute);
    return n;
}

/* 'a' 'b' is one text. */
static jnode *parse_text(jparser *p)
{
    jnode *n = literal(p, p->now.literal);
    while (n && jparser_is(p, T_TEXT)) {
        size_t a = n->literal.as.text.n, b = p->now.literal.as.text.n;
        char *both = jarena_bytes_growing(p->arena, a + b);
        if (!both) {
            jparser_fail(p, &p->now, "the template takes more memory than the limit");
            return NULL;
        }
        memcpy(both, n->literal.as.text.s, a);
        memcpy(both + a, p->now.literal.as.text.s, b);
        n->literal = jvalue_text(both, a + b);
        if (jparser_next(p) != 0)
            return NULL;
    }
    return n;
}

static jnode *parse_list(jparser *p)
{
    jnode *n = jparser_node(p, N_LIST, &p->now);
    size_t capacity = 0;
    if (!n || jparser_next(p) != 0)
        return NULL;
    while (!jparser_is(p, T_RBRACKET)) {
        if (n->items.count && jparser_expect(p, T_COMMA) != 0)
            return NULL;
        if (jparser_is(p, T_RBRACKET))
            break;
        jnode *item = jparse_expression(p);
        if (!item || jparser_add(p, &n->items, &capacity, item) != 0 || jparser_deepen(p, n, item) != 0)
            return NULL;
    }
    return jparser_next(p) == 0 ? n : NULL;
}

static jnode *parse_dict(jparser *p)
{
    jnode *n = jparser_node(p, N_DICT, &p->now);
    size_t capacity = 0;
    if (!n || jparser_next(p) != 0)
        return NULL;
    while (!jparser_is(p, T_RBRACE)) {
        if (n->items.count && jparser_expect(p, T_COMMA) != 0)
            return NULL;
        if (jparser_is(p, T_RBRACE))
            break;
        for (int i = 0; i < 2; i++) {
            jnode *item = i == 0 || jparser_expect(p, T_COLON) == 0 ? jparse_expression(p) : NULL;
            if (!item || jparser_add(p, &n->items, &capacity, item) != 0 || jparser_deepen(p, n, item) != 0)
                return NULL;
        }
    }
    return jparser_next(p) == 0 ? n : NULL;
}

jnode *jparse_primary(jparser *p, bool as_target)
{
    char what[80];
    jnode *n = NULL;
    if (jparser_enter(p) != 0)
        return NULL;
    switch (p->now.kind) {
    case T_NAME:
        n = parse_name(p, as_target);
        break;
    case T_TEXT:
        n = parse_text(p);
        break;
    case T_INT:
    case T_FLOAT:
        n = literal(p, p->now.literal);
        break;
    case T_LPAREN:
        n = jparser_next(p) == 0 ? jparse_list_of(p, jparse_expression, NULL, true) : NULL;
        n = n && jparser_expect(p, T_RPAREN) == 0 ? n : NULL;
        break;
    case T_LBRACKET:
        n = parse_list(p);
        break;
    case T_LBRACE:
        n = parse_dict(p);
        break;
    default:
        jparser_fail(p, &p->now, "expected an expression, got %s", jparser_describe(&p->now, what));
    }
    p->nesting--;
    return n;
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
        n = operand ? binary(p, at.kind == T_SUB ? N_NEGATIVE : N_POSITIVE, &at, 0, operand, operand) : NULL;
    } else {
        n = jparse_primary(p, false);
    }
    n = parse_postfix(p, n);
    p->nesting--;
    return with_filter ? parse_filters_and_tests(p, n) : n;
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
            n = binary(p, N_COMPARE, &at, op, left, right);
            left = n;
            continue;
        }
        jnode *more = binary(p, N_OPERAND, &at, op, NULL, right);
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
    return operand ? binary(p, N_NOT, &at, 0, operand, operand) : NULL;
}

static jnode *parse_word_operator(jparser *p, const char *word, enum jkind kind, jnode *(*operand)(jparser *))
{
    jnode *left = operand(p);
    while (left && jparser_is_word(p, word)) {
        jtoken at = p->now;
        left = jparser_next(p) == 0 ? binary(p, kind, &at, 0, left, operand(p)) : NULL;
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
        jnode *condition = jparser_next(p) == 0 ? parse_or(p) : NULL, *n = binary(p, N_CONDITION, &at, 0, left, condition);
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
