/* The value of an expression. */
#include <string.h>

#include "text/jinja_run.h"

/* ---- names */

static int look_up(jrun *r, const jnode *n, jvalue *out)
{
    for (const jframe *f = r->frame; f; f = f->outer) {
        if (jstep(r, f->count / 16) != 0)
            return -1;
        for (size_t i = f->count; i-- > 0;)
            if (f->variables[i].name == n->name) {
                *out = f->variables[i].value;
                return 0;
            }
    }
    const jvalue *given = jdict_find_word(r->variables, n->name);
    if (given) {
        *out = *given;
        return 0;
    }
    const jrow *function = jfunction_find(r, n->name);
    if (function) {
        *out = (jvalue){.type = J_FUNCTION, .as.function = function};
        return 0;
    }
    return jundefined(jprint_text(r, "'%.100s' is undefined", n->name), out);
}

/* ---- lists of values */

static int evaluate_items(jrun *r, const jbody *nodes, jvalue *items)
{
    for (size_t i = 0; i < nodes->count; i++)
        if (jevaluate(r, nodes->items[i], &items[i]) != 0)
            return -1;
    return 0;
}

static int make_list(jrun *r, const jnode *n, jvalue *out)
{
    jvalue made;
    if (jlist_make(r, n->kind == N_LIST ? J_LIST : J_TUPLE, n->items.count, &made) != 0 || evaluate_items(r, &n->items, made.as.list->items) != 0)
        return -1;
    made.as.list->count = n->items.count;
    *out = made;
    return 0;
}

static int make_dict(jrun *r, const jnode *n, jvalue *out)
{
    jvalue made;
    if (jdict_make(r, &made) != 0)
        return -1;
    for (size_t i = 0; i < n->items.count; i += 2) {
        jvalue pair[2];
        if (jevaluate(r, n->items.items[i], &pair[0]) != 0 || jevaluate(r, n->items.items[i + 1], &pair[1]) != 0)
            return -1;
        r->at = n;
        if (jdict_put(r, made.as.dict, pair[0], pair[1]) != 0)
            return -1;
    }
    *out = made;
    return 0;
}

/* ---- arguments */

/* Positional ones, then those of *list. */
static int evaluate_positional(jrun *r, const jcall *c, jargs *out)
{
    const jvalue *more = NULL;
    size_t n_more = 0;
    jvalue list;
    if (c->list && (jevaluate(r, c->list, &list) != 0 || jitems(r, list, &more, &n_more) != 0))
        return -1;
    jvalue *items = jnew(r, (c->positional.count + n_more + 1) * sizeof *items);
    if (!items || evaluate_items(r, &c->positional, items) != 0)
        return -1;
    if (n_more)
        memcpy(items + c->positional.count, more, n_more * sizeof *items);
    out->items = items;
    out->count = c->positional.count + n_more;
    return 0;
}

static int evaluate_named(jrun *r, const jcall *c, jargs *out)
{
    jvalue map = {0};
    if (c->map && jevaluate(r, c->map, &map) != 0)
        return -1;
    if (c->map && map.type != J_DICT)
        return jfail_type(r, "argument after ** must be a mapping, not %s", map);
    size_t n_map = c->map ? map.as.dict->count : 0;
    const char **names = jnew(r, (c->named.count + n_map + 1) * sizeof *names);
    jvalue *named = jnew(r, (c->named.count + n_map + 1) * sizeof *named);
    if (!names || !named || evaluate_items(r, &c->named, named) != 0)
        return -1;
    if (c->named.count)
        memcpy(names, c->names, c->named.count * sizeof *names);
    for (size_t i = 0; i < n_map; i++) {
        jvalue key = map.as.dict->keys[i];
        if (key.type != J_TEXT)
            return jfail(r, "keywords must be strings");
        if (!(names[c->named.count + i] = jprint_text(r, "%.*s", (int)(key.as.text.n < 200 ? key.as.text.n : 200), key.as.text.s)))
            return -1;
        named[c->named.count + i] = map.as.dict->values[i];
    }
    *out = (jargs){.items = out->items, .count = out->count, .names = names, .named = named, .n_named = c->named.count + n_map};
    return 0;
}

static int evaluate_arguments(jrun *r, const jcall *c, jargs *out)
{
    *out = (jargs){0};
    if (!c)
        return 0;
    if (evaluate_positional(r, c, out) != 0)
        return -1;
    return c->named.count || c->map ? evaluate_named(r, c, out) : 0;
}

/* ---- calls, filters, tests */

/* One more named argument. */
static int add_caller(jrun *r, jargs *a, const jvalue *caller)
{
    const char **names = jnew(r, (a->n_named + 1) * sizeof *names);
    jvalue *named = jnew(r, (a->n_named + 1) * sizeof *named);
    if (!names || !named)
        return -1;
    if (a->n_named) {
        memcpy(names, a->names, a->n_named * sizeof *names);
        memcpy(named, a->named, a->n_named * sizeof *named);
    }
    names[a->n_named] = r->source->caller_name;
    named[a->n_named] = *caller;
    a->names = names;
    a->named = named;
    a->n_named++;
    return 0;
}

int jevaluate_call(jrun *r, const jnode *n, const jvalue *caller, jvalue *out)
{
    jvalue f;
    jargs a;
    if (jevaluate(r, n->left, &f) != 0 || evaluate_arguments(r, n->call, &a) != 0 || (caller && add_caller(r, &a, caller) != 0))
        return -1;
    r->at = n;
    return jcall_value(r, f, &a, out);
}

static int filter(jrun *r, const jnode *n, jvalue v, jvalue *out)
{
    jargs a;
    if (evaluate_arguments(r, n->call, &a) != 0)
        return -1;
    r->at = n;
    return jcall_filter(r, n->name, v, &a, out);
}

int jfilters(jrun *r, const jnode *chain, jvalue innermost, jvalue *out)
{
    jvalue v = innermost;
    if (!chain) {
        *out = v;
        return 0;
    }
    if (jfilters(r, chain->left, innermost, &v) != 0)
        return -1;
    return filter(r, chain, v, out);
}

static int test(jrun *r, const jnode *n, jvalue *out)
{
    jvalue v;
    jargs a;
    bool truth;
    if (jevaluate(r, n->left, &v) != 0 || evaluate_arguments(r, n->call, &a) != 0)
        return -1;
    r->at = n;
    if (jcall_test(r, n->name, v, &a, &truth) != 0)
        return -1;
    *out = jvalue_bool(truth);
    return 0;
}

/* ---- operators */

static int truth_of(jrun *r, const jnode *n, jvalue *v, bool *out)
{
    if (jevaluate(r, n, v) != 0)
        return -1;
    r->at = n;
    return jtruth(r, *v, out);
}

/* a < b < c: every operand is looked at once, none behind the first that fails. */
static int compare(jrun *r, const jnode *n, jvalue *out)
{
    jvalue left, right;
    bool truth;
    if (jevaluate(r, n->left, &left) != 0)
        return -1;
    for (size_t i = 0; i <= n->items.count; i++) {
        const jnode *operand = i == 0 ? n : n->items.items[i - 1];
        if (jevaluate(r, operand->right, &right) != 0)
            return -1;
        r->at = operand;
        if (jcompare(r, operand->op, left, right, &truth) != 0)
            return -1;
        if (!truth)
            break;
        left = right;
    }
    *out = jvalue_bool(truth);
    return 0;
}

static int concat(jrun *r, const jnode *n, jvalue *out)
{
    jvalue sum = jvalue_text("", 0);
    for (size_t i = 0; i < n->items.count; i++) {
        jvalue v;
        if (jevaluate(r, n->items.items[i], &v) != 0)
            return -1;
        r->at = n;
        if (jto_text(r, v, &v) != 0 || jconcat(r, sum, v, &sum) != 0)
            return -1;
    }
    *out = sum;
    return 0;
}

static int condition(jrun *r, const jnode *n, jvalue *out)
{
    jvalue v;
    bool truth;
    if (truth_of(r, n->right, &v, &truth) != 0)
        return -1;
    if (truth)
        return jevaluate(r, n->left, out);
    if (n->third)
        return jevaluate(r, n->third, out);
    *out = (jvalue){.type = J_UNDEFINED, .as.why = jno_else};
    return 0;
}

/* The second operand counts only where the first does not decide. */
static int either(jrun *r, const jnode *n, jvalue *out)
{
    bool truth;
    if (truth_of(r, n->left, out, &truth) != 0)
        return -1;
    return truth == (n->kind == N_OR) ? 0 : jevaluate(r, n->right, out);
}

static int slice(jrun *r, const jnode *n, jvalue *out)
{
    jvalue v, parts[3] = {{0}};
    if (jevaluate(r, n->left, &v) != 0)
        return -1;
    for (int i = 0; i < 3; i++)
        if (n->items.items[i] && jevaluate(r, n->items.items[i], &parts[i]) != 0)
            return -1;
    r->at = n;
    return jslice(r, v, parts, out);
}

static int one_or_two(jrun *r, const jnode *n, jvalue *out)
{
    jvalue left, right = {0};
    bool truth;
    bool two = n->kind == N_SUBSCRIPT || n->kind == N_BINARY;
    if (jevaluate(r, n->left, &left) != 0 || (two && jevaluate(r, n->right, &right) != 0))
        return -1;
    r->at = n;
    switch (n->kind) {
    case N_ATTRIBUTE:
        return jattribute(r, left, n->name, out);
    case N_SUBSCRIPT:
        return jsubscript(r, left, right, out);
    case N_BINARY:
        return jbinary(r, n->op, left, right, out);
    case N_NOT:
        if (jtruth(r, left, &truth) != 0)
            return -1;
        *out = jvalue_bool(!truth);
        return 0;
    default:
        return jnegate(r, left, n->kind == N_NEGATIVE, out);
    }
}

static int evaluate(jrun *r, const jnode *n, jvalue *out)
{
    jvalue v;
    r->at = n;
    switch (n->kind) {
    case N_LITERAL:
        *out = n->literal;
        return 0;
    case N_NAME:
        return look_up(r, n, out);
    case N_LIST:
    case N_TUPLE:
        return make_list(r, n, out);
    case N_DICT:
        return make_dict(r, n, out);
    case N_SLICE:
        return slice(r, n, out);
    case N_CALL:
        return jevaluate_call(r, n, NULL, out);
    case N_FILTER:
        return jevaluate(r, n->left, &v) == 0 ? filter(r, n, v, out) : -1;
    case N_TEST:
        return test(r, n, out);
    case N_CONDITION:
        return condition(r, n, out);
    case N_OR:
    case N_AND:
        return either(r, n, out);
    case N_COMPARE:
        return compare(r, n, out);
    case N_CONCAT:
        return concat(r, n, out);
    default:
        return one_or_two(r, n, out);
    }
}

int jevaluate(jrun *r, const jnode *n, jvalue *out)
{
    if (jstep(r, 1) != 0 || jenter(r) != 0)
        return -1;
    int status = evaluate(r, n, out);
    r->depth--;
    return status;
}
