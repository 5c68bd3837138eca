/* A layer's tensors become a hop's blocks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/plan_parts.h"

const tensor *builder_tensor(const builder *b, const char *name, int64_t n, int64_t k)
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

const tensor *builder_find(const builder *b, const char *pattern, int layer, int64_t n, int64_t k)
{
    char *name = plan_name(b->checkpoint, b->architecture, pattern, layer);
    const tensor *t = builder_tensor(b, name, n, k);
    free(name);
    return t;
}

int builder_vector(const builder *b, const char *name, int64_t n, plan_vector *out)
{
    out->source = builder_tensor(b, name, n, 0);
    if (!out->source)
        return -1;
    out->n = n;
    out->value = memory_try((size_t)n * sizeof(float), "a vector of the plan", b->err);
    return out->value ? 0 : -1;
}

/* The bias that goes with a weight of that name. */
int builder_bias(const builder *b, const char *weight, int64_t n, plan_vector *out)
{
    char *name = memory_print("%.*sbias", (int)(strlen(weight) - strlen("weight")), weight);
    int status = builder_vector(b, name, n, out);
    free(name);
    return status;
}

int builder_norm(const builder *b, const char *pattern, int layer, plan_norm *out)
{
    if (!pattern)
        return 0;
    char *name = plan_name(b->checkpoint, b->architecture, pattern, layer);
    int status = builder_vector(b, name, b->config->hidden, &out->weight);
    if (status == 0 && b->config->norm == NORM_LAYER)
        status = builder_bias(b, name, b->config->hidden, &out->bias);
    free(name);
    return status;
}

/* Room for a matrix the other way round, one for all hops that use it; plan_refresh fills it. */
static void *transposed_of(const builder *b, const tensor *t)
{
    plan *p = b->plan;
    for (size_t i = 0; i < p->n_transposed; i++)
        if (p->transposed[i].source == t)
            return p->transposed[i].data;
    void *data = memory_try(tensor_bytes(t), "a transposed matrix", b->err);
    if (data) {
        p->transposed = memory_grow(p->transposed, p->n_transposed + 1, sizeof *p->transposed);
        p->transposed[p->n_transposed++] = (struct plan_transposed){t, data};
    }
    return data;
}

int builder_matrix(const builder *b, const char *name, int64_t n, int64_t k, bool has_bias, matrix *out, plan_vector *bias)
{
    bool transposed = b->architecture->transposed;
    const tensor *t = transposed ? builder_tensor(b, name, k, n) : builder_tensor(b, name, n, k);
    const void *data = t && transposed ? transposed_of(b, t) : t ? t->data : NULL;
    if (!data || (has_bias && builder_bias(b, name, n, bias) != 0))
        return -1;
    *out = (matrix){.data = data, .dtype = t->dtype, .n = n, .k = k, .bias = has_bias ? bias->value : NULL};
    return 0;
}

static int bind_layer_matrix(const builder *b, const char *pattern, int layer, int64_t n, int64_t k, bool has_bias, matrix *out, plan_vector *bias)
{
    char *name = plan_name(b->checkpoint, b->architecture, pattern, layer);
    int status = builder_matrix(b, name, n, k, has_bias, out, bias);
    free(name);
    return status;
}

/* n rows of m from `first` on. */
static matrix rows_of(const matrix *m, int64_t first, int64_t n)
{
    return (matrix){.data = (const char *)m->data + (size_t)(first * m->k) * dtype_size(m->dtype), .dtype = m->dtype, .n = n, .k = m->k,
                    .bias = m->bias ? m->bias + first : NULL};
}

static int bind_queries(const builder *b, int layer, plan_attention *out)
{
    const model_config *c = b->config;
    const architecture *a = b->architecture;
    int64_t q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    bool bias = c->attention_bias;
    matrix all;
    if (a->query_rows == QUERY_APART) {
        if (bind_layer_matrix(b, a->q, layer, q, c->hidden, bias, &out->q, &out->q_bias) != 0 ||
            bind_layer_matrix(b, a->k, layer, kv, c->hidden, bias, &out->k, &out->k_bias) != 0)
            return -1;
        return bind_layer_matrix(b, a->v, layer, kv, c->hidden, bias, &out->v, &out->v_bias);
    }
    if (bind_layer_matrix(b, a->q, layer, q + 2 * kv, c->hidden, bias, &all, &out->q_bias) != 0)
        return -1;
    out->woven = a->query_rows == QUERY_WOVEN;
    out->q = out->woven ? all : rows_of(&all, 0, q);
    if (!out->woven) {
        out->k = rows_of(&all, q, kv);
        out->v = rows_of(&all, q + kv, kv);
    }
    return 0;
}

static int bind_query_norm(const builder *b, const char *pattern, int layer, int64_t heads, plan_vector *out)
{
    if (!pattern)
        return 0;
    char *name = plan_name(b->checkpoint, b->architecture, pattern, layer);
    int status = builder_vector(b, name, b->config->head_dim * (b->architecture->whole_query_norm ? heads : 1), out);
    free(name);
    return status;
}

static int bind_attention(const builder *b, int layer, plan_block *block)
{
    const model_config *c = b->config;
    const architecture *a = b->architecture;
    block->kind = BLOCK_ATTENTION;
    if (builder_norm(b, a->attention_norm, layer, &block->norm) != 0 || builder_norm(b, a->attention_post_norm, layer, &block->post_norm) != 0 ||
        bind_queries(b, layer, &block->attention) != 0 || bind_query_norm(b, a->q_norm, layer, c->heads, &block->attention.q_norm) != 0 ||
        bind_query_norm(b, a->k_norm, layer, c->kv_heads, &block->attention.k_norm) != 0)
        return -1;
    return bind_layer_matrix(b, a->o, layer, c->hidden, c->heads * c->head_dim, c->output_bias, &block->attention.o, &block->attention.o_bias);
}

/* "...experts.%d.w1.weight" of one expert; free() it. Without experts, a copy. */
static char *expert_name(const char *pattern, int expert)
{
    const char *mark = strstr(pattern, "experts.%d");
    int n = mark ? (int)(mark - pattern) + (int)strlen("experts.") : 0;
    return mark ? memory_print("%.*s%d%s", n, pattern, expert, pattern + n + 2) : memory_text(pattern);
}

static int bind_gate(const builder *b, int layer, int expert, plan_mlp *out)
{
    const model_config *c = b->config;
    const architecture *a = b->architecture;
    int64_t n = c->intermediate;
    char *gate = expert_name(a->gate, expert), *up = a->up ? expert_name(a->up, expert) : NULL;
    matrix both;
    int status = -1;
    if (a->gate_stacked) {
        status = bind_layer_matrix(b, gate, layer, 2 * n, c->hidden, c->mlp_bias, &both, &out->gate_bias);
        if (status == 0) {
            out->gate = rows_of(&both, 0, n);
            out->up = rows_of(&both, n, n);
        }
    } else if (bind_layer_matrix(b, gate, layer, n, c->hidden, c->mlp_bias, &out->gate, &out->gate_bias) == 0) {
        status = up ? bind_layer_matrix(b, up, layer, n, c->hidden, c->mlp_bias, &out->up, &out->up_bias) : 0;
    }
    free(gate);
    free(up);
    return status;
}

static int bind_mlp(const builder *b, int layer, int expert, plan_mlp *out)
{
    const model_config *c = b->config;
    char *down = expert_name(b->architecture->down, expert);
    int status = bind_gate(b, layer, expert, out);
    if (status == 0)
        status = bind_layer_matrix(b, down, layer, c->hidden, c->intermediate, c->mlp_bias, &out->down, &out->down_bias);
    free(down);
    return status;
}

static int bind_experts(const builder *b, int layer, plan_experts *out)
{
    const model_config *c = b->config;
    *out = (plan_experts){.used = (int)c->experts_used, .n = (int)c->experts};
    out->expert = memory_new((size_t)c->experts, sizeof *out->expert);
    if (bind_layer_matrix(b, b->architecture->router, layer, c->experts, c->hidden, false, &out->router, NULL) != 0)
        return -1;
    for (int e = 0; e < out->n; e++)
        if (bind_mlp(b, layer, e, &out->expert[e]) != 0)
            return -1;
    return 0;
}

static int bind_second(const builder *b, int layer, plan_block *block)
{
    const model_config *c = b->config;
    const architecture *a = b->architecture;
    block->kind = a->router ? BLOCK_EXPERTS : BLOCK_MLP;
    block->parallel = c->parallel;
    if (builder_norm(b, c->parallel ? a->parallel_mlp_norm : a->mlp_norm, layer, &block->norm) != 0 ||
        builder_norm(b, a->mlp_post_norm, layer, &block->post_norm) != 0)
        return -1;
    return a->router ? bind_experts(b, layer, &block->experts) : bind_mlp(b, layer, 0, &block->mlp);
}

int builder_hop(const builder *b, const path_hop *h, plan_hop *out)
{
    const model_config *c = b->config;
    *out = (plan_hop){.source = h->source, .layer = h->layer, .scale = (float)h->scale, .config = c, .rope = config_rope(c, h->layer),
                      .window = config_window(c, h->layer), .n_blocks = 2};
    out->blocks = memory_new(2, sizeof *out->blocks);
    return bind_attention(b, h->layer, &out->blocks[0]) == 0 ? bind_second(b, h->layer, &out->blocks[1]) : -1;
}
