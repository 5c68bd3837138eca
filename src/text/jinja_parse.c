/* What the parser's two halves share: tokens, names, nodes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/jinja_syntax.h"

int jparser_fail(jparser *p, const jtoken *at, const char *format, ...)
{
    char what[600];
    if (p->err->code)   /* the first one counts */
        return -1;
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return fail(p->err, ERROR_FORMAT, "%s:%d:%d: %s", p->lexer.name, at->line, at->column, what);
}

static int fail_memory(jparser *p)
{
    return p->err->code ? -1 : fail(p->err, ERROR_MEMORY, "%s: no memory for the template", p->lexer.name);
}

/* ---- tokens */

int jparser_next(jparser *p)
{
    p->now = p->then;
    return jlexer_next(&p->lexer, &p->then, p->err);
}

bool jparser_is(const jparser *p, enum jtoken_kind kind)
{
    return p->now.kind == kind;
}

bool jparser_is_word(const jparser *p, const char *word)
{
    return p->now.kind == T_NAME && p->now.n == strlen(word) && memcmp(p->now.s, word, p->now.n) == 0;
}

int jparser_skip(jparser *p, enum jtoken_kind kind)
{
    return !jparser_is(p, kind) ? 0 : jparser_next(p) == 0 ? 1 : -1;
}

int jparser_skip_word(jparser *p, const char *word)
{
    return !jparser_is_word(p, word) ? 0 : jparser_next(p) == 0 ? 1 : -1;
}

const char *jparser_describe(const jtoken *t, char text[80])
{
    if (t->kind != T_NAME)
        return jtoken_kind_name(t->kind);
    snprintf(text, 80, "'%.*s'", (int)(t->n < 60 ? t->n : 60), t->s);
    return text;
}

int jparser_expect(jparser *p, enum jtoken_kind kind)
{
    char what[80];
    if (jparser_is(p, kind))
        return jparser_next(p);
    return jparser_fail(p, &p->now, "expected %s, got %s", jtoken_kind_name(kind), jparser_describe(&p->now, what));
}

/* ---- names: one address for equal ones */

static const char **name_slot(const jparser *p, const char *s, size_t n)
{
    uint64_t h = 0;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)s[i]) * 0x9E3779B97F4A7C15;
    for (size_t i = (size_t)(h >> 32) & (p->n_slots - 1);; i = (i + 1) & (p->n_slots - 1))
        if (!p->names[i] || (strlen(p->names[i]) == n && memcmp(p->names[i], s, n) == 0))
            return &p->names[i];
}

static void grow_names(jparser *p)
{
    const char **old = p->names;
    size_t n_old = p->n_slots;
    p->n_slots = n_old ? 2 * n_old : 256;
    p->names = memory_new(p->n_slots, sizeof *p->names);
    for (size_t i = 0; i < n_old; i++)
        if (old[i])
            *name_slot(p, old[i], strlen(old[i])) = old[i];
    free(old);
}

const char *jparser_intern(jparser *p, const char *s, size_t n)
{
    if (2 * (p->n_names + 1) > p->n_slots)
        grow_names(p);
    const char **slot = name_slot(p, s, n);
    if (!*slot) {
        char *name = jarena_new(p->arena, n + 1);
        if (!name) {
            fail_memory(p);
            return NULL;
        }
        memcpy(name, s, n);
        *slot = name;
        p->n_names++;
    }
    return *slot;
}

const char *jparser_name(jparser *p)
{
    jtoken t = p->now;
    return jparser_expect(p, T_NAME) == 0 ? jparser_intern(p, t.s, t.n) : NULL;
}

/* ---- nodes */

jnode *jparser_node(jparser *p, enum jkind kind, const jtoken *at)
{
    jnode *n = jarena_new(p->arena, sizeof *n);
    if (!n) {
        fail_memory(p);
        return NULL;
    }
    n->kind = kind;
    n->depth = 1;
    n->line = at->line;
    n->column = at->column;
    return n;
}

int jparser_add(jparser *p, jbody *body, size_t *capacity, jnode *node)
{
    if (body->count == *capacity) {
        *capacity = *capacity ? 2 * *capacity : 4;
        jnode **items = jarena_new(p->arena, *capacity * sizeof(jnode *));
        if (!items)
            return fail_memory(p);
        if (body->count)
            memcpy(items, body->items, body->count * sizeof(jnode *));
        body->items = items;
    }
    body->items[body->count++] = node;
    return 0;
}

/* A chain of operators nests without brackets: a + b + c + ... */
int jparser_deepen(jparser *p, jnode *node, const jnode *child)
{
    if (!child || child->depth < node->depth)
        return 0;
    node->depth = child->depth + 1;
    if (node->depth <= JINJA_NESTING_LIMIT)
        return 0;
    return jparser_fail(p, &(jtoken){.line = node->line, .column = node->column}, "an expression of more than the limit of %d levels", JINJA_NESTING_LIMIT);
}

int jparser_enter(jparser *p)
{
    if (++p->nesting <= JINJA_NESTING_LIMIT)
        return 0;
    return jparser_fail(p, &p->now, "nested deeper than the limit of %d levels", JINJA_NESTING_LIMIT);
}
