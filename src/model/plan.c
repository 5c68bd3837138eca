#include "model/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "model/plan_parts.h"

/* How checkpoints spell the names of the table: what stands for the model's own prefix ("model.", "transformer."; "" leaves it away, NULL
 * keeps it), and what in front of all. */
static const struct spelling { const char *before, *own; } spellings[] = {
    {"", NULL},
    {"language_model.", NULL},            /* LLaVA, Gemma 3 that also sees */
    {"", "model.language_model."},        /* the same as transformers 5 writes it */
    {"", ""},                             /* published GPT-2, models written without their head */
};

static char *spell(const struct spelling *s, const architecture *a, const char *pattern, int layer)
{
    size_t own = strcspn(a->embedding, ".") + 1;
    const char *start = s->before, *rest = pattern;
    if (s->own && strncmp(pattern, a->embedding, own) == 0) {
        start = s->own;
        rest += own;
    }
    const char *mark = strstr(rest, "%d");
    return mark ? memory_print("%s%.*s%d%s", start, (int)(mark - rest), rest, layer, mark + 2) : memory_print("%s%s", start, rest);
}

static const struct spelling *find_spelling(const checkpoint *c, const architecture *a)
{
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        char *name = spell(&spellings[i], a, a->embedding, 0);
        bool there = checkpoint_find(c, name) != NULL;
        free(name);
        if (there)
            return &spellings[i];
    }
    return &spellings[0];
}

char *plan_name(const checkpoint *c, const architecture *a, const char *pattern, int layer)
{
    return spell(find_spelling(c, a), a, pattern, layer);
}

/* ---- a model's tensors */

static int bind_ends(const builder *b)
{
    plan *p = b->plan;
    const model_config *c = b->config;
    const architecture *a = b->architecture;
    p->name = b->checkpoint->name;
    p->embedding = builder_find(b, a->embedding, 0, c->vocab, c->hidden);
    p->positions = a->positions ? builder_find(b, a->positions, 0, c->max_positions, c->hidden) : NULL;
    if (!p->embedding || (a->positions && !p->positions) || builder_norm(b, a->final_norm, 0, &p->final_norm) != 0)
        return -1;
    const tensor *head = c->tied ? p->embedding : builder_find(b, a->head, 0, c->vocab, c->hidden);
    if (!head)
        return -1;
    p->head = (matrix){.data = head->data, .dtype = head->dtype, .n = c->vocab, .k = c->hidden};
    return 0;
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

static builder builder_for(plan *p, const checkpoint *c, const model_config *config, error *err)
{
    return (builder){.plan = p, .checkpoint = c, .config = config, .architecture = architecture_find(config->type, NULL), .err = err};
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
    if (c->learned_positions != p->config.learned_positions)
        return fail(err, ERROR_UNSUPPORTED, "%s: %s is told positions %s, %s (%s) %s: no path leads through both", checkpoints[h->source]->name, c->type,
                    c->learned_positions ? "by its embeddings" : "in every layer", checkpoints[0]->name, p->config.type,
                    p->config.learned_positions ? "by its embeddings" : "in every layer");
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
    builder first = builder_for(p, checkpoints[0], &p->configs[0], err);
    if (bind_ends(&first) != 0)
        goto failed;
    p->hops = memory_new(way->n_hops, sizeof *p->hops);
    for (size_t i = 0; i < way->n_hops; i++) {
        const path_hop *h = &way->hops[i];
        if (check_hop(p, checkpoints, way, i, err) != 0)
            goto failed;
        model_config *c = &p->configs[h->source];
        builder b = builder_for(p, checkpoints[h->source], c, err);
        if (builder_hop(&b, h, &p->hops[p->n_hops++]) != 0)
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

/* ---- what is copied of the weights */

static void visit_vector(const plan_visitor *to, plan_vector *v)
{
    if (to->vector && v->source)
        to->vector(to->context, v);
}

static void visit_matrix(const plan_visitor *to, const matrix *m, plan_vector *bias)
{
    if (to->matrix && m->data)
        to->matrix(to->context, m);
    visit_vector(to, bias);
}

static void visit_norm(const plan_visitor *to, plan_norm *n)
{
    visit_vector(to, &n->weight);
    visit_vector(to, &n->bias);
}

static void visit_mlp(const plan_visitor *to, plan_mlp *m)
{
    visit_matrix(to, &m->gate, &m->gate_bias);
    visit_matrix(to, &m->up, &m->up_bias);
    visit_matrix(to, &m->down, &m->down_bias);
}

static void visit_attention(const plan_visitor *to, plan_attention *a)
{
    visit_matrix(to, &a->q, &a->q_bias);
    visit_matrix(to, &a->k, &a->k_bias);
    visit_matrix(to, &a->v, &a->v_bias);
    visit_matrix(to, &a->o, &a->o_bias);
    visit_vector(to, &a->q_norm);
    visit_vector(to, &a->k_norm);
}

static void visit_experts(const plan_visitor *to, plan_experts *x)
{
    plan_vector none = {0};
    visit_matrix(to, &x->router, &none);
    for (int e = 0; e < x->n; e++)
        visit_mlp(to, &x->expert[e]);
}

void plan_visit(plan_block *block, const plan_visitor *to)
{
    visit_norm(to, &block->norm);
    visit_norm(to, &block->post_norm);
    switch (block->kind) {
    case BLOCK_ATTENTION: visit_attention(to, &block->attention); break;
    case BLOCK_MLP: visit_mlp(to, &block->mlp); break;
    case BLOCK_EXPERTS: visit_experts(to, &block->experts); break;
    }
}

static void plan_vectors(plan *p, void (*each)(void *, plan_vector *))
{
    const plan_visitor visitor = {.vector = each};
    visit_norm(&visitor, &p->final_norm);
    for (int h = 0; h < p->n_hops; h++)
        for (int i = 0; i < p->hops[h].n_blocks; i++)
            plan_visit(&p->hops[h].blocks[i], &visitor);
}

static void refresh(void *context, plan_vector *v)
{
    (void)context;
    dtype_to_f32(v->source->dtype, v->source->data, v->value, (size_t)v->n);
}

static void release(void *context, plan_vector *v)
{
    (void)context;
    free(v->value);
}

/* [in][out] to [out][in], in squares that stay in the first-level cache. */
static void transpose(const tensor *t, char *out)
{
    const int64_t rows = t->shape[0], columns = t->shape[1], size = (int64_t)dtype_size(t->dtype);
    const char *in = t->data;
    for (int64_t r = 0; r < rows; r += 32)
        for (int64_t c = 0; c < columns; c += 32)
            for (int64_t i = r; i < r + 32 && i < rows; i++)
                for (int64_t j = c; j < c + 32 && j < columns; j++)
                    memcpy(out + (j * rows + i) * size, in + (i * columns + j) * size, (size_t)size);
}

void plan_refresh(plan *p)
{
    plan_vectors(p, refresh);
    for (size_t i = 0; i < p->n_transposed; i++)
        transpose(p->transposed[i].source, p->transposed[i].data);
}

static void free_hop(plan_hop *hop)
{
    for (int i = 0; i < hop->n_blocks; i++)
        if (hop->blocks[i].kind == BLOCK_EXPERTS)
            free(hop->blocks[i].experts.expert);
    free(hop->blocks);
}

void plan_free(plan *p)
{
    if (!p)
        return;
    plan_vectors(p, release);
    for (int h = 0; h < p->n_hops; h++)
        free_hop(&p->hops[h]);
    for (size_t i = 0; i < p->n_transposed; i++)
        free(p->transposed[i].data);
    free(p->transposed);
    free(p->hops);
    free(p->configs);
    free(p);
}
