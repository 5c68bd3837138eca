#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "cmd/options.h"
#include "merge/fold.h"
#include "merge/preview.h"
#include "model/architecture.h"
#include "model/config.h"
#include "model/vision_config.h"
#include "study/path_drawing.h"
#include "study/run.h"
#include "study/source.h"
#include "study/terminal.h"
#include "tensor/checkpoint.h"
#include "tensor/gguf.h"
#include "text/tokenizer.h"

/* Of a model that sees. */
static void print_sight(const checkpoint *c)
{
    vision_config v;
    error err = {0};
    if (vision_config_read(c->config, c->name, &v, &err) != 0)
        printf("pictures: %s\n", err.text);
    else
        printf("pictures: vision tower of %" PRId64 " layers, hidden %" PRId64 ", %" PRId64 " heads; %" PRId64 " features of a view of %" PRId64 " x %" PRId64 "%s\n", v.used_layers,
               v.hidden, v.heads, vision_config_features(&v), v.image_size, v.image_size, v.tiled ? ", and of tiles" : "");
}

static void print_config(const checkpoint *c)
{
    model_config m;
    error err = {0};
    if (!c->config)
        return;
    if (config_read(c->config, c->name, &m, &err) != 0) {
        printf("architecture: %s\n", err.text);
        return;
    }
    printf("architecture: %s, %" PRId64 " layers, hidden %" PRId64 ", %" PRId64 " heads of %" PRId64 " (%" PRId64 " for keys and values), MLP %" PRId64 ", vocabulary %" PRId64 "%s\n",
           m.type, m.layers, m.hidden, m.heads, m.head_dim, m.kv_heads, m.intermediate, m.vocab, m.tied ? ", tied embeddings" : "");
    printf("positions: %" PRId64 ", RoPE theta %g", m.max_positions, m.rope.theta);
    if (m.window)
        printf(", sliding window %" PRId64, m.window);
    putchar('\n');
    if (vision_config_is(c->config))
        print_sight(c);
}

static void print_tokenizer(const checkpoint *c)
{
    error err = {0};
    tokenizer *t = c->folder ? tokenizer_of(c, &err) : NULL;
    if (t)
        printf("tokenizer: %s, %" PRId32 " tokens\n", tokenizer_kind(t), tokenizer_size(t));
    else
        printf("tokenizer: %s\n", c->folder ? err.text : "none");
    tokenizer_free(t);
}

static void print_json(const checkpoint *c)
{
    json_t *tensors = json_object();
    for (size_t i = 0; i < c->count; i++) {
        const tensor *t = &c->items[i].tensor;
        json_t *shape = json_array();
        for (int d = 0; d < t->rank; d++)
            json_array_append_new(shape, json_integer(t->shape[d]));
        json_object_set_new(tensors, c->items[i].name, json_pack("{s:s, s:o, s:I}", "dtype", dtype_name(t->dtype), "shape", shape, "bytes", (json_int_t)tensor_bytes(t)));
    }
    json_t *object = json_pack("{s:s, s:I, s:o, s:O?}", "path", c->name, "bytes", (json_int_t)checkpoint_bytes(c), "tensors", tensors, "config", c->config);
    json_dumpf(object, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(object);
}

/* Of a checkpoint that was opened (c). */
static int inspect_model(const char *name, const checkpoint *c, bool json, bool all, error *err)
{
    if (json) {
        print_json(c);
        return 0;
    }
    char size[32], shape[128];
    uint64_t parameters = 0;
    for (size_t i = 0; i < c->count; i++)
        parameters += (uint64_t)tensor_count(&c->items[i].tensor);
    printf("%s: %zu tensors, %.1f M parameters, %s\n", name, c->count, 1e-6 * (double)parameters, progress_bytes(size, (double)checkpoint_bytes(c)));
    print_config(c);
    print_tokenizer(c);
    size_t shown = all || c->count <= 24 ? c->count : 16;
    for (size_t i = 0; i < shown; i++) {
        const tensor *t = &c->items[i].tensor;
        printf("  %-56s %-5s %-16s %s\n", c->items[i].name, dtype_name(t->dtype), tensor_shape_text(t, shape), progress_bytes(size, (double)tensor_bytes(t)));
    }
    if (shown < c->count)
        printf("  and %zu more (--all lists them)\n", c->count - shown);
    return checkpoint_check(c, err);
}

/* ---- paths */

typedef struct weight { const void *data; uint64_t count, bytes; } weight;
typedef struct weights { weight *items; size_t n; } weights;
typedef struct weight_sum { uint64_t parameters, bytes; } weight_sum;

static void add_matrix(void *context, const matrix *m)
{
    weights *w = context;
    uint64_t count = (uint64_t)(m->n * m->k);
    w->items = memory_grow(w->items, w->n + 1, sizeof *w->items);
    w->items[w->n++] = (weight){m->data, count, count * dtype_size(m->dtype)};
}

static void add_vector(void *context, plan_vector *v)
{
    weights *w = context;
    w->items = memory_grow(w->items, w->n + 1, sizeof *w->items);
    w->items[w->n++] = (weight){v->source->data, (uint64_t)v->n, tensor_bytes(v->source)};
}

static void add_table(weights *w, const tensor *t)
{
    matrix m = {.data = t->data, .dtype = t->dtype, .n = t->shape[0], .k = t->shape[1]};
    add_matrix(w, &m);
}

static int by_place(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t)((const weight *)a)->data, y = (uintptr_t)((const weight *)b)->data;
    return x < y ? -1 : x > y;
}

/* What a plan runs through: every stored weight once, as it is mapped, or every hop's, as a model of its own would have them. */
static weight_sum sum_weights(const plan *p, bool once)
{
    weights w = {0};
    weight_sum sum = {0};
    plan_norm final = p->final_norm;
    add_table(&w, p->embedding);
    if (p->positions)
        add_table(&w, p->positions);
    if (p->head.data != p->embedding->data || (!once && p->hops[0].scale != 1))     /* embeddings that are scaled no longer serve as head */
        add_matrix(&w, &p->head);
    add_vector(&w, &final.weight);
    if (final.bias.source)
        add_vector(&w, &final.bias);
    for (int h = 0; h < p->n_hops; h++)
        for (int k = 0; k < p->hops[h].n_blocks; k++)
            plan_visit(&p->hops[h].blocks[k], &(plan_visitor){.matrix = add_matrix, .vector = add_vector, .context = &w});
    if (once)
        qsort(w.items, w.n, sizeof *w.items, by_place);
    for (size_t i = 0; i < w.n; i++) {
        if (once && i > 0 && w.items[i].data == w.items[i - 1].data)
            continue;
        sum.parameters += w.items[i].count;
        sum.bytes += w.items[i].bytes;
    }
    free(w.items);
    return sum;
}

static void print_path_json(const char *name, const layer_path *p, const int *layers, weight_sum mapped, const error *folding)
{
    json_t *sources = json_array(), *hops = json_array();
    path_facts f = path_facts_new(p);
    for (size_t i = 0; i < p->n_sources; i++)
        json_array_append_new(sources, json_pack("{s:s, s:s, s:i, s:I, s:I}", "name", p->sources[i].name, "model", p->sources[i].model, "layers", layers[i], "distinct_layers",
                                                 (json_int_t)f.distinct[i], "hops", (json_int_t)f.hops[i]));
    for (size_t i = 0; i < p->n_hops; i++)
        json_array_append_new(hops, json_pack("[s, i, f]", p->sources[p->hops[i].source].name, p->hops[i].layer, p->hops[i].scale));
    bool folds = folding->code == ERROR_NONE;
    json_t *object = json_pack("{s:s, s:o, s:o, s:I, s:I, s:I, s:b, s:s?}", "path", name, "sources", sources, "hops", hops, "distinct_layers",
                               (json_int_t)(p->n_hops - f.repeats), "parameters", (json_int_t)mapped.parameters, "bytes", (json_int_t)mapped.bytes, "folds", folds,
                               "why_not", folds ? NULL : folding->text);
    json_dumpf(object, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(object);
    path_facts_free(&f);
}

static int inspect_path(const char *name, const source *s, bool json, error *err)
{
    lineup l = source_lineup(s);
    error folding = {0};
    plan *whole = lineup_plan(&l, err);
    if (!whole)
        return -1;
    int *layers = memory_new(s->n_models, sizeof *layers);
    for (size_t i = 0; i < s->n_models; i++)
        layers[i] = (int)whole->configs[i].layers;
    weight_sum mapped = sum_weights(whole, true), folded = sum_weights(whole, false);
    bool folds = fold_possible(s->models, s->path, &folding);
    if (json) {
        print_path_json(name, s->path, layers, mapped, &folding);
    } else {
        char *text = path_drawing(s->path, layers, terminal_width()), size[32];
        printf("%s: a path\n\n%s", name, text);
        printf("%.1f M parameters, %s of weights mapped\n", 1e-6 * (double)mapped.parameters, progress_bytes(size, (double)mapped.bytes));
        if (folds)
            printf("folds into one model of %zu layers, %.1f M parameters, %s\n", s->path->n_hops, 1e-6 * (double)folded.parameters,
                   progress_bytes(size, (double)folded.bytes));
        else
            printf("%s\n", folding.text);
        free(text);
    }
    free(layers);
    plan_free(whole);
    int status = 0;
    for (size_t i = 0; i < s->n_models && status == 0; i++)
        status = checkpoint_check(s->models[i], err);
    return status;
}

/* ---- recipes */

static int inspect_recipe(const char *file, const yaml_value *root, const common_options *common, threads *pool, error *err)
{
    recipe *r = recipe_from_yaml(root, file, err);
    json_t *what = r ? merge_preview(r, &(merge_options){.pool = pool, .memory = common->memory}, ".", err) : NULL;
    if (what && common->json) {
        json_dumpf(what, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (what) {
        char *text = merge_preview_text(what);
        printf("%s: a recipe\n%s", file, text);
        free(text);
    }
    json_decref(what);
    recipe_free(r);
    return what ? 0 : -1;
}

/* A YAML file is a recipe unless it is a path; *is_recipe tells whether it was taken as one. */
static int try_recipe(const char *file, const common_options *common, threads *pool, bool *is_recipe, error *err)
{
    *is_recipe = text_ends_with(file, ".yml") || text_ends_with(file, ".yaml");
    if (!*is_recipe)
        return 0;
    yaml_value *root = yaml_read(file, err);
    *is_recipe = !root || !path_is_yaml(root);
    int status = !root ? -1 : *is_recipe ? inspect_recipe(file, root, common, pool, err) : 0;
    yaml_free(root);
    return status;
}

/* ---- GGUF files: what their tensors are stored as; the list below tells what they are read as */

static void print_types(const gguf *g)
{
    size_t counts[64] = {0}, shown = 0;
    for (size_t i = 0; i < g->n_tensors; i++)
        counts[g->tensors[i].type->id % 64]++;
    for (uint32_t id = 0; id < 64; id++)
        if (counts[id])
            printf("%s %zu %s", shown++ ? "," : "", counts[id], quant_find(id)->name);
}

static int inspect_gguf(const char *name, bool json, bool all, error *err)
{
    checkpoint *c = checkpoint_open_lazy(name, err);
    gguf *g = c ? gguf_parse(c->buffers[0], name, err) : NULL;
    if (g && !json) {
        printf("GGUF file:");
        print_types(g);
        putchar('\n');
    }
    int status = g ? inspect_model(name, c, json, all, err) : -1;
    gguf_free(g);
    checkpoint_free(c);
    return status;
}

static int inspect_source(const char *name, threads *pool, bool json, bool all, error *err)
{
    source s = {0};
    if (gguf_is(name))
        return inspect_gguf(name, json, all, err);
    if (source_open(name, &(merge_options){.pool = pool}, &s, err) != 0)
        return -1;
    int status = s.path ? inspect_path(name, &s, json, err) : inspect_model(name, s.models[0], json, all, err);
    source_close(&s);
    return status;
}

static int run(const command *self, int argc, char **argv)
{
    common_options common = {0};
    bool all = false;
    const option options[] = {{"all", 'a', OPTION_FLAG, &all, NULL, "list every tensor"}};
    const char *words[1];
    int stop = options_parse(self, options, 1, argc, argv, words, 1, 1, &common);
    if (stop)
        return stop - 1;
    error err = {0};
    size_t n = strlen(words[0]);
    bool is_study = n > 3 && strcmp(words[0] + n - 3, ".db") == 0, is_recipe = false;
    threads *pool = options_pool(&common);
    int status = is_study ? study_print_table(words[0], common.json, &err) : try_recipe(words[0], &common, pool, &is_recipe, &err);
    if (status == 0 && !is_study && !is_recipe)
        status = inspect_source(words[0], pool, common.json, all, &err);
    threads_free(pool);
    return status == 0 ? 0 : options_fail(&err);
}

const command command_inspect = {
    "inspect", "MODEL|FILE|RECIPE.yml|STUDY.db", "Say what a model, a file, a path or a study is: architecture, tokenizer, tensors; the path drawn; a study's standing; of a recipe, everything checked, what it will do, in how much time, memory and disk.",
    "  merganser inspect miniature/models/ja\n", run,
};
