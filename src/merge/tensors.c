#include "merge/tensors.h"

#include <stdlib.h>
#include <string.h>

#include "merge/method.h"

static const char HEAD[] = "lm_head.weight";

bool tensors_is_table(const char *name)
{
    return text_ends_with(name, "rotary_emb.inv_freq") || text_ends_with(name, "attn.masked_bias");
}

static bool is_vocabulary(const char *name)
{
    return text_ends_with(name, "embed_tokens.weight") || text_ends_with(name, HEAD) || text_ends_with(name, "wte.weight") || text_ends_with(name, "embed_in.weight") ||
           text_ends_with(name, "embed_out.weight");
}

/* The number behind ".layers." or ".h.", -1 outside the layers. */
static int64_t layer_of(const char *name)
{
    const char *at = strstr(name, "layers.");
    at = at && (at == name || at[-1] == '.') ? at + 7 : NULL;
    if (!at) {
        at = strstr(name, "h.");
        at = at && (at == name || at[-1] == '.') ? at + 2 : NULL;
    }
    if (!at || *at < '0' || *at > '9')
        return -1;
    char *end;
    long n = strtol(at, &end, 10);
    return *end == '.' && n < 100000 ? n : -1;
}

static const json_t *tied(const checkpoint *c)
{
    const json_t *text = json_object_get(c->config, "text_config"), *inner = json_object_get(text, "tie_word_embeddings");
    return inner ? inner : json_object_get(c->config, "tie_word_embeddings");
}

static const tensor *find_embedding(const checkpoint *c, const char **name)
{
    for (size_t i = 0; i < c->count; i++)
        if (text_ends_with(c->items[i].name, "embed_tokens.weight")) {
            *name = c->items[i].name;
            return &c->items[i].tensor;
        }
    return NULL;
}

/* Whether every source is tied and stores its embedding twice: then the copy is left out, as it is not to become something else. */
static bool all_tied(const recipe *r, checkpoint *const *models)
{
    for (size_t i = 0; i < r->n_models; i++) {
        const char *name;
        const tensor *head = checkpoint_find(models[i], HEAD), *embedding = find_embedding(models[i], &name);
        if (!json_is_true(tied(models[i])) || !embedding)
            return false;
        if (head && (head->dtype != embedding->dtype || !tensor_same_shape(head, embedding) ||
                     memcmp(head->data, embedding->data, tensor_bytes(head)) != 0))
            return false;
    }
    return true;
}

/* A tied model's head is its embedding. *read_as: the name that was found. */
static const tensor *find_source(const checkpoint *c, const char *name, const char **read_as)
{
    const tensor *t = checkpoint_find(c, name);
    *read_as = name;
    return t || !text_ends_with(name, HEAD) || json_is_false(tied(c)) ? t : find_embedding(c, read_as);
}

static enum dtype promote(enum dtype a, enum dtype b)
{
    return a == b ? a : DTYPE_F32;
}

static enum rounding rounding_of(enum dtype d)
{
    return d == DTYPE_F16 ? ROUND_F16 : d == DTYPE_BF16 ? ROUND_BF16 : ROUND_F32;
}

static int plan_copy(const recipe *r, checkpoint *const *models, merge_tensor *t, error *err)
{
    const tensor *first = t->sources[0];
    for (size_t i = 1; i < r->n_models; i++) {
        const tensor *other = t->sources[i];
        if (other->dtype != first->dtype || !tensor_same_shape(first, other) || memcmp(first->data, other->data, tensor_bytes(first)) != 0)
            return fail(err, ERROR_UNSUPPORTED, "'%s' is %s in %s and differs in %s; tensors of this type are only carried where all sources have the same",
                        t->name, dtype_name(first->dtype), models[0]->name, models[i]->name);
    }
    t->copy = true;
    return 0;
}

static int fail_vocabulary(const recipe *r, const merge_tensor *t, int64_t want, const char *whose, int64_t have, const char *other, error *err)
{
    if (r->tokenizer_base)
        return fail(err, ERROR_FORMAT, "'%s' has %lld rows in %s and only %lld in %s: rows can be cut to the base's, not made", t->name, (long long)want, whose,
                    (long long)have, other);
    return fail(err, ERROR_FORMAT, "'%s' has %lld rows in %s and %lld in %s; 'tokenizer_source: base' in the recipe cuts to the base's rows", t->name,
                (long long)want, whose, (long long)have, other);
}

static int plan_shape(const recipe *r, checkpoint *const *models, merge_tensor *t, tensor_plan *p, error *err)
{
    size_t whose = r->base >= 0 ? (size_t)r->base : 0;
    const tensor *model = t->sources[whose];
    t->shape = (tensor){.rank = model->rank};
    memcpy(t->shape.shape, model->shape, sizeof model->shape);
    for (size_t i = 0; i < r->n_models; i++) {
        const tensor *other = t->sources[i];
        if (tensor_same_shape(model, other))
            continue;
        char a[128], b[128];
        bool only_rows = model->rank == 2 && other->rank == 2 && model->shape[1] == other->shape[1] && is_vocabulary(t->name);
        if (!only_rows)
            return fail(err, ERROR_FORMAT, "'%s' is %s in %s and %s in %s: these models cannot be merged", t->name, tensor_shape_text(model, a), models[whose]->name,
                        tensor_shape_text(other, b), models[i]->name);
        if (!r->tokenizer_base || other->shape[0] < model->shape[0])
            return fail_vocabulary(r, t, model->shape[0], models[whose]->name, other->shape[0], models[i]->name, err);
        string_print(&p->notes, "%s: rows %lld to %lld of '%s' are dropped (tokenizer_source: base)\n", models[i]->name, (long long)model->shape[0],
                     (long long)other->shape[0] - 1, t->name);
    }
    t->rows = tensor_rows(&t->shape);
    t->columns = tensor_columns(&t->shape);
    t->count = tensor_count(&t->shape);
    if (t->columns > INT32_MAX)
        return fail(err, ERROR_LIMIT, "'%s' has rows of %lld elements, more than the limit of %d", t->name, (long long)t->columns, INT32_MAX);
    return 0;
}

static int plan_tensor(const recipe *r, checkpoint *const *models, const char *name, merge_tensor *t, tensor_plan *p, error *err)
{
    t->name = t->drawn_as = name;
    t->sources = memory_new(r->n_models, sizeof *t->sources);
    t->source_names = memory_new(r->n_models, sizeof *t->source_names);
    t->n_models = (int)r->n_models;
    t->base = r->base;
    t->slice = -1;
    bool computed = true;
    for (size_t i = 0; i < r->n_models; i++) {
        const char *read_as;
        t->sources[i] = find_source(models[i], name, &read_as);
        if (!t->sources[i])
            return fail(err, ERROR_FORMAT, "'%s' is not in %s, but in another of the sources: these models cannot be merged", name, models[i]->name);
        t->source_names[i] = read_as;
        if (i == 0 || strcmp(read_as, t->drawn_as) > 0)
            t->drawn_as = read_as;
        computed &= dtype_is_float(t->sources[i]->dtype);
    }
    if (!computed) {
        t->shape = *t->sources[0];
        t->shape.data = NULL;
        t->count = tensor_count(&t->shape);
        return plan_copy(r, models, t, err);
    }
    if (plan_shape(r, models, t, p, err) != 0)
        return -1;
    enum dtype d = t->sources[0]->dtype;
    for (size_t i = 1; i < r->n_models; i++)
        d = promote(d, t->sources[i]->dtype);
    if (r->dtype >= 0)
        d = (enum dtype)r->dtype;
    t->work = rounding_of(d);
    t->shape.dtype = r->out_dtype >= 0 ? (enum dtype)r->out_dtype : method_find(r->method)->wide ? DTYPE_F32 : d;
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static size_t collect_names(const checkpoint *c, const char **names, string *notes)
{
    size_t n = 0, tables = 0;
    const char *table = NULL;
    for (size_t k = 0; k < c->count; k++) {
        if (tensors_is_table(c->items[k].name)) {
            tables++;
            table = c->items[k].name;
        } else {
            names[n++] = c->items[k].name;
        }
    }
    if (tables)
        string_print(notes, "%s: %zu tables that the config implies are dropped, such as '%s'\n", c->name, tables, table);
    return n;
}

int tensors_plan(const recipe *r, checkpoint *const *models, tensor_plan *out, error *err)
{
    size_t total = 0, n = 0;
    *out = (tensor_plan){0};
    for (size_t i = 0; i < r->n_models; i++)
        total += models[i]->count;
    const char **names = memory_new(total, sizeof *names);
    for (size_t i = 0; i < r->n_models; i++)
        n += collect_names(models[i], names + n, &out->notes);
    qsort(names, n, sizeof *names, compare_names);
    out->items = memory_new(n, sizeof *out->items);
    int status = 0;
    bool drop_head = all_tied(r, models);
    for (size_t i = 0; i < n && status == 0; i++) {
        if ((i && strcmp(names[i], names[i - 1]) == 0) || (drop_head && strcmp(names[i], HEAD) == 0))
            continue;
        out->has_head |= text_ends_with(names[i], HEAD);
        status = plan_tensor(r, models, names[i], &out->items[out->count++], out, err);
        int64_t layer = layer_of(names[i]);
        out->layers = layer + 1 > out->layers ? layer + 1 : out->layers;
    }
    for (size_t i = 0; i < out->count; i++) {
        int64_t layer = layer_of(out->items[i].name);
        out->items[i].place = layer < 0 ? 0 : out->layers > 1 ? (double)layer / (double)(out->layers - 1) : 1;
    }
    if (status == 0 && r->slice_layers && r->slice_layers != out->layers)
        status = fail(err, ERROR_UNSUPPORTED, "slices of %lld of %lld layers: only slices over all layers of every model are merged so far",
                      (long long)r->slice_layers, (long long)out->layers);
    free(names);
    if (status != 0)
        tensors_free(out);
    return status;
}

void tensors_free(tensor_plan *p)
{
    for (size_t i = 0; i < p->count; i++) {
        free(p->items[i].sources);
        free(p->items[i].source_names);
    }
    free(p->items);
    free(p->notes.text);
    *p = (tensor_plan){0};
}
