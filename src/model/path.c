#include "model/path.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

layer_path *path_new(void)
{
    return memory_new(1, sizeof(layer_path));
}

void path_free(layer_path *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n_sources; i++) {
        free(p->sources[i].name);
        free(p->sources[i].model);
        free(p->sources[i].digest);
    }
    free(p->sources);
    free(p->hops);
    free(p->file);
    free(p);
}

int path_add_source(layer_path *p, const char *name, const char *model)
{
    p->sources = memory_grow(p->sources, p->n_sources + 1, sizeof *p->sources);
    p->sources[p->n_sources] = (path_source){.name = memory_text(name), .model = memory_text(model)};
    return (int)p->n_sources++;
}

void path_add_hop(layer_path *p, int source, int layer, double scale)
{
    p->hops = memory_grow(p->hops, p->n_hops + 1, sizeof *p->hops);
    p->hops[p->n_hops++] = (path_hop){.source = source, .layer = layer, .scale = scale};
}

void path_add_layers(layer_path *p, int source, int first, int end)
{
    for (int layer = first; layer < end; layer++)
        path_add_hop(p, source, layer, 1);
}

layer_path *path_copy(const layer_path *p)
{
    layer_path *copy = path_new();
    for (size_t i = 0; i < p->n_sources; i++) {
        path_add_source(copy, p->sources[i].name, p->sources[i].model);
        copy->sources[i].digest = memory_text(p->sources[i].digest);
    }
    for (size_t i = 0; i < p->n_hops; i++)
        path_add_hop(copy, p->hops[i].source, p->hops[i].layer, p->hops[i].scale);
    copy->file = memory_text(p->file);
    return copy;
}

/* ---- reading */

int path_find_source(const layer_path *p, const char *name)
{
    for (size_t i = 0; i < p->n_sources; i++)
        if (strcmp(p->sources[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* The index of the source that `v` names, or -1 and an error with the nearest name. */
static int want_source(const layer_path *p, const yaml_value *v, const char *name, error *err)
{
    int index = path_find_source(p, name);
    if (index >= 0)
        return index;
    const char **names = memory_new(p->n_sources + 1, sizeof *names);
    for (size_t i = 0; i < p->n_sources; i++)
        names[i] = p->sources[i].name;
    const char *near = text_nearest(name, names);
    yaml_fail(err, v, "'%s' is not one of the sources%s%s%s", name, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    free(names);
    return -1;
}

static int read_sources(layer_path *p, const yaml_value *map, error *err)
{
    if (!map || map->kind != YAML_MAP || map->count == 0)
        return map ? yaml_fail(err, map, "sources should be a map of names to models") : -1;
    if (map->count > PATH_MAX_SOURCES)
        return yaml_fail(err, map, "%zu sources, more than the limit of %d", map->count, PATH_MAX_SOURCES);
    for (size_t i = 0; i < map->count; i++) {
        const char *model = NULL;
        if (yaml_text(map->items[i], &model, err) != 0)
            return -1;
        if (!map->keys[i][0] || !model || !model[0])
            return yaml_fail(err, map->items[i], "source '%s' has no model", map->keys[i]);
        path_add_source(p, map->keys[i], model);
    }
    return 0;
}

static int read_digests(layer_path *p, const yaml_value *map, error *err)
{
    if (!map || map->kind == YAML_NULL)
        return 0;
    if (map->kind != YAML_MAP)
        return yaml_fail(err, map, "digests should be a map of sources to SHA-256");
    for (size_t i = 0; i < map->count; i++) {
        const char *hex = NULL;
        int source = want_source(p, map->items[i], map->keys[i], err);
        if (source < 0 || yaml_text(map->items[i], &hex, err) != 0)
            return -1;
        if (!hex || strlen(hex) != 64 || strspn(hex, "0123456789abcdef") != 64)
            return yaml_fail(err, map->items[i], "'%s' is no SHA-256 (64 digits from 0 to f)", hex ? hex : "");
        p->sources[source].digest = memory_text(hex);
    }
    return 0;
}

/* "7" or "2-5". */
static int read_layers(const yaml_value *v, int range[2], error *err)
{
    const char *text = v->kind == YAML_TEXT ? v->text : "";
    char *end = NULL;
    errno = 0;
    long first = strtol(text, &end, 10), last = first;
    bool good = end != text && text[0] >= '0' && text[0] <= '9';
    if (good && *end == '-' && end[1] >= '0' && end[1] <= '9')
        last = strtol(end + 1, &end, 10);
    if (!good || *end || errno || last < first || last >= PATH_MAX_HOPS)
        return yaml_fail(err, v, "'%s' is no layer: write 7, or 2-5 for several (layers count from 0)", text);
    range[0] = (int)first;
    range[1] = (int)last;
    return 0;
}

static int read_hop(layer_path *p, const yaml_value *v, error *err)
{
    int range[2] = {0, -1};
    double scale = 1;
    if (v->kind != YAML_LIST || v->count < 2 || v->count > 3 || v->items[0]->kind != YAML_TEXT)
        return yaml_fail(err, v, "a hop is [source, layer] or [source, layer, scale]");
    int source = want_source(p, v->items[0], v->items[0]->text, err);
    if (source < 0 || read_layers(v->items[1], range, err) != 0 || (v->count == 3 && yaml_real(v->items[2], &scale, err) != 0))
        return -1;
    if (!(fabs(scale) <= PATH_MAX_SCALE))
        return yaml_fail(err, v->items[2], "the scale is %g, outside [-%g, %g]", scale, PATH_MAX_SCALE, PATH_MAX_SCALE);
    if (p->n_hops + (size_t)(range[1] - range[0] + 1) > PATH_MAX_HOPS)
        return yaml_fail(err, v, "more hops than the limit of %d", PATH_MAX_HOPS);
    for (int layer = range[0]; layer <= range[1]; layer++)
        path_add_hop(p, source, layer, scale);
    return 0;
}

static int read_all(layer_path *p, const yaml_value *root, error *err)
{
    static const char *const known[] = {"sources", "hops", "digests", NULL};
    const yaml_value *sources = yaml_get(root, "sources"), *hops = yaml_get(root, "hops");
    if (yaml_known_keys(root, known, err) != 0)
        return -1;
    if (!sources || !hops)
        return yaml_fail(err, root, "a path needs '%s'", sources ? "hops" : "sources");
    if (read_sources(p, sources, err) != 0 || read_digests(p, yaml_get(root, "digests"), err) != 0)
        return -1;
    if (hops->kind != YAML_LIST || hops->count == 0)
        return yaml_fail(err, hops, "hops should be a list of [source, layer, scale]");
    for (size_t i = 0; i < hops->count; i++)
        if (read_hop(p, hops->items[i], err) != 0)
            return -1;
    return 0;
}

bool path_is_yaml(const yaml_value *root)
{
    return yaml_get(root, "hops") != NULL;
}

layer_path *path_from_yaml(const yaml_value *root, const char *file, error *err)
{
    layer_path *p = path_new();
    p->file = memory_text(file);
    if (read_all(p, root, err) == 0)
        return p;
    path_free(p);
    return NULL;
}

layer_path *path_read(const char *file, error *err)
{
    yaml_value *root = yaml_read(file, err);
    layer_path *p = root ? path_from_yaml(root, file, err) : NULL;
    yaml_free(root);
    return p;
}

/* ---- writing */

/* One past the last hop that goes on from hop i layer by layer with i's scale. */
static size_t run_end(const layer_path *p, size_t i)
{
    size_t k = i + 1;
    while (k < p->n_hops && p->hops[k].source == p->hops[i].source && p->hops[k].layer == p->hops[k - 1].layer + 1 &&
           p->hops[k].scale == p->hops[i].scale)
        k++;
    return k;
}

char *path_yaml(const layer_path *p)
{
    string s = {0};
    bool digests = false;
    string_puts(&s, "# A path through layers, for eval, generate, inspect and merge. The first source gives embeddings, final norm, head and tokenizer.\n");
    string_puts(&s, "sources:\n");
    for (size_t i = 0; i < p->n_sources; i++) {
        string_puts(&s, "  ");
        yaml_put_text(&s, p->sources[i].name);
        string_puts(&s, ": ");
        yaml_put_text(&s, p->sources[i].model);
        string_puts(&s, "\n");
        digests = digests || p->sources[i].digest;
    }
    string_puts(&s, "hops:    # [source, layer or first-last, scale of what the hop before gave: of the embeddings at the first]\n");
    for (size_t i = 0, end; i < p->n_hops; i = end) {
        end = run_end(p, i);
        string_puts(&s, "- [");
        yaml_put_text(&s, p->sources[p->hops[i].source].name);
        string_print(&s, ", %d", p->hops[i].layer);
        if (end > i + 1)
            string_print(&s, "-%d", p->hops[end - 1].layer);
        if (p->hops[i].scale != 1) {
            string_puts(&s, ", ");
            yaml_put_real(&s, p->hops[i].scale);
        }
        string_puts(&s, "]\n");
    }
    string_puts(&s, digests ? "digests:\n" : "");
    for (size_t i = 0; i < p->n_sources; i++)
        if (p->sources[i].digest) {
            string_puts(&s, "  ");
            yaml_put_text(&s, p->sources[i].name);
            string_print(&s, ": %s\n", p->sources[i].digest);
        }
    return s.text;
}

char *path_text(const layer_path *p)
{
    string s = {0};
    for (size_t i = 0, end; i < p->n_hops; i = end) {
        end = run_end(p, i);
        string_print(&s, "%s%s %d", i ? ", " : "", p->sources[p->hops[i].source].name, p->hops[i].layer);
        if (end > i + 1)
            string_print(&s, "-%d", p->hops[end - 1].layer);
        if (p->hops[i].scale != 1)
            string_print(&s, " x%.3g", p->hops[i].scale);
    }
    return s.text ? s.text : memory_text("");
}
