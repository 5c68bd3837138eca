#include "model/tower.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "model/plan_parts.h"

/* The name of the first tensor that ends so, NULL for none; and what stands before that end, which free() it. */
static const char *name_that_ends(const checkpoint *c, const char *end)
{
    for (size_t i = 0; i < c->count; i++)
        if (text_ends_with(c->items[i].name, end))
            return c->items[i].name;
    return NULL;
}

static char *prefix_of(const checkpoint *c, const char *end)
{
    const char *name = name_that_ends(c, end);
    return name ? memory_text_n(name, strlen(name) - strlen(end)) : NULL;
}

/* ---- the tower's tensors */

typedef struct names {
    builder b;
    const char *prefix;        /* of the tower's names, or of a layer's */
    int64_t hidden;
} names;

static int vector(const names *s, const char *name, int64_t n, plan_vector *out)
{
    char *whole = memory_print("%s%s", s->prefix, name);
    int status = builder_vector(&s->b, whole, n, out);
    free(whole);
    return status;
}

static int norm(const names *s, const char *name, plan_norm *out)
{
    char *weight = memory_print("%s.weight", name), *bias = memory_print("%s.bias", name);
    int status = vector(s, weight, s->hidden, &out->weight) == 0 ? vector(s, bias, s->hidden, &out->bias) : -1;
    free(weight);
    free(bias);
    return status;
}

static int product(const names *s, const char *name, int64_t n, int64_t k, matrix *out, plan_vector *bias)
{
    char *weight = memory_print("%s%s.weight", s->prefix, name);
    int status = builder_matrix(&s->b, weight, n, k, bias != NULL, out, bias);
    free(weight);
    return status;
}

static int bind_layer(const names *s, const vision_config *c, tower_layer *l)
{
    const int64_t h = c->hidden;
    if (norm(s, "layer_norm1", &l->norm) != 0 || norm(s, "layer_norm2", &l->mlp_norm) != 0 || product(s, "self_attn.q_proj", h, h, &l->q, &l->q_bias) != 0 ||
        product(s, "self_attn.k_proj", h, h, &l->k, &l->k_bias) != 0 || product(s, "self_attn.v_proj", h, h, &l->v, &l->v_bias) != 0 ||
        product(s, "self_attn.out_proj", h, h, &l->o, &l->o_bias) != 0)
        return -1;
    return product(s, "mlp.fc1", c->intermediate, h, &l->up, &l->up_bias) == 0 ? product(s, "mlp.fc2", h, c->intermediate, &l->down, &l->down_bias) : -1;
}

/* A tensor of any shape as `rows` rows in f32: the table of positions. */
static int bind_table(const names *s, const char *name, int64_t rows, plan_vector *out)
{
    char *whole = memory_print("%s%s", s->prefix, name);
    out->source = builder_tensor(&s->b, whole, rows, s->hidden);
    free(whole);
    if (!out->source)
        return -1;
    out->n = rows * s->hidden;
    out->value = memory_try((size_t)out->n * sizeof(float), "the vision tower's positions", s->b.err);
    return out->value ? 0 : -1;
}

/* The weight of the convolution that reads patches, [hidden][3][patch][patch], whose rows go as they are. */
static int bind_patch(const names *s, const vision_config *c, matrix *out)
{
    char *name = memory_print("%sembeddings.patch_embedding.weight", s->prefix);
    const tensor *t = checkpoint_find(s->b.checkpoint, name);
    const int64_t p = c->patch_size;
    char have[128];
    int status = 0;
    if (!t)
        status = fail(s->b.err, ERROR_FORMAT, "%s: tensor '%s' is missing", s->b.checkpoint->name, name);
    else if (t->rank != 4 || t->shape[0] != c->hidden || t->shape[1] != 3 || t->shape[2] != p || t->shape[3] != p)
        status = fail(s->b.err, ERROR_FORMAT, "%s: tensor '%s' has shape %s where config.json implies [%lld, 3, %lld, %lld]", s->b.checkpoint->name, name,
                      tensor_shape_text(t, have), (long long)c->hidden, (long long)p, (long long)p);
    else if (!dtype_is_float(t->dtype))
        status = fail(s->b.err, ERROR_UNSUPPORTED, "%s: tensor '%s' is %s; weights to run must be F32, F16 or BF16", s->b.checkpoint->name, name, dtype_name(t->dtype));
    else
        *out = (matrix){.data = t->data, .dtype = t->dtype, .n = c->hidden, .k = 3 * p * p};
    free(name);
    return status;
}

static int bind_tower(tower *t, const builder *b, const char *prefix)
{
    const vision_config *v = &t->config;
    const int64_t side = v->image_size / v->patch_size;
    const names all = {.b = *b, .prefix = prefix, .hidden = v->hidden};
    if (bind_patch(&all, v, &t->patch) != 0 || vector(&all, "embeddings.class_embedding", v->hidden, &t->class_token) != 0 ||
        bind_table(&all, "embeddings.position_embedding.weight", 1 + side * side, &t->positions) != 0 ||
        norm(&all, "pre_layrnorm", &t->first_norm) != 0)     /* as CLIP spells it */
        return -1;
    t->layers = memory_new((size_t)v->used_layers, sizeof *t->layers);
    for (int64_t l = 0; l < v->used_layers; l++) {
        char *at = memory_print("%sencoder.layers.%lld.", prefix, (long long)l);
        const names layer = {.b = *b, .prefix = at, .hidden = v->hidden};
        int status = bind_layer(&layer, v, &t->layers[l]);
        free(at);
        if (status != 0)
            return -1;
    }
    return 0;
}

/* ---- the projector */

static int bind_projector(tower *t, const builder *b)
{
    static const char *const spellings[][2] = {{"multi_modal_projector.linear_1", "multi_modal_projector.linear_2"}, {"mm_projector.0", "mm_projector.2"}};
    const checkpoint *c = b->checkpoint;
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        char *first = memory_print("%s.weight", spellings[i][0]), *prefix = prefix_of(c, first);
        free(first);
        if (!prefix)
            continue;
        const names s = {.b = *b, .prefix = prefix};
        const bool bias = t->config.projector_bias;
        int status = product(&s, spellings[i][0], t->width, t->config.hidden, &t->projector[0], bias ? &t->projector_bias[0] : NULL);
        if (status == 0)
            status = product(&s, spellings[i][1], t->width, t->width, &t->projector[1], bias ? &t->projector_bias[1] : NULL);
        free(prefix);
        return status;
    }
    return fail(b->err, ERROR_FORMAT, "%s: has no projector: no tensor ends in %s.weight or %s.weight", c->name, spellings[0][0], spellings[1][0]);
}

static int bind_newline(tower *t, const builder *b)
{
    const char *name = name_that_ends(b->checkpoint, "image_newline");
    return name ? builder_vector(b, name, t->width, &t->newline) : 0;
}

/* ---- all of it */

/* Where the CLIP model lies that config.json names, its name where it is nowhere; free() it. NULL: none is named. */
static char *own_folder(const tower *t, const checkpoint *c)
{
    char *beside = c->folder ? file_join(c->folder, "config.json") : NULL, *folder = t->config.tower[0] ? checkpoint_locate(t->config.tower, beside) : NULL;
    free(beside);
    return folder;
}

/* Its sizes, where it is here. */
static int read_own_sizes(tower *t, const checkpoint *c, error *err)
{
    char *folder = own_folder(t, c), *path = folder ? file_join(folder, "config.json") : NULL;
    int status = 0;
    if (path && file_exists(path)) {
        json_t *json = json_read(path, (size_t)1 << 24, err);
        status = json ? vision_config_read_tower(json, path, &t->config, err) : -1;
        json_decref(json);
    }
    free(path);
    free(folder);
    return status;
}

/* Its weights, where the checkpoint does not hold the tower. */
static int open_own(tower *t, const checkpoint *c, error *err)
{
    char *folder = own_folder(t, c);
    int status = -1;
    if (!folder)
        fail(err, ERROR_FORMAT, "%s: has no vision tower: no tensor ends in embeddings.class_embedding", c->name);
    else if (!file_exists(folder))
        fail(err, ERROR_IO, "%s: its vision tower is a model of its own, '%.200s', which is not here: put it into the Hugging Face cache, or set mm_vision_tower in config.json to its folder",
             c->name, t->config.tower);
    else
        status = (t->own = checkpoint_open(folder, err)) ? 0 : -1;
    free(folder);
    return status;
}

typedef struct parts { void (*vector)(void *context, plan_vector *v); void (*matrix)(void *context, const matrix *m); void *context; } parts;

static void visit(const parts *to, const matrix *m, plan_vector *v)
{
    if (to->matrix && m && m->data)
        to->matrix(to->context, m);
    if (v && v->source)
        to->vector(to->context, v);
}

static void each_part(tower *t, const parts *to)
{
    visit(to, &t->patch, &t->class_token);
    visit(to, NULL, &t->positions);
    visit(to, NULL, &t->first_norm.weight);
    visit(to, NULL, &t->first_norm.bias);
    for (int64_t i = 0; t->layers && i < t->config.used_layers; i++) {
        tower_layer *l = &t->layers[i];
        plan_vector *norms[] = {&l->norm.weight, &l->norm.bias, &l->mlp_norm.weight, &l->mlp_norm.bias};
        for (size_t k = 0; k < sizeof norms / sizeof *norms; k++)
            visit(to, NULL, norms[k]);
        visit(to, &l->q, &l->q_bias);
        visit(to, &l->k, &l->k_bias);
        visit(to, &l->v, &l->v_bias);
        visit(to, &l->o, &l->o_bias);
        visit(to, &l->up, &l->up_bias);
        visit(to, &l->down, &l->down_bias);
    }
    visit(to, &t->projector[0], &t->projector_bias[0]);
    visit(to, &t->projector[1], &t->projector_bias[1]);
    visit(to, NULL, &t->newline);
}

static void widen(void *context, plan_vector *v)
{
    (void)context;
    dtype_to_f32(v->source->dtype, v->source->data, v->value, (size_t)v->n);
}

static void release(void *context, plan_vector *v)
{
    (void)context;
    free(v->value);
}

tower *tower_build(const checkpoint *c, error *err)
{
    static const architecture plain = {0};     /* nothing is stored the other way round */
    model_config language;
    plan unused = {0};
    tower *t = memory_new(1, sizeof *t);
    char *name = memory_print("%s: config.json", c->name), *prefix = NULL;
    int status = c->config ? vision_config_read(c->config, name, &t->config, err) : fail(err, ERROR_FORMAT, "%s: has no config.json", c->name);
    if (status == 0)
        status = config_read(c->config, name, &language, err);
    if (status == 0)
        status = read_own_sizes(t, c, err);
    if (status != 0)
        goto done;
    t->width = language.hidden;
    const checkpoint *holder = c;
    prefix = prefix_of(c, "embeddings.class_embedding");
    if (!prefix) {
        status = open_own(t, c, err);
        holder = t->own;
        prefix = status == 0 ? prefix_of(holder, "embeddings.class_embedding") : NULL;
    }
    if (status == 0 && !prefix)
        status = fail(err, ERROR_FORMAT, "%s: has no vision tower: no tensor ends in embeddings.class_embedding", holder->name);
    if (status != 0)
        goto done;
    const builder of_tower = {.plan = &unused, .checkpoint = holder, .config = &language, .architecture = &plain, .err = err};
    const builder of_model = {.plan = &unused, .checkpoint = c, .config = &language, .architecture = &plain, .err = err};
    if (bind_tower(t, &of_tower, prefix) != 0 || bind_projector(t, &of_model) != 0 || bind_newline(t, &of_model) != 0) {
        status = -1;
        goto done;
    }
    each_part(t, &(parts){.vector = widen});
    status = checkpoint_check(c, err) == 0 && (!t->own || checkpoint_check(t->own, err) == 0) ? 0 : -1;
done:
    free(name);
    free(prefix);
    if (status == 0)
        return t;
    tower_free(t);
    return NULL;
}

void tower_free(tower *t)
{
    if (!t)
        return;
    each_part(t, &(parts){.vector = release});
    checkpoint_free(t->own);
    free(t->layers);
    free(t);
}

/* ---- its digest */

#define SAMPLES 16
#define SAMPLE_BYTES 4096

static void sample(string *to, const void *data, size_t n)
{
    const char *bytes = data;
    string_print(to, "%zu:", n);
    if (n <= SAMPLES * SAMPLE_BYTES) {
        string_add(to, bytes, n);
        return;
    }
    for (size_t i = 0; i < SAMPLES; i++)
        string_add(to, bytes + (n - SAMPLE_BYTES) / (SAMPLES - 1) * i, SAMPLE_BYTES);
}

static void sample_vector(void *context, plan_vector *v)
{
    sample(context, v->source->data, tensor_bytes(v->source));
}

static void sample_matrix(void *context, const matrix *m)
{
    sample(context, m->data, (size_t)(m->n * m->k) * dtype_size(m->dtype));
}

void tower_digest(const tower *t, char hex[65])
{
    const vision_config *c = &t->config;
    string all = {0};
    string_print(&all, "%lld %lld %lld %lld %d %d %a %lld %d %d", (long long)c->layers, (long long)c->heads, (long long)c->image_size, (long long)c->patch_size,
                 c->activation, c->projector_activation, c->norm_eps, (long long)c->used_layers, c->keeps_class, t->patch.dtype);
    each_part((tower *)t, &(parts){.vector = sample_vector, .matrix = sample_matrix, .context = &all});   /* nothing in it is changed */
    file_sha256(all.text, all.length, hex);
    free(all.text);
}
