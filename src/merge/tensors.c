#include "merge/tensors.h"

#include <stdlib.h>
#include <string.h>

#include "merge/method.h"
#include "merge/view.h"

#define MAX_TENSORS 1000000    /* as many as a file may hold */

typedef struct planner {
    const recipe *recipe;
    checkpoint *const *models;
    tensor_names **names;        /* [n_models] */
    int naming;
    const component *component;
    token_plan *tokens;
    struct layered { size_t *items, *begin; } *layered;   /* [n_models] places of the main layers' tensors by layer: items [begin[layer], begin[layer + 1]); owned */
    bool drop_head;              /* every source stores its tied embeddings twice */
    size_t capacity;
    tensor_plan *out;
} planner;

/* A place in a slice: which layer of the output, and its place in the slice's gradient. */
typedef struct place {
    int slice;
    int64_t layer, offset;       /* -1, 0: outside the main layers */
    double t;
} place;

bool tensors_is_table(const char *name)
{
    return text_ends_with(name, "rotary_emb.inv_freq") || text_ends_with(name, "attn.masked_bias") || text_ends_with(name, "attention.masked_bias") ||
           text_ends_with(name, "attention.bias") || (text_ends_with(name, ".attn.bias") && strstr(name, "h."));
}

/* ---- tied heads */

static const json_t *tied(const checkpoint *c)
{
    const json_t *text = json_object_get(c->config, "text_config"), *inner = json_object_get(text, "tie_word_embeddings");
    return inner ? inner : json_object_get(c->config, "tie_word_embeddings");
}

static bool same_data(const tensor *a, const tensor *b)
{
    return a->data && b->data && a->dtype == b->dtype && tensor_same_shape(a, b) && memcmp(a->data, b->data, tensor_bytes(a)) == 0;
}

/* Then the copy is left out, as it is not to become something else. */
static bool all_tied(const recipe *r, checkpoint *const *models)
{
    for (size_t i = 0; i < r->n_models; i++) {
        const checkpoint_item *head = names_head(models[i]), *embedding = names_embedding(models[i]);
        if (!json_is_true(tied(models[i])) || !embedding || (head && !same_data(&head->tensor, &embedding->tensor)))
            return false;
    }
    return true;
}

/* A tied model's head is its embedding. */
static const checkpoint_item *find_source(const checkpoint *c, const char *name)
{
    const checkpoint_item *item = checkpoint_find_item(c, name);
    return item || !names_is_head(name) || json_is_false(tied(c)) ? item : names_embedding(c);
}

/* ---- one tensor */

static enum dtype promote(enum dtype a, enum dtype b)
{
    return a == b ? a : DTYPE_F32;
}

static enum rounding rounding_of(enum dtype d)
{
    return d == DTYPE_F16 ? ROUND_F16 : d == DTYPE_BF16 ? ROUND_BF16 : ROUND_F32;
}

static int model_of(const recipe *r, int slice, int source)
{
    return slice < 0 ? source : r->slices[slice].sources[source].model;
}

static int source_count(const recipe *r, int slice)
{
    return (int)(slice < 0 ? r->n_models : r->slices[slice].n_sources);
}

static const char *model_name(const planner *p, const merge_tensor *t, int source)
{
    return p->models[model_of(p->recipe, t->slice, source)]->name;
}

static int plan_copy(const planner *p, merge_tensor *t, error *err)
{
    const tensor *first = t->sources[0];
    for (int i = 1; i < t->n_models; i++)
        if (!same_data(first, t->sources[i]))
            return fail(err, ERROR_UNSUPPORTED, "'%s' is %s in %s and differs in %s; tensors of this type are only carried where all sources have the same",
                        t->name, dtype_name(first->dtype), model_name(p, t, 0), model_name(p, t, i));
    t->shape = *first;
    t->shape.data = NULL;
    t->shape.maker = NULL;
    t->shape.owner = NULL;
    t->count = tensor_count(&t->shape);
    t->copy = true;
    return 0;
}

static int fail_vocabulary(const recipe *r, const merge_tensor *t, int64_t want, const char *whose, int64_t have, const char *other, bool seeing, error *err)
{
    if (seeing && !r->language_only)
        return fail(err, ERROR_FORMAT, "'%s' has %lld rows in %s and %lld in %s, and one of them also sees: 'component: language_model' in the recipe merges what both have", t->name,
                    (long long)want, whose, (long long)have, other);
    if (r->tokenizer.source == TOKENIZER_BASE)
        return fail(err, ERROR_FORMAT, "'%s' has %lld rows in %s and only %lld in %s: rows can be cut to the base's, not made", t->name, (long long)want, whose,
                    (long long)have, other);
    return fail(err, ERROR_FORMAT, "'%s' has %lld rows in %s and %lld in %s; 'tokenizer_source: base' in the recipe puts the others' rows where "
                "the base has the same tokens, 'tokenizer_source: union' keeps the tokens of all", t->name, (long long)want, whose, (long long)have, other);
}

/* Rows that the others lack stay the frame's. */
static int plan_shared_rows(planner *p, merge_tensor *t, error *err)
{
    const tensor *frame = checkpoint_find(p->models[p->naming], t->name);
    char a[128], b[128];
    for (int i = 0; frame && i < t->n_models; i++)
        if (t->sources[i]->rank != 2 || t->sources[i]->shape[1] != frame->shape[1] || t->sources[i]->shape[0] < p->component->rows)
            return fail(err, ERROR_FORMAT, "'%s' is %s in %s and %s in %s: these models cannot be merged", t->name, tensor_shape_text(frame, a), p->models[p->naming]->name,
                        tensor_shape_text(t->sources[i], b), model_name(p, t, i));
    t->shape = (tensor){.rank = 2, .shape = {frame ? frame->shape[0] : p->component->rows, t->sources[0]->shape[1]}};
    t->rows = p->component->rows;
    t->columns = t->shape.shape[1];
    t->rest = t->rows < t->shape.shape[0] ? frame : NULL;
    return 0;
}

static bool shares_rows(const planner *p, const merge_tensor *t)
{
    return p->component->rows >= 0 && names_is_vocabulary(t->name) && t->sources[0]->rank == 2;
}

static int plan_same_shape(planner *p, merge_tensor *t, error *err)
{
    int whose = t->base >= 0 ? t->base : 0;
    const tensor *model = t->sources[whose];
    t->shape = (tensor){.rank = model->rank};
    memcpy(t->shape.shape, model->shape, sizeof model->shape);
    for (int i = 0; i < t->n_models; i++) {
        const tensor *other = t->sources[i];
        if (tensor_same_shape(model, other))
            continue;
        char a[128], b[128];
        bool only_rows = model->rank == 2 && other->rank == 2 && model->shape[1] == other->shape[1] && names_is_vocabulary(t->name);
        if (!only_rows)
            return fail(err, ERROR_FORMAT, "'%s' is %s in %s and %s in %s: these models cannot be merged", t->name, tensor_shape_text(model, a),
                        model_name(p, t, whose), tensor_shape_text(other, b), model_name(p, t, i));
        if (p->recipe->tokenizer.source != TOKENIZER_BASE || other->shape[0] < model->shape[0])
            return fail_vocabulary(p->recipe, t, model->shape[0], model_name(p, t, whose), other->shape[0], model_name(p, t, i),
                                   names_sees(p->models[model_of(p->recipe, t->slice, whose)]) != names_sees(p->models[model_of(p->recipe, t->slice, i)]), err);
        string_print(&p->out->notes, "%s: rows %lld to %lld of '%s' are dropped (tokenizer_source: base)\n", model_name(p, t, i), (long long)model->shape[0],
                     (long long)other->shape[0] - 1, t->name);
    }
    t->rows = tensor_rows(&t->shape);
    t->columns = tensor_columns(&t->shape);
    return 0;
}

static int plan_shape(planner *p, merge_tensor *t, error *err)
{
    if ((shares_rows(p, t) ? plan_shared_rows : plan_same_shape)(p, t, err) != 0)
        return -1;
    t->count = t->rest ? t->rows * t->columns : tensor_count(&t->shape);
    if (t->columns > INT32_MAX)
        return fail(err, ERROR_LIMIT, "'%s' has rows of %lld elements, more than the limit of %d", t->name, (long long)t->columns, INT32_MAX);
    return 0;
}

static int find_sources(const planner *p, merge_tensor *t, const place *at, const char *rest, error *err)
{
    const recipe *r = p->recipe;
    for (int i = 0; i < t->n_models; i++) {
        int model = model_of(r, at->slice, i);
        char *name = at->layer < 0 ? view_translate(p->names[p->naming], p->names[model], p->models[model], t->name)
                                   : view_layer_name(p->names[model], r->slices[at->slice].sources[i].first + at->offset, rest);
        const checkpoint_item *item = find_source(p->models[model], name);
        if (!item)
            fail(err, ERROR_FORMAT, "'%s' is not in %s, but in another of the sources: %s", name, p->models[model]->name,
                 names_part_of(name) == NAMES_LANGUAGE ? "these models cannot be merged" : "'component: language_model' in the recipe merges what both have");
        free(name);
        if (!item)
            return -1;
        t->sources[i] = &item->tensor;
        t->source_names[i] = item->name;
        if (i == 0 || strcmp(item->name, t->drawn_as) > 0)
            t->drawn_as = item->name;
    }
    return 0;
}

static int base_of(const recipe *r, int slice)
{
    if (slice < 0)
        return r->base;
    for (size_t i = 0; r->slices[slice].base >= 0 && i < r->slices[slice].n_sources; i++)
        if (r->slices[slice].sources[i].model == r->slices[slice].base)
            return (int)i;
    return -1;
}

static merge_tensor *add_tensor(planner *p, char *name, int n_models)
{
    tensor_plan *out = p->out;
    if (out->count == p->capacity) {
        p->capacity = p->capacity ? 2 * p->capacity : 512;
        out->items = memory_grow(out->items, p->capacity, sizeof *out->items);
    }
    merge_tensor *t = &out->items[out->count++];
    *t = (merge_tensor){.name = name, .n_models = n_models, .base = -1, .slice = -1};
    t->sources = memory_new((size_t)n_models, sizeof *t->sources);
    t->source_names = memory_new((size_t)n_models, sizeof *t->source_names);
    return t;
}

/* Vocabularies become those of the merge's tokenizer, where it has one. */
static int align_rows(planner *p, merge_tensor *t, enum dtype d, error *err)
{
    if (!p->tokens->file || !names_is_vocabulary(t->name) || t->sources[0]->rank != 2)
        return 0;
    int *model = memory_new((size_t)t->n_models, sizeof *model);
    for (int i = 0; i < t->n_models; i++)
        model[i] = model_of(p->recipe, t->slice, i);
    int status = tokens_gather(p->tokens, &(token_group){.name = t->name, .model = model, .n = t->n_models, .base = t->base, .dtype = d}, t->sources, err);
    free(model);
    return status;
}

/* Takes the name over. rest: behind the layer's number, where at->layer says that there is one. */
static int plan_tensor(planner *p, char *name, const place *at, const char *rest, error *err)
{
    const recipe *r = p->recipe;
    if (p->out->count == MAX_TENSORS) {
        free(name);
        return fail(err, ERROR_LIMIT, "the recipe makes more than the limit of %d tensors", MAX_TENSORS);
    }
    merge_tensor *t = add_tensor(p, name, source_count(r, at->slice));
    bool computed = true;
    t->base = base_of(r, at->slice);
    t->slice = at->slice;
    t->place = at->t;
    if (find_sources(p, t, at, rest, err) != 0)
        return -1;
    for (int i = 0; i < t->n_models; i++)
        computed &= dtype_is_float(t->sources[i]->dtype);
    if (!computed)
        return plan_copy(p, t, err);
    enum dtype d = t->sources[0]->dtype;
    for (int i = 1; i < t->n_models; i++)
        d = promote(d, t->sources[i]->dtype);
    if (r->dtype >= 0)
        d = (enum dtype)r->dtype;
    if (align_rows(p, t, d, err) != 0 || plan_shape(p, t, err) != 0)
        return -1;
    t->work = rounding_of(d);
    t->shape.dtype = r->out_dtype >= 0 ? (enum dtype)r->out_dtype : method_find(r->method)->wide ? DTYPE_F32 : d;
    return 0;
}

/* ---- lists of names */

typedef struct names_list { char **items; size_t count, capacity; } names_list;   /* owned */

static void list_add(names_list *l, char *name)
{
    if (l->count == l->capacity) {
        l->capacity = l->capacity ? 2 * l->capacity : 512;
        l->items = memory_grow(l->items, l->capacity, sizeof *l->items);
    }
    l->items[l->count++] = name;
}

static void list_free(names_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->items[i]);
    free(l->items);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, each once. */
static void list_settle(names_list *l)
{
    size_t kept = 0;
    if (l->count)
        qsort(l->items, l->count, sizeof *l->items, compare_names);
    for (size_t i = 0; i < l->count; i++) {
        if (kept && strcmp(l->items[i], l->items[kept - 1]) == 0)
            free(l->items[i]);
        else
            l->items[kept++] = l->items[i];
    }
    l->count = kept;
}

/* ---- views */

static bool claims(const planner *p, const merge_view *v, int model, const char *name)
{
    const recipe *r = p->recipe;
    if (v->module < 0)
        return p->component->frame < 0 || view_has("language_model", p->names[model], name);
    if (!view_has(r->modules[v->module].name, p->names[model], name))
        return false;
    for (size_t i = 0; strcmp(r->modules[v->module].name, "default") == 0 && i < r->n_modules; i++)
        if ((int)i != v->module && view_has(r->modules[i].name, p->names[model], name))
            return false;
    return true;
}

static bool in_main(const tensor_names *names, const char *name, int64_t *layer, const char **rest)
{
    return names_main(names) && names_layer(names, name, layer, rest) == names_main(names);
}

/* Adds what the models of a slice have outside the sliced layers, in the naming model's words. */
static void collect(const planner *p, const merge_view *v, int slice, bool layers_too, names_list *l)
{
    for (int k = 0; k < source_count(p->recipe, slice); k++) {
        int model = model_of(p->recipe, slice, k);
        const checkpoint *c = p->models[model];
        for (size_t i = 0; i < c->count; i++) {
            int64_t layer;
            const char *name = c->items[i].name, *rest;
            if (tensors_is_table(name) || !claims(p, v, model, name) || (p->drop_head && names_is_head(name)) ||
                (!layers_too && in_main(p->names[model], name, &layer, &rest)))
                continue;
            list_add(l, view_translate(p->names[model], p->names[p->naming], p->models[p->naming], name));
        }
    }
    list_settle(l);
}

/* The gradient's t of a tensor that no slice shifts: its layer's place in its family in the first source, as the naming model may be none of them
 * and have fewer layers. */
static double own_place(const planner *p, int slice, const char *name)
{
    int model = model_of(p->recipe, slice, 0);
    char *own = view_translate(p->names[p->naming], p->names[model], p->models[model], name);
    int64_t layer;
    const char *rest;
    const tensor_family *f = names_layer(p->names[model], own, &layer, &rest);
    free(own);
    return !f ? 0 : f->layers > 1 ? (double)layer / (double)(f->layers - 1) : 1;
}

static int plan_names(planner *p, names_list *l, int slice, error *err)
{
    for (size_t i = 0; i < l->count; i++) {
        char *name = l->items[i];
        l->items[i] = NULL;
        place at = {.slice = slice, .layer = -1, .t = own_place(p, slice, name)};
        if (plan_tensor(p, name, &at, NULL, err) != 0)
            return -1;
    }
    return 0;
}

static int check_layers(const planner *p, int slice, error *err)
{
    const recipe_slice *s = &p->recipe->slices[slice];
    for (size_t k = 0; k < s->n_sources; k++) {
        const recipe_source *source = &s->sources[k];
        const tensor_family *main = names_main(p->names[source->model]);
        if (!main)
            return fail(err, ERROR_FORMAT, "%s has no numbered layers to slice; 'merganser: {layers: NAME.%%d}' in the recipe says where they are", p->models[source->model]->name);
        if (source->end > main->layers)
            return fail(err, ERROR_FORMAT, "slice %d wants layers [%lld, %lld) of %s, which has %lld", slice + 1, (long long)source->first, (long long)source->end,
                        p->models[source->model]->name, (long long)main->layers);
    }
    return 0;
}

/* Which tensors each main layer of a model has. */
static void sort_layers(const planner *p, int model)
{
    const checkpoint *c = p->models[model];
    const tensor_family *main = names_main(p->names[model]);
    struct layered *l = &p->layered[model];
    if (l->begin || !main)
        return;
    l->items = memory_new(c->count, sizeof *l->items);
    l->begin = memory_new((size_t)main->layers + 2, sizeof *l->begin);
    for (int pass = 0; pass < 2; pass++) {          /* counted two places on, then put where the count before ends, which moves it one place on */
        for (size_t i = 0; i < c->count; i++) {
            int64_t layer;
            const char *rest;
            if (tensors_is_table(c->items[i].name) || !in_main(p->names[model], c->items[i].name, &layer, &rest))
                continue;
            if (pass == 0)
                l->begin[layer + 2]++;
            else
                l->items[l->begin[layer + 1]++] = i;
        }
        for (int64_t k = 1; pass == 0 && k <= main->layers + 1; k++)
            l->begin[k] += l->begin[k - 1];
    }
}

static int plan_layers(planner *p, int slice, int64_t *next, error *err)
{
    const recipe_slice *s = &p->recipe->slices[slice];
    int64_t n = s->sources[0].end - s->sources[0].first;
    int status = check_layers(p, slice, err);
    for (size_t k = 0; k < s->n_sources && status == 0; k++)
        sort_layers(p, s->sources[k].model);
    for (int64_t offset = 0; offset < n && status == 0; offset++, (*next)++) {
        place at = {.slice = slice, .layer = *next, .offset = offset, .t = n > 1 ? (double)offset / (double)(n - 1) : 1};
        names_list rests = {0};
        for (size_t k = 0; k < s->n_sources; k++) {
            int model = s->sources[k].model;
            int64_t wanted = s->sources[k].first + offset, layer;
            const struct layered *l = &p->layered[model];
            const char *rest;
            for (size_t i = l->begin[wanted]; i < l->begin[wanted + 1]; i++)
                if (in_main(p->names[model], p->models[model]->items[l->items[i]].name, &layer, &rest))
                    list_add(&rests, memory_text(rest));
        }
        list_settle(&rests);
        for (size_t i = 0; i < rests.count && status == 0; i++)
            status = plan_tensor(p, view_layer_name(p->names[p->naming], *next, rests.items[i]), &at, rests.items[i], err);
        list_free(&rests);
    }
    return status;
}

static void keep(names_list *l, bool behind)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->count; i++) {
        if (view_is_behind(l->items[i]) == behind)
            l->items[kept++] = l->items[i];
        else
            free(l->items[i]);
    }
    l->count = kept;
}

static int plan_view(planner *p, const merge_view *v, error *err)
{
    names_list before = {0}, behind = {0};
    int64_t next = 0;
    int status;
    collect(p, v, v->first, v->whole, &before);
    if (v->whole) {
        status = plan_names(p, &before, v->first, err);
    } else {
        collect(p, v, v->last, false, &behind);
        keep(&before, false);
        keep(&behind, true);
        status = plan_names(p, &before, v->first, err);
        for (int s = v->first; s <= v->last && status == 0; s++)
            status = plan_layers(p, s, &next, err);
        if (status == 0)
            status = plan_names(p, &behind, v->last, err);
    }
    list_free(&before);
    list_free(&behind);
    return status;
}

/* What no module of the recipe claims goes into the output as the naming model has it. */
static int plan_unclaimed(planner *p, const merge_view *views, size_t n, error *err)
{
    const checkpoint *c = p->models[p->naming];
    size_t carried = 0;
    const char *example = NULL;
    for (size_t i = 0; i < c->count; i++) {
        const char *name = c->items[i].name;
        bool claimed = tensors_is_table(name) || (p->drop_head && names_is_head(name));
        for (size_t k = 0; k < n && !claimed; k++)
            claimed = claims(p, &views[k], p->naming, name);
        if (claimed)
            continue;
        if (p->tokens->file && names_is_vocabulary(name))
            return fail(err, ERROR_FORMAT, "'%s' is outside the recipe's modules: its rows cannot become those of the merge's tokenizer", name);
        merge_tensor *t = add_tensor(p, memory_text(name), 1);
        t->sources[0] = &c->items[i].tensor;
        t->source_names[0] = t->drawn_as = name;
        if (plan_copy(p, t, err) != 0)
            return -1;
        example = name;
        carried++;
    }
    if (carried)
        string_print(&p->out->notes, "%s: %zu tensors outside %s are carried as they are, such as '%s'\n", c->name, carried,
                     p->component->frame < 0 ? "the recipe's modules" : "the language part", example);
    return 0;
}

static void note_tables(const checkpoint *c, string *notes)
{
    size_t tables = 0;
    const char *table = NULL;
    for (size_t k = 0; k < c->count; k++)
        if (tensors_is_table(c->items[k].name)) {
            tables++;
            table = c->items[k].name;
        }
    if (tables)
        string_print(notes, "%s: %zu tables that the config implies are dropped, such as '%s'\n", c->name, tables, table);
}

static int by_output_name(const void *a, const void *b)
{
    return strcmp(((const merge_tensor *)a)->name, ((const merge_tensor *)b)->name);
}

static int settle(tensor_plan *out, error *err)
{
    if (out->count)
        qsort(out->items, out->count, sizeof *out->items, by_output_name);
    for (size_t i = 0; i < out->count; i++) {
        out->has_head |= names_is_head(out->items[i].name);
        if (i && strcmp(out->items[i].name, out->items[i - 1].name) == 0)
            return fail(err, ERROR_FORMAT, "two modules of the recipe make '%s'", out->items[i].name);
    }
    return out->count ? 0 : fail(err, ERROR_FORMAT, "the recipe makes no tensors");
}

int tensors_plan(const recipe *r, checkpoint *const *models, int naming, const component *part, token_plan *tokens, tensor_plan *out, error *err)
{
    planner p = {.recipe = r, .models = models, .naming = naming, .component = part, .tokens = tokens, .drop_head = all_tied(r, models), .out = out};
    merge_view *views;
    size_t n = views_of(r, &views);
    int status = 0;
    *out = (tensor_plan){0};
    p.names = memory_new(r->n_models, sizeof *p.names);
    p.layered = memory_new(r->n_models, sizeof *p.layered);
    for (size_t i = 0; i < r->n_models; i++) {
        p.names[i] = names_read(models[i], r->layers);
        note_tables(models[i], &out->notes);
    }
    for (size_t i = 0; i < n && status == 0; i++)
        status = plan_view(&p, &views[i], err);
    if (status == 0)
        status = plan_unclaimed(&p, views, n, err);
    if (status == 0)
        status = settle(out, err);
    for (size_t i = 0; i < r->n_models; i++) {
        names_free(p.names[i]);
        free(p.layered[i].items);
        free(p.layered[i].begin);
    }
    free(p.layered);
    free(p.names);
    free(views);
    if (status != 0)
        tensors_free(out);
    return status;
}

void tensors_free(tensor_plan *p)
{
    for (size_t i = 0; i < p->count; i++) {
        free((char *)p->items[i].name);
        free(p->items[i].sources);
        free(p->items[i].source_names);
    }
    free(p->items);
    free(p->notes.text);
    *p = (tensor_plan){0};
}
