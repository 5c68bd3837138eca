/* Statements: {% ... %} and what lies between them. */
#include <string.h>

#include "text/jinja_syntax.h"

static int parse_body(jparser *p, const char *const *ends, jbody *out);

/* ---- targets of an assignment */

static int check_target(jparser *p, const jnode *n)
{
    if (n->kind == N_NAME || n->kind == N_NAMESPACE)
        return 0;
    if (n->kind != N_TUPLE)
        return jparser_fail(p, &(jtoken){.line = n->line, .column = n->column}, "this is nothing that a value can be assigned to");
    for (size_t i = 0; i < n->items.count; i++)
        if (check_target(p, n->items.items[i]) != 0)
            return -1;
    return 0;
}

static jnode *parse_plain_target(jparser *p)
{
    return jparse_primary(p, false);
}

static jnode *parse_any_target(jparser *p)
{
    return jparse_primary(p, true);
}

static jnode *parse_target(jparser *p, bool with_namespace, const char *end_word)
{
    jnode *n = jparse_list_of(p, with_namespace ? parse_any_target : parse_plain_target, end_word, false);
    return n && check_target(p, n) == 0 ? n : NULL;
}

/* ---- blocks */

/* The body up to one of the words `ends`, which is taken; *end is its index. The rest of that tag is the caller's. */
static int parse_block(jparser *p, const char *const *ends, jbody *out, int *end)
{
    if (jparser_skip(p, T_COLON) < 0 || jparser_expect(p, T_BLOCK_END) != 0 || jparser_enter(p) != 0 || parse_body(p, ends, out) != 0)
        return -1;
    p->nesting--;
    for (*end = 0; !jparser_is_word(p, ends[*end]); ++*end)
        ;
    return jparser_next(p);
}

static int parse_only_block(jparser *p, const char *end_word, jbody *out)
{
    int end;
    return parse_block(p, (const char *const[]){end_word, NULL}, out, &end);
}

static int parse_if(jparser *p, jnode *n)
{
    static const char *const ends[] = {"elif", "else", "endif", NULL};
    int end;
    n->left = jparse_tuple(p, false, NULL);
    if (!n->left || parse_block(p, ends, &n->body, &end) != 0)
        return -1;
    for (size_t capacity = 0; end == 0;) {
        jnode *more = jparser_node(p, N_IF, &p->now);
        if (!more || !(more->left = jparse_tuple(p, false, NULL)) || parse_block(p, ends, &more->body, &end) != 0 ||
            jparser_add(p, &n->items, &capacity, more) != 0)
            return -1;
    }
    return end == 1 ? parse_only_block(p, "endif", &n->otherwise) : 0;
}

static int parse_for(jparser *p, jnode *n)
{
    static const char *const ends[] = {"else", "endfor", NULL};
    int end;
    if (!(n->right = parse_target(p, false, "in")))
        return -1;
    if (!jparser_is_word(p, "in"))
        return jparser_fail(p, &p->now, "expected 'in'");
    if (jparser_next(p) != 0 || !(n->left = jparse_tuple(p, false, "recursive")))
        return -1;
    int with_test = jparser_skip_word(p, "if");
    if (with_test < 0 || (with_test && !(n->third = jparse_expression(p))))
        return -1;
    n->op = jparser_skip_word(p, "recursive");
    p->loops++;
    if (n->op < 0 || parse_block(p, ends, &n->body, &end) != 0)
        return -1;
    p->loops--;
    return end == 0 ? parse_only_block(p, "endfor", &n->otherwise) : 0;
}

static int parse_set(jparser *p, jnode *n)
{
    if (!(n->right = parse_target(p, true, NULL)))
        return -1;
    int plain = jparser_skip(p, T_ASSIGN);
    if (plain)
        return plain > 0 && (n->left = jparse_tuple(p, true, NULL)) ? 0 : -1;
    n->third = jparse_filters(p, NULL, false);
    return p->err->code ? -1 : parse_only_block(p, "endset", &n->body);
}

static int parse_with(jparser *p, jnode *n)
{
    size_t capacity = 0;
    while (!jparser_is(p, T_BLOCK_END)) {
        if (n->items.count && jparser_expect(p, T_COMMA) != 0)
            return -1;
        jnode *target = jparse_primary(p, false);
        if (!target || check_target(p, target) != 0 || jparser_expect(p, T_ASSIGN) != 0)
            return -1;
        jnode *value = jparse_expression(p);
        if (!value || jparser_add(p, &n->items, &capacity, target) != 0 || jparser_add(p, &n->items, &capacity, value) != 0)
            return -1;
    }
    return parse_only_block(p, "endwith", &n->body);
}

/* ---- macros */

static int parse_parameters(jparser *p, jparameters *out)
{
    size_t capacity = 0, n_standards = 0;
    jbody standards = {0};
    if (jparser_expect(p, T_LPAREN) != 0)
        return -1;
    const char *names[JINJA_NESTING_LIMIT];
    while (!jparser_is(p, T_RPAREN)) {
        if (out->count && jparser_expect(p, T_COMMA) != 0)
            return -1;
        if (out->count == JINJA_NESTING_LIMIT)
            return jparser_fail(p, &p->now, "more than the limit of %d parameters", JINJA_NESTING_LIMIT);
        jnode *standard = NULL;
        if (!(names[out->count] = jparser_name(p)))
            return -1;
        int given = jparser_skip(p, T_ASSIGN);
        if (given < 0 || (given && !(standard = jparse_expression(p))))
            return -1;
        if (!given && n_standards)
            return jparser_fail(p, &p->now, "a parameter without a default behind those with one");
        n_standards += standard != NULL;
        if (jparser_add(p, &standards, &capacity, standard) != 0)
            return -1;
        out->count++;
    }
    out->standards = standards.items;
    out->names = jarena_new(p->arena, (out->count + 1) * sizeof *out->names);
    if (!out->names)
        return jparser_fail(p, &p->now, "the template takes more memory than the limit");
    memcpy(out->names, names, out->count * sizeof *names);
    return jparser_next(p);
}

/* What a macro's body may take beside its parameters depends on whether it speaks of them: as Jinja finds out, by their names. */
static bool speaks_of_body(const jbody *body, const char *name);

static bool speaks_of(const jnode *n, const char *name)
{
    if (!n)
        return false;
    if (n->kind == N_NAME && strcmp(n->name, name) == 0)
        return true;
    const jcall *c = n->call;
    return speaks_of(n->left, name) || (n->right != n->left && speaks_of(n->right, name)) || speaks_of(n->third, name) || speaks_of_body(&n->items, name) ||
           speaks_of_body(&n->body, name) || speaks_of_body(&n->otherwise, name) ||
           (c && (speaks_of_body(&c->positional, name) || speaks_of_body(&c->named, name) || speaks_of(c->list, name) || speaks_of(c->map, name)));
}

static bool speaks_of_body(const jbody *body, const char *name)
{
    for (size_t i = 0; i < body->count; i++)
        if (speaks_of(body->items[i], name))
            return true;
    return false;
}

static int parse_macro_body(jparser *p, jnode *n, const char *end_word)
{
    int loops = p->loops;
    p->loops = 0;
    if (parse_only_block(p, end_word, &n->body) != 0)
        return -1;
    p->loops = loops;
    n->parameters->has_rest = speaks_of_body(&n->body, "varargs");
    n->parameters->has_named = speaks_of_body(&n->body, "kwargs");
    n->parameters->has_caller = speaks_of_body(&n->body, "caller");
    return 0;
}

static int parse_macro(jparser *p, jnode *n)
{
    n->parameters = jarena_new(p->arena, sizeof *n->parameters);
    if (!n->parameters || !(n->name = jparser_name(p)) || parse_parameters(p, n->parameters) != 0)
        return -1;
    return parse_macro_body(p, n, "endmacro");
}

static int parse_call_block(jparser *p, jnode *n)
{
    n->parameters = jarena_new(p->arena, sizeof *n->parameters);
    n->name = "caller";
    if (!n->parameters || (jparser_is(p, T_LPAREN) && parse_parameters(p, n->parameters) != 0) || !(n->left = jparse_expression(p)))
        return -1;
    if (n->left->kind != N_CALL)
        return jparser_fail(p, &(jtoken){.line = n->line, .column = n->column}, "'call' should be followed by a call");
    return parse_macro_body(p, n, "endcall");
}

static int parse_filter_block(jparser *p, jnode *n)
{
    return (n->third = jparse_filters(p, NULL, true)) ? parse_only_block(p, "endfilter", &n->body) : -1;
}

static int parse_generation(jparser *p, jnode *n)
{
    return parse_only_block(p, "endgeneration", &n->body);
}

static int parse_print(jparser *p, jnode *n)
{
    size_t capacity = 0;
    while (!jparser_is(p, T_BLOCK_END)) {
        if (n->items.count && jparser_expect(p, T_COMMA) != 0)
            return -1;
        jnode *value = jparse_expression(p);
        if (!value || jparser_add(p, &n->items, &capacity, value) != 0)
            return -1;
    }
    return 0;
}

static int parse_loop_control(jparser *p, jnode *n)
{
    if (p->loops)
        return 0;
    return jparser_fail(p, &(jtoken){.line = n->line, .column = n->column}, "'%s' outside of a loop", n->kind == N_BREAK ? "break" : "continue");
}

/* ---- the table */

static const struct { const char *name; enum jkind kind; bool chat_only; int (*parse)(jparser *, jnode *); } statements[] = {
    {"if", N_IF, false, parse_if}, {"for", N_FOR, false, parse_for}, {"set", N_SET, false, parse_set}, {"with", N_WITH, false, parse_with},
    {"macro", N_MACRO, false, parse_macro}, {"call", N_CALL_BLOCK, false, parse_call_block}, {"filter", N_FILTER_BLOCK, false, parse_filter_block},
    {"print", N_PRINT, false, parse_print}, {"generation", N_SCOPE, true, parse_generation}, {"break", N_BREAK, true, parse_loop_control},
    {"continue", N_CONTINUE, true, parse_loop_control},
};

static int fail_tag(jparser *p, const char *const *ends)
{
    string expected = {0};
    char what[80];
    for (size_t i = 0; ends && ends[i]; i++)
        string_print(&expected, "%s'%s'", i == 0 ? "; expected " : ends[i + 1] ? ", " : " or ", ends[i]);
    jparser_fail(p, &p->now, "the tag %s is not known here%s", jparser_describe(&p->now, what), expected.text ? expected.text : "");
    free(expected.text);
    return -1;
}

static jnode *parse_statement(jparser *p, const char *const *ends)
{
    jtoken at = p->now;
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        if (!jparser_is_word(p, statements[i].name) || (statements[i].chat_only && p->setting != JINJA_CHAT))
            continue;
        jnode *n = jparser_node(p, statements[i].kind, &at);
        return n && jparser_next(p) == 0 && statements[i].parse(p, n) == 0 && jparser_expect(p, T_BLOCK_END) == 0 ? n : NULL;
    }
    fail_tag(p, ends);
    return NULL;
}

static jnode *parse_printed(jparser *p)
{
    jnode *n = jparser_node(p, N_PRINT, &p->now);
    size_t capacity = 0;
    jnode *value = n && jparser_next(p) == 0 ? jparse_tuple(p, true, NULL) : NULL;
    return value && jparser_add(p, &n->items, &capacity, value) == 0 && jparser_expect(p, T_PRINT_END) == 0 ? n : NULL;
}

static jnode *parse_data(jparser *p)
{
    jnode *n = jparser_node(p, N_DATA, &p->now);
    if (n)
        n->literal = jvalue_text(p->now.s, p->now.n);
    return n && jparser_next(p) == 0 ? n : NULL;
}

static bool is_one_of(const jparser *p, const char *const *words)
{
    for (; words && *words; words++)
        if (jparser_is_word(p, *words))
            return true;
    return false;
}

static int parse_body(jparser *p, const char *const *ends, jbody *out)
{
    size_t capacity = 0;
    for (;;) {
        jnode *n;
        if (jparser_is(p, T_END)) {
            return ends ? jparser_fail(p, &p->now, "the template ends where '%s' should come", ends[0]) : 0;
        } else if (jparser_is(p, T_DATA)) {
            n = parse_data(p);
        } else if (jparser_is(p, T_PRINT_BEGIN)) {
            n = parse_printed(p);
        } else {
            if (jparser_expect(p, T_BLOCK_BEGIN) != 0)
                return -1;
            if (is_one_of(p, ends))
                return 0;
            n = parse_statement(p, ends);
        }
        if (!n || jparser_add(p, out, &capacity, n) != 0)
            return -1;
    }
}

int jparse_template(jparser *p, jbody *out)
{
    return parse_body(p, NULL, out);
}
