#include "model/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/architecture.h"

/* Published LLaVA checkpoints put the language model's tensors under this. */
#define NESTED_PREFIX "language_model."

typedef struct builder {
    const checkpoint *checkpoint;
    const char *prefix;
    error *err;
} builder;

static char *layer_name(const builder *b, const char *pattern, int layer)
{
    const char *mark = strstr(pattern, "%d");
    if (!mark)
        return memory_print("%s%s", b->prefix, pattern);
    return memory_print("%s%.*s%d%s", b->prefix, (int)(mark - pattern), pattern, layer, mark + 2);
}

/* The tensor of that name with rank 2 [n][k], or rank 1 [n] when k is 0. */
static const tensor *find(const builder *b, const char *name, int64_t n, int64_t k)
{
    const tensor *t = checkpoint_find(b->checkpoint, name);
    char have[128], want[64];
    if (!t) {
        fail(b->err, ERROR_FORMAT, "%s: tensor '%s' is missing", b->checkpoint->name, name);
        return NULL;
    }
    if (k ? t->rank != 2 || t->shape[0] != n || t->shape[1] != k : t->rank != 1 || t->shape[0] != n) {
        snprintf(want, sizeof want, k ? "[%lld, %lld]" : "[%lld]", (long long)n, (long long)k);
        fail(b->err, ERROR_FORMAT, "%s: tensor '%s' has shape %s where config.json implies %s", b->checkpoint->name, name,
             tensor_shape_text(t, have), want);
        return NULL;
    }
    if (!dtype_is_float(t->dtype)) {
        fail(b->err, ERROR_UNSUPPORTED, "%s: tensor '%s' is %s; weights to run must be F32, F16 or BF16", b->checkpoint->name,
             name, dtype_name(t->dtype));
        return NULL;
    }
    return t;
}

static int bind_vector(const builder *b, char *name, int64_t n, plan_vector *out)
{
    out->source = find(b, name, n, 0);
    free(name);
    if (!out->source)
        return -1;
    out->n = n;
    out->value = memory_try((size_t)n * sizeof(float), "a vector of the plan", b->err);
    return out->value ? 0 : -1;
}

static int bind_matrix(const builder *b, char *name, int64_t n, int64_t k, bool has_bias, matrix *out, plan_vector *bias)
{
    int status = -1;
    size_t length = strlen(name), suffix = strlen("weight");
    const tensor *t = find(b, name, n, k);
    if (!t)
        goto done;
    *out = (matrix){.data = t->data, .dtype = t->dtype, .n = n, .k = k};
    status = 0;
    if (has_bias) {
        status = bind_vector(b, memory_print("%.*sbias", (int)(length - suffix), name), n, bias);
        out->bias = bias->value;
    }
done:
    free(name);
    return status;
}

static int bind_attention(const builder *b, const architecture *a, const model_config *c, int layer, plan_block *block)
{
    int64_t q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    bool bias = c->attention_bias;
    block->kind = BLOCK_ATTENTION;
    if (bind_vector(b, layer_name(b, a->attention_norm, layer), c->hidden, &block->norm) != 0 ||
        bind_matrix(b, layer_name(b, a->q, layer), q, c->hidden, bias, &block->attention.q, &block->attention.q_bias) != 0 ||
        bind_matrix(b, layer_name(b, a->k, layer), kv, c->hidden, bias, &block->attention.k, &block->attention.k_bias) != 0 ||
        bind_matrix(b, layer_name(b, a->v, layer), kv, c->hidden, bias, &block->attention.v, &block->attention.v_bias) != 0)
        return -1;
    return bind_matrix(b, layer_name(b, a->o, layer), c->hidden, q, bias, &block->attention.o, &block->attention.o_bias);
}

static int bind_mlp(const builder *b, const architecture *a, const model_config *c, int layer, plan_block *block)
{
    bool bias = c->mlp_bias;
    block->kind = BLOCK_MLP;
    if (bind_vector(b, layer_name(b, a->mlp_norm, layer), c->hidden, &block->norm) != 0 ||
        bind_matrix(b, layer_name(b, a->gate, layer), c->intermediate, c->hidden, bias, &block->mlp.gate,
                    &block->mlp.gate_bias) != 0 ||
        bind_matrix(b, layer_name(b, a->up, layer), c->intermediate, c->hidden, bias, &block->mlp.up, &block->mlp.up_bias) != 0)
        return -1;
    return bind_matrix(b, layer_name(b, a->down, layer), c->hidden, c->intermediate, bias, &block->mlp.down,
                       &block->mlp.down_bias);
}

static int bind_hop(const builder *b, const model_config *c, int source, int layer, double scale, plan_hop *out)
{
    const architecture *a = architecture_find(c->type, NULL);
    *out = (plan_hop){.source = source, .layer = layer, .scale = (float)scale, .config = c, .n_blocks = 2};
    out->blocks = memory_new(2, sizeof *out->blocks);
    return bind_attention(b, a, c, layer, &out->blocks[0]) == 0 ? bind_mlp(b, a, c, layer, &out->blocks[1]) : -1;
}

static int bind_ends(const builder *b, plan *p)
{
    const model_config *c = &p->config;
    const architecture *a = architecture_find(c->type, NULL);
    char *name = layer_name(b, a->embedding, 0);
    p->embedding = find(b, name, c->vocab, c->hidden);
    free(name);
    if (!p->embedding || bind_vector(b, layer_name(b, a->final_norm, 0), c->hidden, &p->final_norm) != 0)
        return -1;
    if (c->tied) {
        p->head = (matrix){.data = p->embedding->data, .dtype = p->embedding->dtype, .n = c->vocab, .k = c->hidden};
        return 0;
    }
    return bind_matrix(b, layer_name(b, a->head, 0), c->vocab, c->hidden, false, &p->head, NULL);
}

static int read_config(const checkpoint *c, model_config *out, error *err)
{
    if (!c->config)
        return fail(err, ERROR_FORMAT, "%s: has no config.json", c->name);
    char *name = memory_print("%s: config.json", c->name);
    int status = config_read(c->config, name, out, err);
    free(name);
    return status == 0 && c->folder && !checkpoint_file(c, "generation_config.json") ? config_read_generation(c->folder, out, err) : status;
}

const char *plan_prefix(const checkpoint *c)
{
    return checkpoint_find(c, NESTED_PREFIX "model.embed_tokens.weight") ? NESTED_PREFIX : "";
}

static builder builder_for(const checkpoint *c, error *err)
{
    return (builder){.checkpoint = c, .prefix = plan_prefix(c), .err = err};
}

/* A hop must be a layer that is there, of a model as wide as the first. */
static int check_hop(const plan *p, checkpoint *const *checkpoints, const layer_path *way, size_t i, error *err)
{
    const path_hop *h = &way->hops[i];
    const model_config *c = &p->configs[h->source];
    const char *name = way->sources[h->source].name;
    if (c->hidden != p->config.hidden)
        return fail(err, ERROR_FORMAT, "%s: hidden_size %lld where %s has %lld: no path leads through both", checkpoints[h->source]->name,
                    (long long)c->hidden, checkpoints[0]->name, (long long)p->config.hidden);
    if (h->layer < 0 || h->layer >= c->layers)
        return fail(err, ERROR_USAGE, "hop %zu: layer %d of '%s', which has layers 0 to %lld", i, h->layer, name, (long long)c->layers - 1);
    return 0;
}

plan *plan_build_path(checkpoint *const *checkpoints, const layer_path *way, error *err)
{
    plan *p = memory_new(1, sizeof *p);
    p->configs = memory_new(way->n_sources, sizeof *p->configs);
    p->n_configs = way->n_sources;
    for (size_t i = 0; i < way->n_sources; i++)
        if (read_config(checkpoints[i], &p->configs[i], err) != 0)
            goto failed;
    p->config = p->configs[0];
    builder first = builder_for(checkpoints[0], err);
    if (bind_ends(&first, p) != 0)
        goto failed;
    p->hops = memory_new(way->n_hops, sizeof *p->hops);
    for (size_t i = 0; i < way->n_hops; i++) {
        const path_hop *h = &way->hops[i];
        if (check_hop(p, checkpoints, way, i, err) != 0)
            goto failed;
        model_config *c = &p->configs[h->source];
        builder b = builder_for(checkpoints[h->source], err);
        if (bind_hop(&b, c, h->source, h->layer, h->scale, &p->hops[p->n_hops++]) != 0)
            goto failed;
        if (config_position_limit(c) < config_position_limit(&p->config)) {     /* which the kind of RoPE decides too */
            p->config.max_positions = c->max_positions;
            p->config.rope = c->rope;
        }
    }
    plan_refresh(p);
    for (size_t i = 0; i < way->n_sources; i++)
        if (checkpoint_check(checkpoints[i], err) != 0)
            goto failed;
    return p;
failed:
    plan_free(p);
    return NULL;
}

plan *plan_build(const checkpoint *c, error *err)
{
    model_config config;
    if (read_config(c, &config, err) != 0)
        return NULL;
    checkpoint *const only[] = {(checkpoint *)c};      /* nothing in it is changed */
    layer_path *whole = path_new();
    path_add_source(whole, c->name, c->name);
    path_add_layers(whole, 0, 0, (int)config.layers);
    plan *p = plan_build_path(only, whole, err);
    path_free(whole);
    return p;
}

/* Calls `each` for every vector of a block that may be there. */
static void block_vectors(plan_block *block, void (*each)(plan_vector *))
{
    each(&block->norm);
    if (block->kind == BLOCK_ATTENTION) {
        each(&block->attention.q_bias);
        each(&block->attention.k_bias);
        each(&block->attention.v_bias);
        each(&block->attention.o_bias);
    } else {
        each(&block->mlp.gate_bias);
        each(&block->mlp.up_bias);
        each(&block->mlp.down_bias);
    }
}

static void plan_vectors(plan *p, void (*each)(plan_vector *))
{
    each(&p->final_norm);
    for (int h = 0; h < p->n_hops; h++)
        for (int i = 0; i < p->hops[h].n_blocks; i++)
            block_vectors(&p->hops[h].blocks[i], each);
}

static void refresh(plan_vector *v)
{
    if (v->source)
        dtype_to_f32(v->source->dtype, v->source->data, v->value, (size_t)v->n);
}

static void release(plan_vector *v)
{
    free(v->value);
}

void plan_refresh(plan *p)
{
    plan_vectors(p, refresh);
}

void plan_free(plan *p)
{
    if (!p)
        return;
    plan_vectors(p, release);
    for (int h = 0; h < p->n_hops; h++)
        free(p->hops[h].blocks);
    free(p->hops);
    free(p->configs);
    free(p);
}
