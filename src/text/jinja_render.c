/* Statements. */
#include <string.h>

#include "text/jinja_run.h"

/* ---- frames */

jframe *jframe_new(jrun *r, jframe *outer)
{
    jframe *f = jnew(r, sizeof *f);
    if (f)
        f->outer = outer;
    return f;
}

/* For the next turn of a loop: the same frame again, empty, where nobody can still ask for its names. */
static jframe *next_frame(jrun *r, jframe *f, jframe *outer)
{
    if (!f || f->kept)
        return jframe_new(r, outer);
    f->count = 0;
    return f;
}

int jframe_set(jrun *r, jframe *f, const char *name, jvalue v)
{
    if (jstep(r, f->count / 16) != 0)
        return -1;
    for (size_t i = 0; i < f->count; i++)
        if (f->variables[i].name == name) {
            f->variables[i].value = v;
            return 0;
        }
    if (f->count == f->capacity) {
        size_t larger = f->capacity ? 2 * f->capacity : 4;
        jvariable *variables = jnew(r, larger * sizeof *variables);
        if (!variables)
            return -1;
        if (f->count)
            memcpy(variables, f->variables, f->count * sizeof *variables);
        f->variables = variables;
        f->capacity = larger;
    }
    f->variables[f->count++] = (jvariable){name, v};
    return 0;
}

/* ---- assignment */

static int assign_namespace(jrun *r, const jnode *target, jvalue v)
{
    jvalue place;
    const jnode name = {.kind = N_NAME, .name = target->name, .line = target->line, .column = target->column};
    if (jevaluate(r, &name, &place) != 0)
        return -1;
    r->at = target;
    if (place.type != J_NAMESPACE)
        return jfail(r, "cannot assign attribute on non-namespace object");
    return jdict_put(r, place.as.dict, target->literal, v);
}

int jassign(jrun *r, const jnode *target, jvalue v)
{
    const jvalue *items;
    size_t n;
    r->at = target;
    if (target->kind == N_NAME)
        return jframe_set(r, r->frame, target->name, v);
    if (target->kind == N_NAMESPACE)
        return assign_namespace(r, target, v);
    if (jitems(r, v, &items, &n) != 0)
        return jfail_type(r, "cannot unpack non-iterable %s object", v);
    if (n != target->items.count)
        return n > target->items.count ? jfail(r, "too many values to unpack (expected %zu)", target->items.count)
                                       : jfail(r, "not enough values to unpack (expected %zu, got %zu)", target->items.count, n);
    for (size_t i = 0; i < n; i++)
        if (jassign(r, target->items.items[i], items[i]) != 0)
            return -1;
    return 0;
}

/* ---- blocks with names of their own */

/* The body in a frame of its own; `named`: target, value, target, value, ... evaluated outside of it. */
static int render_scope(jrun *r, const jnode *n)
{
    jframe *outer = r->frame, *inner = jframe_new(r, outer);
    if (!inner)
        return -1;
    for (size_t i = 0; i < n->items.count; i += 2) {
        jvalue v;
        if (jevaluate(r, n->items.items[i + 1], &v) != 0)
            return -1;
        r->frame = inner;
        int status = jassign(r, n->items.items[i], v);
        r->frame = outer;
        if (status != 0)
            return -1;
    }
    r->frame = inner;
    int status = jrender_body(r, &n->body);
    r->frame = outer;
    return status;
}

/* A break or continue leaves a block whose text was to be a value: what it printed so far is dropped. */
static int leave_block(jrun *r, size_t mark, int status)
{
    r->out.length = mark;
    return status;
}

static int render_set(jrun *r, const jnode *n)
{
    jvalue v;
    if (n->left)
        return jevaluate(r, n->left, &v) == 0 ? jassign(r, n->right, v) : -1;
    size_t mark = r->out.length;
    int status = render_scope(r, n);
    if (status != 0)
        return leave_block(r, mark, status);
    return jtake(r, mark, &v) == 0 && jfilters(r, n->third, v, &v) == 0 ? jassign(r, n->right, v) : -1;
}

static int render_filter_block(jrun *r, const jnode *n)
{
    size_t mark = r->out.length;
    jvalue v;
    int status = render_scope(r, n);
    if (status != 0)
        return leave_block(r, mark, status);
    return jtake(r, mark, &v) == 0 && jfilters(r, n->third, v, &v) == 0 ? jput_value(r, v) : -1;
}

static int render_if(jrun *r, const jnode *n)
{
    for (size_t i = 0; i <= n->items.count; i++) {
        const jnode *branch = i == 0 ? n : n->items.items[i - 1];
        jvalue v;
        bool truth;
        if (jevaluate(r, branch->left, &v) != 0)
            return -1;
        r->at = branch->left;
        if (jtruth(r, v, &truth) != 0)
            return -1;
        if (truth)
            return jrender_body(r, &branch->body);
    }
    return jrender_body(r, &n->otherwise);
}

/* ---- loops */

/* The items that the loop's condition lets through. */
static int select_items(jrun *r, const jnode *n, const jvalue **items, size_t *count)
{
    jvalue kept, v;
    size_t capacity = 0;
    jframe *outer = r->frame, *inner = NULL;
    if (jlist_make(r, J_LIST, 0, &kept) != 0)
        return -1;
    for (size_t i = 0; i < *count; i++) {
        bool truth;
        if (!(r->frame = inner = next_frame(r, inner, outer)) || jassign(r, n->right, (*items)[i]) != 0 || jevaluate(r, n->third, &v) != 0 || jtruth(r, v, &truth) != 0 ||
            (truth && jlist_append(r, kept.as.list, &capacity, (*items)[i]) != 0))
            return -1;
    }
    r->frame = outer;
    *items = kept.as.list->items;
    *count = kept.as.list->count;
    return 0;
}

int jrender_loop(jrun *r, const jnode *n, jvalue over, int depth0)
{
    jframe *outer = r->frame, *inner = NULL;
    jloop *l = jnew(r, sizeof *l);
    if (!l || jitems(r, over, &l->items, &l->count) != 0 || (n->third && select_items(r, n, &l->items, &l->count) != 0))
        return -1;
    l->node = n;
    l->frame = outer;
    l->depth0 = depth0;
    for (l->at = 0; l->at < l->count; l->at++) {
        if (jstep(r, 1) != 0 || !(r->frame = inner = next_frame(r, inner, outer)) || jframe_set(r, inner, r->source->loop_name, (jvalue){.type = J_LOOP, .as.loop = l}) != 0 ||
            jassign(r, n->right, l->items[l->at]) != 0)
            return -1;
        int status = jrender_body(r, &n->body);
        if (status < 0)
            return -1;
        if (status == JINJA_BREAK)
            break;
    }
    r->frame = outer;
    if (l->count)
        return 0;
    if (!(r->frame = jframe_new(r, outer)))
        return -1;
    int status = jrender_body(r, &n->otherwise);
    r->frame = outer;
    return status;
}

static int render_for(jrun *r, const jnode *n)
{
    jvalue over;
    if (jevaluate(r, n->left, &over) != 0)
        return -1;
    r->at = n->left;
    return jrender_loop(r, n, over, 0);
}

/* ---- macros */

static int define_macro(jrun *r, const jnode *n, jvalue *out)
{
    jmacro *m = jnew(r, sizeof *m);
    if (!m)
        return -1;
    for (jframe *f = r->frame; f && !f->kept; f = f->outer)
        f->kept = true;
    *m = (jmacro){n, r->frame};
    *out = (jvalue){.type = J_MACRO, .as.macro = m};
    return 0;
}

/* Arguments by place, by name, by default; those by name that found a place are marked in `used`. */
static int set_parameters(jrun *r, const jmacro *m, const jargs *a, bool *used)
{
    const jparameters *p = m->node->parameters;
    for (size_t i = 0; i < p->count; i++) {
        const jvalue *named = i < a->count ? NULL : jargs_named(a, p->names[i]);
        jvalue v = {.type = J_UNDEFINED};
        if (i < a->count) {
            v = a->items[i];
        } else if (named) {
            v = *named;
            used[named - a->named] = true;
        } else if (p->standards[i]) {
            if (jevaluate(r, p->standards[i], &v) != 0)
                return -1;
        } else if (jundefined(jprint_text(r, "parameter '%.100s' was not provided", p->names[i]), &v) != 0) {
            return -1;
        }
        if (jframe_set(r, r->frame, p->names[i], v) != 0)
            return -1;
    }
    return 0;
}

/* The others: an error, unless the body speaks of varargs, kwargs or caller. */
static int set_excess(jrun *r, const jmacro *m, const jargs *a, bool *used)
{
    const jparameters *p = m->node->parameters;
    const jinja *t = r->source;
    jvalue rest, named, caller = {.type = J_UNDEFINED, .as.why = "No caller defined"};
    size_t excess = a->count > p->count ? a->count - p->count : 0;
    if (jlist_make(r, J_TUPLE, excess, &rest) != 0 || jdict_make(r, &named) != 0)
        return -1;
    if (excess && !p->has_rest)
        return jfail(r, "macro '%s' takes not more than %zu argument(s)", m->node->name, p->count);
    for (size_t i = 0; i < excess; i++)
        rest.as.list->items[rest.as.list->count++] = a->items[p->count + i];
    for (size_t i = 0; i < a->n_named; i++) {
        if (used[i])
            continue;
        if (p->has_caller && strcmp(a->names[i], "caller") == 0)
            caller = a->named[i];
        else if (!p->has_named)
            return jfail(r, "macro '%s' takes no keyword argument '%.60s'", m->node->name, a->names[i]);
        else if (jdict_put(r, named.as.dict, jvalue_word(a->names[i]), a->named[i]) != 0)
            return -1;
    }
    if ((p->has_rest && jframe_set(r, r->frame, t->varargs_name, rest) != 0) || (p->has_named && jframe_set(r, r->frame, t->kwargs_name, named) != 0) ||
        (p->has_caller && jframe_set(r, r->frame, t->caller_name, caller) != 0))
        return -1;
    return 0;
}

int jcall_macro(jrun *r, const jmacro *m, const jargs *a, jvalue *out)
{
    jframe *outer = r->frame;
    size_t mark = r->out.length;
    bool *used = jnew(r, a->n_named + 1);
    if (!used || jenter(r) != 0 || !(r->frame = jframe_new(r, m->frame)) || set_parameters(r, m, a, used) != 0 || set_excess(r, m, a, used) != 0 ||
        jrender_body(r, &m->node->body) < 0)
        return -1;
    r->depth--;
    r->frame = outer;
    return jtake(r, mark, out);
}

static int render_macro(jrun *r, const jnode *n)
{
    jvalue m;
    return define_macro(r, n, &m) == 0 ? jframe_set(r, r->frame, n->name, m) : -1;
}

/* {% call f(x) %} ... {% endcall %} is {{ f(x, caller=a macro of the body) }}. */
static int render_call_block(jrun *r, const jnode *n)
{
    jvalue m, v;
    if (define_macro(r, n, &m) != 0 || jevaluate_call(r, n->left, &m, &v) != 0)
        return -1;
    return jput_value(r, v);
}

/* ---- the table */

static int render_print(jrun *r, const jnode *n)
{
    for (size_t i = 0; i < n->items.count; i++) {
        jvalue v;
        if (jevaluate(r, n->items.items[i], &v) != 0)
            return -1;
        r->at = n->items.items[i];
        if (jput_value(r, v) != 0)
            return -1;
    }
    return 0;
}

static int render(jrun *r, const jnode *n)
{
    r->at = n;
    switch (n->kind) {
    case N_DATA:
        return jput(r, n->literal.as.text.s, n->literal.as.text.n);
    case N_PRINT:
        return render_print(r, n);
    case N_IF:
        return render_if(r, n);
    case N_FOR:
        return render_for(r, n);
    case N_SET:
        return render_set(r, n);
    case N_MACRO:
        return render_macro(r, n);
    case N_CALL_BLOCK:
        return render_call_block(r, n);
    case N_FILTER_BLOCK:
        return render_filter_block(r, n);
    case N_BREAK:
        return JINJA_BREAK;
    case N_CONTINUE:
        return JINJA_CONTINUE;
    default:
        return render_scope(r, n);
    }
}

int jrender_body(jrun *r, const jbody *body)
{
    int status = 0;
    if (jenter(r) != 0)
        return -1;
    for (size_t i = 0; i < body->count && status == 0; i++)
        status = jstep(r, 1) == 0 ? render(r, body->items[i]) : -1;
    r->depth--;
    return status;
}
