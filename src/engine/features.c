#include "engine/features.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "compute/scratch.h"

#define QUERIES 16           /* of one head that attention takes at a time: they share its keys */
#define PIECE_ROWS 144       /* of one head in a piece of work, a multiple of QUERIES */

typedef struct sight {
    const tower *tower;
    const backend *backend;
    threads *pool;
    int64_t patches, rows;   /* rows: the patches and the class token in front of them */
    int64_t hidden, heads, head_dim, padded;   /* padded: rows, in whole vectors of any family */
    const tower_layer *layer;
    const float *pixels;     /* [3][side][side] of the view */
    /* owned, [rows][...] */
    float *x;                /* [hidden] the residual stream, without what `pending` still brings */
    float *pending, *normed; /* [hidden] */
    float *qkv;              /* [q | k | v] */
    float *attended;         /* [hidden] */
    float *wide;             /* [widest of: a patch's pixels, the MLP, the projector] */
    int64_t width;           /* of wide */
} sight;

/* ---- row by row */

typedef struct row_work {
    const sight *s;
    void (*each)(const sight *s, int64_t row);
    int64_t rows, per_piece;
} row_work;

static void run_rows(void *context, size_t piece)
{
    const row_work *w = context;
    const int64_t begin = (int64_t)piece * w->per_piece, end = begin + w->per_piece;
    for (int64_t i = begin; i < end && i < w->rows; i++)
        w->each(w->s, i);
}

static void for_rows(const sight *s, int64_t rows, void (*each)(const sight *s, int64_t row))
{
    const int64_t pieces = s->pool ? 4 * (int64_t)threads_count(s->pool) : 1, per_piece = (rows + pieces - 1) / pieces;
    threads_run(s->pool, (size_t)((rows + per_piece - 1) / per_piece), run_rows, &(row_work){s, each, rows, per_piece});
}

/* A patch's pixels, colour by colour, as the convolution's weight has them. */
static void cut_patch(const sight *s, int64_t i)
{
    const int64_t p = s->tower->config.patch_size, side = s->tower->config.image_size, columns = side / p;
    const float *from = s->pixels + i / columns * p * side + i % columns * p;
    float *to = s->wide + i * 3 * p * p;
    for (int64_t colour = 0; colour < 3; colour++, from += side * side)
        for (int64_t y = 0; y < p; y++, to += p)
            memcpy(to, from + y * side, (size_t)p * sizeof *to);
}

static void norm_to(const sight *s, const plan_norm *norm, const float *x, float *y, int64_t i)
{
    const int64_t h = s->hidden;
    s->backend->layer_norm(x + i * h, norm->weight.value, norm->bias.value, (float)s->tower->config.norm_eps, y + i * h, 1, h);
}

/* Row 0 is the class token; positions are added to all. */
static void embed_row(const sight *s, int64_t i)
{
    float *x = s->x + i * s->hidden;
    if (i == 0)
        memcpy(x, s->tower->class_token.value, (size_t)s->hidden * sizeof *x);
    s->backend->add(x, s->tower->positions.value + i * s->hidden, s->hidden);
    norm_to(s, &s->tower->first_norm, s->x, s->x, i);
}

static void add_row(const sight *s, int64_t i)
{
    s->backend->add(s->x + i * s->hidden, s->pending + i * s->hidden, s->hidden);
}

static void norm_row(const sight *s, int64_t i)
{
    norm_to(s, &s->layer->norm, s->x, s->normed, i);
}

static void mlp_norm_row(const sight *s, int64_t i)
{
    add_row(s, i);
    norm_to(s, &s->layer->mlp_norm, s->x, s->normed, i);
}

static void activate_row(const sight *s, int64_t i)
{
    const int64_t n = s->tower->config.intermediate;
    s->backend->activate(s->tower->config.activation, s->wide + i * n, NULL, s->wide + i * n, n);
}

static void project_row(const sight *s, int64_t i)
{
    const int64_t n = s->tower->width;
    s->backend->activate(s->tower->config.projector_activation, s->wide + i * n, NULL, s->wide + i * n, n);
}

/* ---- attention: every row sees every row. As the engine's kernel takes the queries of all heads that share keys at once, it is given
 * QUERIES rows of one head as so many heads. */

/* A head's keys, transposed, and values, zeros behind them. */
static void gather_head(const sight *s, int64_t head, float *keys, float *values)
{
    const int64_t d = s->head_dim, ld = 3 * s->hidden;
    const float *k = s->qkv + s->hidden + head * d, *v = k + s->hidden;
    for (int64_t i = 0; i < s->rows; i++)
        memcpy(values + i * d, v + i * ld, (size_t)d * sizeof *values);
    memset(values + s->rows * d, 0, (size_t)((s->padded - s->rows) * d) * sizeof *values);
    for (int64_t j = 0; j < d; j++) {
        for (int64_t i = 0; i < s->rows; i++)
            keys[j * s->padded + i] = k[i * ld + j];
        memset(keys + j * s->padded + s->rows, 0, (size_t)(s->padded - s->rows) * sizeof *keys);
    }
}

static void attend_piece(void *context, size_t piece)
{
    const sight *s = context;
    const int64_t pieces = (s->rows + PIECE_ROWS - 1) / PIECE_ROWS, head = (int64_t)piece / pieces, d = s->head_dim, begin = (int64_t)piece % pieces * PIECE_ROWS;
    const int64_t end = begin + PIECE_ROWS < s->rows ? begin + PIECE_ROWS : s->rows;
    attention_shape shape = {.heads = QUERIES, .kv_heads = 1, .head_dim = (int)d, .block_tokens = (int)s->padded, .scale = 1 / sqrtf((float)d)};
    const size_t scores = attention_scratch(&shape, 0, s->rows);
    float *keys = scratch_get((size_t)(2 * s->padded * d + 2 * QUERIES * d) + scores), *values = keys + s->padded * d, *q = values + s->padded * d, *out = q + QUERIES * d;
    gather_head(s, head, keys, values);
    attention_query query = {.q = q, .out = out, .keys = (const float *const[]){keys}, .values = (const float *const[]){values}, .end = s->rows};
    for (int64_t at = begin; at < end; at += QUERIES) {
        shape.heads = (int)(at + QUERIES < end ? QUERIES : end - at);
        for (int64_t i = 0; i < shape.heads; i++)
            memcpy(q + i * d, s->qkv + (at + i) * 3 * s->hidden + head * d, (size_t)d * sizeof *q);
        s->backend->attention(&shape, &query, 0, out + QUERIES * d);
        for (int64_t i = 0; i < shape.heads; i++)
            memcpy(s->attended + (at + i) * s->hidden + head * d, out + i * d, (size_t)d * sizeof *out);
    }
}

/* ---- the tower and the projector */

static void multiply(const sight *s, const matrix *w, const float *x, int64_t ldx, float *y, int64_t ldy, int64_t rows)
{
    s->backend->matmul(w, x, ldx, y, ldy, rows, s->pool);
}

static void embed(sight *s)
{
    const matrix *w = &s->tower->patch;
    for_rows(s, s->patches, cut_patch);
    multiply(s, w, s->wide, w->k, s->x + s->hidden, s->hidden, s->patches);
    for_rows(s, s->rows, embed_row);
}

/* Leaves the MLP's output in `pending`. */
static void run_layer(sight *s, const tower_layer *l)
{
    const int64_t h = s->hidden, n = s->tower->config.intermediate;
    s->layer = l;
    for_rows(s, s->rows, norm_row);
    multiply(s, &l->q, s->normed, h, s->qkv, 3 * h, s->rows);
    multiply(s, &l->k, s->normed, h, s->qkv + h, 3 * h, s->rows);
    multiply(s, &l->v, s->normed, h, s->qkv + 2 * h, 3 * h, s->rows);
    threads_run(s->pool, (size_t)(s->heads * ((s->rows + PIECE_ROWS - 1) / PIECE_ROWS)), attend_piece, s);
    multiply(s, &l->o, s->attended, h, s->pending, h, s->rows);
    for_rows(s, s->rows, mlp_norm_row);
    multiply(s, &l->up, s->normed, h, s->wide, n, s->rows);
    for_rows(s, s->rows, activate_row);
    multiply(s, &l->down, s->wide, n, s->pending, h, s->rows);
    for_rows(s, s->rows, add_row);
}

static void project(const sight *s, float *out)
{
    const tower *t = s->tower;
    const int64_t first = t->config.keeps_class ? 0 : 1, rows = s->rows - first;
    multiply(s, &t->projector[0], s->x + first * s->hidden, s->hidden, s->wide, t->width, rows);
    for_rows(s, rows, project_row);
    multiply(s, &t->projector[1], s->wide, t->width, out, t->width, rows);
}

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int reserve(sight *s, error *err)
{
    const vision_config *c = &s->tower->config;
    const int64_t widths[] = {s->hidden, s->hidden, s->hidden, 3 * s->hidden, s->hidden, larger(larger(3 * c->patch_size * c->patch_size, c->intermediate), s->tower->width)};
    float **const buffers[] = {&s->x, &s->pending, &s->normed, &s->qkv, &s->attended, &s->wide};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
        if (!(*buffers[i] = memory_try((size_t)(s->rows * widths[i]) * sizeof(float), "the vision tower's activations", err)))
            return -1;
    return 0;
}

int features_run(const features_job *job, const float *pixels, int64_t views, float *out, error *err)
{
    const tower *t = job->tower;
    const vision_config *c = &t->config;
    const int64_t columns = c->image_size / c->patch_size;
    sight s = {.tower = t, .backend = job->backend, .pool = job->pool, .patches = columns * columns, .rows = 1 + columns * columns, .hidden = c->hidden,
               .heads = c->heads, .head_dim = c->hidden / c->heads};
    s.padded = (s.rows + 63) / 64 * 64;
    int status = reserve(&s, err);
    for (int64_t v = 0; status == 0 && v < views; v++) {
        s.pixels = pixels + v * 3 * c->image_size * c->image_size;
        embed(&s);
        for (int64_t l = 0; l <= c->used_layers; l++) {
            if (job->watch)
                job->watch(job->context, v, l, s.x);
            if (l < c->used_layers)
                run_layer(&s, &t->layers[l]);
        }
        project(&s, out + v * vision_config_features(c) * t->width);
    }
    free(s.x);
    free(s.pending);
    free(s.normed);
    free(s.qkv);
    free(s.attended);
    free(s.wide);
    return status;
}

/* ---- a picture of one view or several */

static image_window window_of(const tower *t, const image_views *v)
{
    return image_views_window(v, (int32_t)(t->config.image_size / t->config.patch_size));
}

int64_t features_count(const tower *t, const image_views *v)
{
    const image_window w = window_of(t, v);
    return vision_config_features(&t->config) + (int64_t)w.rows * (w.columns + 1);
}

void features_pack(const tower *t, const image_views *v, const float *all, float *out)
{
    const int64_t view = vision_config_features(&t->config) * t->width, side = t->config.image_size / t->config.patch_size;
    const size_t bytes = (size_t)t->width * sizeof *out;
    const image_window w = window_of(t, v);
    memcpy(out, all, (size_t)view * sizeof *out);
    out += view;
    for (int64_t r = w.top; r < w.top + w.rows; r++, out += t->width) {
        for (int64_t c = w.left; c < w.left + w.columns; c++, out += t->width) {
            const int64_t tile = 1 + r / side * v->tile_columns + c / side;
            memcpy(out, all + tile * view + (r % side * side + c % side) * t->width, bytes);
        }
        memcpy(out, t->newline.value, bytes);
    }
}

float *features_of_picture(const features_job *job, const image_processor *p, const image *picture, const char *name, int64_t *n, error *err)
{
    const tower *t = job->tower;
    image_views views;
    float *all = NULL, *rows = NULL;
    if (image_processor_run(p, picture, name, &views, err) != 0)
        return NULL;
    *n = features_count(t, &views);
    if (views.tile_rows > 0 && !t->newline.source) {
        fail(err, ERROR_FORMAT, "%s: the model has no tensor image_newline, which ends the rows of a picture's tiles (tiles: false does without)", name);
        goto done;
    }
    all = memory_try((size_t)(views.count * vision_config_features(&t->config) * t->width) * sizeof *all, "a picture's features", err);
    if (!all || features_run(job, views.pixels, views.count, all, err) != 0)
        goto done;
    if (views.count == 1) {
        rows = all;
        all = NULL;
    } else if ((rows = memory_try((size_t)(*n * t->width) * sizeof *rows, "a picture's features", err)) != NULL) {
        features_pack(t, &views, all, rows);
    }
done:
    image_views_free(&views);
    free(all);
    return rows;
}
