/* mergekit's rules. A model's row of a token is its own where it has one, and where nothing is forced. Else it is what the recipe says of the token; else
 * the row of the only model that has it; else the base's; else the mean of those that have it; zeros where none has. Padding is the mean of
 * all rows before it. */
#include "merge/tokens_view.h"

#include <stdlib.h>
#include <string.h>

enum gift_kind { GIFT_NONE, GIFT_ZERO, GIFT_ROW, GIFT_MEAN };

/* What a model gets that has no row of its own. */
typedef struct gift {
    unsigned char kind;
    bool force;
    int32_t row;
    int source;
} gift;

/* Of one tensor, shared by the views of its sources. */
typedef struct circle {
    int users, n;
    int32_t tokens;
    tensor *sources;         /* [n] */
    const int32_t **row_of;  /* [n][tokens], -1: none; borrowed from the plan */
    gift *gifts;             /* [tokens] */
    bool rounded;
    enum dtype work;         /* what is rounded to, where `rounded` */
} circle;

struct token_view {
    tensor_maker maker;
    tensor tensor;
    circle *circle;
    int source;
    float *padding;          /* [columns]; NULL: none */
};

const tensor *token_view_tensor(const token_view *v)
{
    return &v->tensor;
}

void token_view_free(token_view *v)
{
    circle *c = v->circle;
    if (--c->users == 0) {
        free(c->sources);
        free(c->row_of);
        free(c->gifts);
        free(c);
    }
    free(v->padding);
    free(v);
}

/* ---- rows */

static void round_row(const circle *c, float *row, size_t n, void *scratch)
{
    if (!c->rounded || c->work == DTYPE_F32)
        return;
    dtype_from_f32(c->work, row, scratch, n);
    dtype_to_f32(c->work, scratch, row, n);
}

/* scratch: a row of 4-byte elements. */
static int read_row(const circle *c, int source, int64_t row, float *out, void *scratch, error *err)
{
    const tensor *t = &c->sources[source];
    size_t columns = (size_t)tensor_columns(t), bytes = columns * dtype_size(t->dtype);
    const void *data = scratch;
    if (t->data)
        data = (const char *)t->data + (size_t)row * bytes;
    else if (t->maker->make(t->maker, t, row, 1, scratch, err) != 0)
        return -1;
    dtype_to_f32(t->dtype, data, out, columns);
    round_row(c, out, columns, scratch);
    return 0;
}

/* The mean of a token over the sources that have it: added up in order, as mergekit rounds, or in f64. */
static int read_mean(const circle *c, int32_t token, float *out, float *one, double *sum, void *scratch, error *err)
{
    size_t columns = (size_t)tensor_columns(&c->sources[0]);
    int count = 0;
    memset(out, 0, columns * sizeof *out);
    memset(sum, 0, columns * sizeof *sum);
    for (int i = 0; i < c->n; i++) {
        if (c->row_of[i][token] < 0)
            continue;
        if (read_row(c, i, c->row_of[i][token], one, scratch, err) != 0)
            return -1;
        count++;
        for (size_t k = 0; k < columns; k++) {
            sum[k] += one[k];
            out[k] += one[k];
        }
        round_row(c, out, columns, scratch);
    }
    for (size_t k = 0; k < columns; k++)
        out[k] = c->rounded ? out[k] / (float)count : (float)(sum[k] / count);
    round_row(c, out, columns, scratch);
    return 0;
}

typedef struct rows { float *row, *one, *scratch; double *sum; } rows;   /* each [columns]; one block, from sum on */

static int rows_new(rows *r, size_t columns, error *err)
{
    r->sum = memory_try(columns * (sizeof(double) + 3 * sizeof(float)), "rows of embeddings", err);
    if (!r->sum)
        return -1;
    r->row = (float *)(r->sum + columns);
    r->one = r->row + columns;
    r->scratch = r->one + columns;
    return 0;
}

static int make_row(const token_view *v, int64_t row, const rows *r, error *err)
{
    const circle *c = v->circle;
    size_t columns = (size_t)tensor_columns(&v->tensor);
    if (row >= c->tokens) {
        memcpy(r->row, v->padding, columns * sizeof *r->row);
        return 0;
    }
    const gift *g = &c->gifts[row];
    int32_t own = c->row_of[v->source][row];
    if (own >= 0 && !g->force)
        return read_row(c, v->source, own, r->row, r->scratch, err);
    if (g->kind == GIFT_ROW)
        return read_row(c, g->source, g->row, r->row, r->scratch, err);
    if (g->kind == GIFT_MEAN)
        return read_mean(c, (int32_t)row, r->row, r->one, r->sum, r->scratch, err);
    memset(r->row, 0, columns * sizeof *r->row);
    return 0;
}

static int make_rows(const tensor_maker *self, const tensor *t, int64_t first, int64_t count, void *out, error *err)
{
    const token_view *v = (const token_view *)self;
    size_t columns = (size_t)tensor_columns(t), bytes = columns * dtype_size(t->dtype);
    rows r;
    if (rows_new(&r, columns, err) != 0)
        return -1;
    int status = 0;
    for (int64_t i = 0; i < count && status == 0; i++) {
        status = make_row(v, first + i, &r, err);
        if (status == 0)
            dtype_from_f32(t->dtype, r.row, (char *)out + (size_t)i * bytes, columns);
    }
    free(r.sum);
    return status;
}

static int make_padding(token_view *v, error *err)
{
    size_t columns = (size_t)tensor_columns(&v->tensor);
    int32_t tokens = v->circle->tokens;
    rows r;
    if (rows_new(&r, columns, err) != 0)
        return -1;
    double *sum = memory_new(columns, sizeof *sum);
    int status = 0;
    for (int32_t t = 0; t < tokens && status == 0; t++) {
        status = make_row(v, t, &r, err);
        for (size_t k = 0; k < columns && status == 0; k++)
            sum[k] += r.row[k];
    }
    v->padding = memory_new(columns, sizeof *v->padding);
    for (size_t k = 0; k < columns; k++)
        v->padding[k] = v->circle->rounded ? (float)sum[k] / (float)tokens : (float)(sum[k] / tokens);
    round_row(v->circle, v->padding, columns, r.scratch);
    free(sum);
    free(r.sum);
    return status;
}

/* ---- who gives what to whom */

static int place_of(const token_group *g, int model)
{
    for (int i = 0; i < g->n; i++)
        if (g->model[i] == model)
            return i;
    return -1;
}

static gift default_gift(const token_plan *p, const token_group *g, int32_t token)
{
    int count = 0, last = -1;
    for (int i = 0; i < g->n; i++)
        if (p->row_of[g->model[i]][token] >= 0) {
            count++;
            last = i;
        }
    if (count == 0)
        return (gift){.kind = GIFT_ZERO};
    if (count > 1 && g->base >= 0 && p->row_of[g->model[g->base]][token] >= 0)
        last = g->base;
    else if (count > 1)
        return (gift){.kind = GIFT_MEAN};
    return (gift){.kind = GIFT_ROW, .source = last, .row = p->row_of[g->model[last]][token]};
}

/* The row that a setting names, in a model of the group. */
static int set_gift(const token_plan *p, const token_group *g, const recipe_token *s, int32_t token, gift *out, error *err)
{
    int source = place_of(g, s->model);
    if (source < 0)
        return fail(err, ERROR_FORMAT, "'%s': token '%s' wants its embedding from '%s', which is not merged into this tensor", g->name, s->text,
                    p->recipe->models[s->model].path);
    const char *name = p->models[s->model]->name;
    int64_t row = s->id;
    if (s->kind == TOKEN_SAME) {
        row = p->row_of[s->model][token];
    } else if (s->other) {
        const tokenizer_file *f = p->files[s->model] ? p->files[s->model] : p->files[p->recipe->base >= 0 ? p->recipe->base : 0];
        row = tokenizer_file_find(f, s->other);
    }
    if (row < 0)
        return fail(err, ERROR_FORMAT, "token '%s' wants the embedding of '%s' in %s, which has no such token", s->text, s->other ? s->other : s->text, name);
    if (row >= p->model_rows[s->model])
        return fail(err, ERROR_FORMAT, "token '%s' wants row %lld of %s, which has %lld", s->text, (long long)row, name, (long long)p->model_rows[s->model]);
    *out = (gift){.kind = GIFT_ROW, .source = source, .row = (int32_t)row};
    return 0;
}

static int find_gift(const token_plan *p, const token_group *g, int32_t token, gift *out, error *err)
{
    const recipe_token *s = p->setting[token] >= 0 ? &p->recipe->tokenizer.tokens[p->setting[token]] : NULL;
    bool everywhere = true;
    *out = (gift){.kind = GIFT_NONE};
    for (int i = 0; i < g->n; i++)
        everywhere &= p->row_of[g->model[i]][token] >= 0;
    if (everywhere && !(s && s->force))
        return 0;
    if (!s || s->kind == TOKEN_DEFAULT)
        *out = default_gift(p, g, token);
    else if (s->kind == TOKEN_ZERO)
        *out = (gift){.kind = GIFT_ZERO};
    else if (set_gift(p, g, s, token, out, err) != 0)
        return -1;
    out->force = s && s->force;
    return 0;
}

/* ---- views */

static int check_group(const token_plan *p, const token_group *g, const tensor *const *sources, error *err)
{
    for (int i = 0; i < g->n; i++) {
        char a[128], b[128];
        const tensor *t = sources[i];
        if (t->rank != 2 || !dtype_is_float(t->dtype) || tensor_columns(t) != tensor_columns(sources[0]))
            return fail(err, ERROR_FORMAT, "'%s' is %s in %s and %s in %s: their rows cannot be put side by side", g->name, tensor_shape_text(sources[0], a),
                        p->models[g->model[0]]->name, tensor_shape_text(t, b), p->models[g->model[i]]->name);
        if (t->shape[0] < p->model_rows[g->model[i]])
            return fail(err, ERROR_FORMAT, "'%s' has %lld rows in %s, whose embeddings have %lld", g->name, (long long)t->shape[0], p->models[g->model[i]]->name,
                        (long long)p->model_rows[g->model[i]]);
    }
    return 0;
}

static circle *circle_new(const token_plan *p, const token_group *g, const tensor *const *sources, error *err)
{
    circle *c = memory_new(1, sizeof *c);
    c->users = c->n = g->n;
    c->tokens = p->tokens;
    c->rounded = p->recipe->mode == MERGE_COMPAT;
    c->work = g->dtype;
    c->sources = memory_new((size_t)g->n, sizeof *c->sources);
    c->row_of = memory_new((size_t)g->n, sizeof *c->row_of);
    c->gifts = memory_new((size_t)p->tokens, sizeof *c->gifts);
    for (int i = 0; i < g->n; i++) {
        c->sources[i] = *sources[i];
        c->row_of[i] = p->row_of[g->model[i]];
    }
    for (int32_t t = 0; t < p->tokens; t++)
        if (find_gift(p, g, t, &c->gifts[t], err) != 0) {
            free(c->sources);
            free(c->row_of);
            free(c->gifts);
            free(c);
            return NULL;
        }
    return c;
}

/* Where only rows are moved they keep the type that they have. */
static bool is_computed(const token_plan *p, const circle *c)
{
    for (int32_t t = 0; t < c->tokens; t++)
        if (c->gifts[t].kind == GIFT_MEAN)
            return true;
    return p->rows > p->tokens;
}

static enum dtype view_dtype(const token_plan *p, const circle *c)
{
    if (c->rounded)
        return c->work;
    for (int i = 1; i < c->n; i++)
        if (c->sources[i].dtype != c->sources[0].dtype)
            return DTYPE_F32;
    return is_computed(p, c) ? DTYPE_F32 : c->sources[0].dtype;
}

int tokens_gather(token_plan *p, const token_group *g, const tensor **sources, error *err)
{
    if (check_group(p, g, sources, err) != 0)
        return -1;
    circle *c = circle_new(p, g, sources, err);
    if (!c)
        return -1;
    p->views = memory_grow(p->views, p->n_views + (size_t)g->n, sizeof *p->views);
    token_view **views = p->views + p->n_views;
    for (int i = 0; i < g->n; i++) {
        views[i] = memory_new(1, sizeof **views);
        *views[i] = (token_view){.maker = {.make = make_rows}, .circle = c, .source = i};
        views[i]->tensor = (tensor){.maker = &views[i]->maker, .dtype = view_dtype(p, c), .rank = 2, .shape = {p->rows, tensor_columns(sources[i])}};
        p->n_views++;
    }
    for (int i = 0; i < g->n; i++) {
        if (p->rows > p->tokens && make_padding(views[i], err) != 0)
            return -1;
        sources[i] = &views[i]->tensor;
    }
    return 0;
}
