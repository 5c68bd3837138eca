#include "merge/fold.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "merge/tensors.h"
#include "model/architecture.h"
#include "model/plan.h"

#define BLOCK ((size_t)4096)

typedef struct part {
    char *name;                 /* in the folded model; owned */
    const tensor *from;
    float scale;
    float offset;               /* what is scaled is the stored number + offset */
} part;

typedef struct parts {
    part *items;                /* [count] */
    size_t count, capacity;
} parts;

/* Lists of the config with one entry a layer. */
static const char *const layer_lists[] = {"layer_types"};

static const json_t *text_config(const json_t *config)
{
    const json_t *nested = json_object_get(config, "text_config");
    return json_is_object(nested) ? nested : config;
}

static const architecture *architecture_of(const model_config *c)
{
    return architecture_find(c->type, NULL);
}

/* ---- whether it can be */

/* What one config cannot say of both, first field first; "" where it can. */
static void first_difference(const model_config *first, const model_config *other, char out[256])
{
    model_config c = *other;
    /* These are the first source's or the path's, whatever the other says. */
    c.layers = first->layers;
    memcpy(c.sliding, first->sliding, sizeof c.sliding);
    c.max_positions = first->max_positions;
    c.tied = first->tied;
    if (c.rope.kind == ROPE_LINEAR)
        c.rope.original_positions = first->rope.original_positions;
    config_differences(first, &c, out, 256);
    out[strcspn(out, ";")] = '\0';
}

static int check_configs(checkpoint *const *sources, const layer_path *p, const plan *whole, error *err)
{
    char difference[256];
    for (size_t i = 0; i < p->n_hops; i++) {
        int source = p->hops[i].source;
        first_difference(&whole->configs[0], &whole->configs[source], difference);
        if (difference[0])
            return fail(err, ERROR_UNSUPPORTED, "%s and %s cannot be folded into one model, which has one config: %s; the path itself runs as it is",
                        sources[0]->name, sources[source]->name, difference);
    }
    return 0;
}

/* Side by side, attention and MLP put out one sum, which no tensor alone gives. */
static int check_scales(checkpoint *const *sources, const layer_path *p, const plan *whole, error *err)
{
    for (size_t i = 0; i + 1 < p->n_hops; i++)
        if (p->hops[i + 1].scale != 1 && whole->configs[p->hops[i].source].parallel)
            return fail(err, ERROR_UNSUPPORTED,
                        "%s: the scale %g of hop %zu cannot be folded: the hop before it is %s with parallel residual, whose attention and MLP put out one "
                        "sum; the path itself runs as it is",
                        sources[p->hops[i].source]->name, p->hops[i + 1].scale, i + 1, whole->configs[p->hops[i].source].type);
    return 0;
}

/* The entry for one hop, NULL and *err where its model has none. */
static const json_t *list_entry(const checkpoint *c, const char *key, const path_hop *h, error *err)
{
    const json_t *entry = json_array_get(json_object_get(text_config(c->config), key), (size_t)h->layer);
    if (!entry)
        fail(err, ERROR_FORMAT, "%s: the config's %s says nothing of layer %d, and another model of the path has such a list", c->name, key, h->layer);
    return entry;
}

static bool has_list(checkpoint *const *sources, const layer_path *p, const char *key)
{
    bool found = json_is_array(json_object_get(text_config(sources[0]->config), key));
    for (size_t i = 0; i < p->n_hops; i++)
        found = found || json_is_array(json_object_get(text_config(sources[p->hops[i].source]->config), key));
    return found;
}

static int set_lists(json_t *text, checkpoint *const *sources, const layer_path *p, error *err)
{
    for (size_t k = 0; k < sizeof layer_lists / sizeof *layer_lists; k++) {
        if (!has_list(sources, p, layer_lists[k]))
            continue;
        json_t *list = json_array();
        for (size_t i = 0; i < p->n_hops; i++) {
            const json_t *entry = list_entry(sources[p->hops[i].source], layer_lists[k], &p->hops[i], err);
            if (!entry) {
                json_decref(list);
                return -1;
            }
            json_array_append(list, (json_t *)entry);
        }
        json_object_set_new(text, layer_lists[k], list);
    }
    return 0;
}

/* layer_types where the engine goes by it: each hop as it runs, whether its model's config lists that or leaves it to the model type. */
static void set_windows(json_t *text, const plan *whole)
{
    json_t *list = json_array();
    for (int i = 0; i < whole->n_hops; i++)
        json_array_append_new(list, json_string(whole->hops[i].window ? "sliding_attention" : "full_attention"));
    json_object_set_new(text, "layer_types", list);
}

static bool has_own_windows(const model_config *c)
{
    const architecture *a = architecture_of(c);
    return (a->window == WINDOW_LAYERS || a->window == WINDOW_SWITCHED) && c->window > 0;
}

/* The first source's config with the path's lists and the least positions of the models on it; json_decref it. */
static json_t *path_config(checkpoint *const *sources, const layer_path *p, const plan *whole, error *err)
{
    json_t *config = json_deep_copy(sources[0]->config), *text = (json_t *)text_config(config);
    if (whole->config.max_positions != whole->configs[0].max_positions)
        json_object_set_new(text, architecture_key(architecture_of(&whole->config), "max_position_embeddings"), json_integer(whole->config.max_positions));
    if (has_own_windows(&whole->configs[0])) {
        set_windows(text, whole);
        return config;
    }
    if (set_lists(text, sources, p, err) == 0)
        return config;
    json_decref(config);
    return NULL;
}

/* The path bound to its sources, and the config that the folded model gets: NULL and *err where one config cannot say it all. */
static plan *bind_path(checkpoint *const *sources, const layer_path *p, json_t **config, error *err)
{
    *config = NULL;
    if (p->n_hops == 0) {
        fail(err, ERROR_USAGE, "%s: a path without hops is no model", p->file ? p->file : "the path");
        return NULL;
    }
    plan *whole = plan_build_path(sources, p, err);
    if (whole && check_configs(sources, p, whole, err) == 0 && check_scales(sources, p, whole, err) == 0)
        *config = path_config(sources, p, whole, err);
    if (*config)
        return whole;
    plan_free(whole);
    return NULL;
}

bool fold_possible(checkpoint *const *sources, const layer_path *p, error *err)
{
    json_t *config;
    plan *whole = bind_path(sources, p, &config, err);
    bool possible = whole != NULL;
    plan_free(whole);
    json_decref(config);
    return possible;
}

/* ---- which tensors */

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* "model.layers." of "model.layers.%d.mlp.down_proj.weight", as the model spells it; free() it. */
static char *layers_of(const checkpoint *c, const architecture *a)
{
    char *pattern = memory_print("%.*s", (int)(strstr(a->down, "%d") - a->down), a->down), *name = plan_name(c, a, pattern, 0);
    free(pattern);
    return name;
}

/* Whether `name` is `pattern` with digits for each %d. */
static bool fits_pattern(const char *name, const char *pattern)
{
    while (*pattern) {
        if (strncmp(pattern, "%d", 2) == 0) {
            size_t digits = strspn(name, "0123456789");
            if (digits == 0)
                return false;
            name += digits;
            pattern += 2;
        } else if (*name++ != *pattern++) {
            return false;
        }
    }
    return *name == '\0';
}

static void add_part(parts *list, char *name, const tensor *from, float scale, float offset)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 256;
        list->items = memory_grow(list->items, list->capacity, sizeof *list->items);
    }
    list->items[list->count++] = (part){.name = name, .from = from, .scale = scale, .offset = offset};
}

/* Whatever of the first source is no layer. Its stored head is left out where the config ties it: then it is the embeddings. */
static void add_ends(parts *list, const checkpoint *c, const model_config *config, float scale)
{
    const architecture *a = architecture_of(config);
    char *layers = layers_of(c, a), *embedding = plan_name(c, a, a->embedding, 0), *head = plan_name(c, a, a->head, 0),
         *positions = a->positions ? plan_name(c, a, a->positions, 0) : memory_text("");
    for (size_t i = 0; i < c->count; i++) {
        const char *name = c->items[i].name;
        bool again = config->tied && strcmp(name, head) == 0;
        if (!begins_with(name, layers) && !tensors_is_table(name) && !again)
            add_part(list, memory_text(name), &c->items[i].tensor, strcmp(name, embedding) == 0 || strcmp(name, positions) == 0 ? scale : 1, 0);
    }
    if (config->tied && scale != 1)
        add_part(list, memory_text(head), checkpoint_find(c, embedding), 1, 0);
    free(positions);
    free(head);
    free(embedding);
    free(layers);
}

/* The tensors of one layer become those of layer `hop`; its last linear factor, all experts' of it, and its bias are scaled. */
static void add_hop(parts *list, const checkpoint *c, const model_config *config, int layer, const char *layers, size_t hop, float scale)
{
    const architecture *a = architecture_of(config);
    const char *weight = strstr(architecture_last(a), "%d.") + 3;
    const float offset = a->mlp_post_norm ? (float)config->norm_offset : 0;
    char *own = layers_of(c, a), *start = memory_print("%s%d.", own, layer), *bias = memory_print("%.*sbias", (int)(strlen(weight) - strlen("weight")), weight);
    for (size_t i = 0; i < c->count; i++) {
        const char *name = c->items[i].name, *rest = name + strlen(start);
        if (!begins_with(name, start) || tensors_is_table(name))
            continue;
        bool last = fits_pattern(rest, weight) || fits_pattern(rest, bias);
        add_part(list, memory_print("%s%zu.%s", layers, hop, rest), &c->items[i].tensor, last ? scale : 1, last ? offset : 0);
    }
    free(bias);
    free(start);
    free(own);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const part *)a)->name, ((const part *)b)->name);
}

static void collect(parts *list, checkpoint *const *sources, const layer_path *p, const plan *whole)
{
    char *layers = layers_of(sources[0], architecture_of(&whole->configs[0]));
    add_ends(list, sources[0], &whole->configs[0], (float)p->hops[0].scale);
    for (size_t i = 0; i < p->n_hops; i++) {
        int source = p->hops[i].source;
        float next = i + 1 < p->n_hops ? (float)p->hops[i + 1].scale : 1;
        add_hop(list, sources[source], &whole->configs[source], p->hops[i].layer, layers, i, next);
    }
    free(layers);
    qsort(list->items, list->count, sizeof *list->items, by_name);
}

/* ---- filling them */

struct filling { const part *parts; const checkpoint_item *items; };

static void fill(void *context, size_t i)
{
    const struct filling *f = context;
    const tensor *from = f->parts[i].from, *to = &f->items[i].tensor;
    float scale = f->parts[i].scale, offset = f->parts[i].offset, x[BLOCK];
    size_t count = (size_t)tensor_count(from);
    if (from->dtype == to->dtype && scale == 1) {
        if (count)
            memcpy(to->data, from->data, tensor_bytes(from));
        return;
    }
    for (size_t at = 0, n; at < count; at += n) {
        n = count - at < BLOCK ? count - at : BLOCK;
        dtype_to_f32(from->dtype, (const char *)from->data + at * dtype_size(from->dtype), x, n);
        for (size_t k = 0; k < n; k++)
            x[k] = offset != 0 ? scale * (x[k] + offset) - offset : scale * x[k];
        dtype_from_f32(to->dtype, x, (char *)to->data + at * dtype_size(to->dtype), n);
    }
}

static checkpoint *allocate(const parts *list, const checkpoint *first, json_t *config, const layer_path *p, const fold_options *options, error *err)
{
    const int dtype = options->dtype;
    uint64_t bytes = 0;
    char wanted[32], allowed[32];
    checkpoint *c = NULL;
    checkpoint_item *items = memory_new(list->count, sizeof *items);
    for (size_t i = 0; i < list->count; i++) {
        items[i] = (checkpoint_item){.name = list->items[i].name, .tensor = *list->items[i].from};
        if (dtype >= 0 && dtype_is_float(items[i].tensor.dtype))
            items[i].tensor.dtype = (enum dtype)dtype;
        bytes += tensor_bytes(&items[i].tensor);
    }
    const char *name = p->file ? p->file : "the folded path";
    if (options->memory && bytes > options->memory)
        fail(err, ERROR_MEMORY, "%s: the folded model takes %s of memory (%llu bytes), and --memory leaves %s", name, progress_bytes(wanted, (double)bytes),
             (unsigned long long)bytes, progress_bytes(allowed, (double)options->memory));
    else
        c = checkpoint_new(name, first->folder, config, items, list->count, err);
    free(items);
    return c;
}

static int fit_config(checkpoint *c, error *err)
{
    json_t *fitting = checkpoint_config(c, err);
    if (!fitting)
        return -1;
    json_decref(c->config);
    c->config = fitting;
    return 0;
}

static int check_sources(checkpoint *const *sources, const layer_path *p, error *err)
{
    for (size_t i = 0; i < p->n_sources; i++)
        if (checkpoint_check(sources[i], err) != 0)
            return -1;
    return 0;
}

checkpoint *fold_path(checkpoint *const *sources, const layer_path *p, const fold_options *options, error *err)
{
    const fold_options none = {.dtype = -1}, *o = options ? options : &none;
    parts list = {0};
    checkpoint *c = NULL;
    json_t *config;
    int status = -1;
    plan *whole = bind_path(sources, p, &config, err);
    if (!whole)
        goto done;
    collect(&list, sources, p, whole);
    c = allocate(&list, sources[0], config, p, o, err);
    if (!c)
        goto done;
    threads_run(o->pool, c->count, fill, &(struct filling){list.items, c->items});
    if (check_sources(sources, p, err) == 0 && fit_config(c, err) == 0)
        status = checkpoint_check_finite(c, o->pool, err);
done:
    for (size_t i = 0; i < list.count; i++)
        free(list.items[i].name);
    free(list.items);
    json_decref(config);
    plan_free(whole);
    if (status == 0)
        return c;
    checkpoint_free(c);
    return NULL;
}
