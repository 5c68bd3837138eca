#include "merge/passthrough.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "merge/recipe_parts.h"
#include "model/architecture.h"

static const char METHOD[] = "passthrough";

bool passthrough_is_yaml(const yaml_value *root)
{
    const yaml_value *named = yaml_get(root, "merge_method");
    return named && named->kind == YAML_TEXT && strcmp(named->text, METHOD) == 0;
}

static bool is_folder_name(const char *model)
{
    size_t n = strlen(model);
    return !strstr(model, ".db@") && !(n > 4 && strcmp(model + n - 4, ".yml") == 0) && !(n > 5 && strcmp(model + n - 5, ".yaml") == 0);
}

bool passthrough_of_made(const yaml_value *root)
{
    const yaml_value *slices = passthrough_is_yaml(root) ? recipe_member(root, "slices") : NULL;
    for (size_t i = 0; slices && slices->kind == YAML_LIST && i < slices->count; i++) {
        const yaml_value *sources = recipe_member(slices->items[i], "sources");
        for (size_t k = 0; sources && sources->kind == YAML_LIST && k < sources->count; k++) {
            const yaml_value *model = recipe_member(sources->items[k], "model");
            if (model && model->kind == YAML_TEXT && !is_folder_name(model->text))
                return true;
        }
    }
    return false;
}

/* ---- reading */

typedef struct scales {         /* of one slice; what comes first stands */
    double down, embedding;
    const yaml_value *down_at, *embedding_at;   /* NULL: not given */
} scales;

typedef struct reader {
    layer_path *path;
    double next;                    /* the next hop's scale */
    const yaml_value *next_at;      /* where it stands */
} reader;

static int read_number(const yaml_value *v, double *out, error *err)
{
    if (v->kind == YAML_LIST)
        return recipe_unsupported(err, v, "a scale that changes over the layers of a slice is not supported: write a slice for each");
    if (v->kind != YAML_TEXT)
        return yaml_fail(err, v, "scale should be a number");
    if (yaml_real(v, out, err) != 0)
        return -1;
    if (!(fabs(*out) <= PATH_MAX_SCALE))
        return yaml_fail(err, v, "the scale is %g, outside [-%g, %g]", *out, PATH_MAX_SCALE, PATH_MAX_SCALE);
    return 0;
}

static void give(double *scale, const yaml_value **at, double value, const yaml_value *v)
{
    if (*at)
        return;
    *scale = value;
    *at = v;
}

/* One value, behind a filter or (filter NULL) for every tensor. */
static int read_value(const yaml_value *v, const char *filter, scales *s, error *err)
{
    double value = 1;
    if (read_number(v, &value, err) != 0)
        return -1;
    bool all = !filter || strcmp(filter, "*") == 0;
    if (all && value != 1)
        return recipe_unsupported(err, v, "a scale of every tensor: a path scales what an MLP puts out, so write {filter: down_proj, value: %g}", value);
    if (!all && strcmp(filter, "down_proj") != 0 && strcmp(filter, "embed_tokens") != 0)
        return recipe_unsupported(err, v, "a scale of '%s': a path scales down_proj and embed_tokens only", filter);
    if (all || filter[0] == 'd')
        give(&s->down, &s->down_at, value, v);
    if (all || filter[0] == 'e')
        give(&s->embedding, &s->embedding_at, value, v);
    return 0;
}

static int read_conditional(const yaml_value *v, scales *s, error *err)
{
    static const char *const keys[] = {"filter", "value", NULL};
    const char *filter = NULL;
    if (v->kind != YAML_MAP)
        return recipe_unsupported(err, v, "a scale that changes over the layers of a slice is not supported: write a slice for each");
    if (yaml_known_keys(v, keys, err) != 0 || yaml_text(yaml_get(v, "filter"), &filter, err) != 0)
        return -1;
    const yaml_value *value = recipe_member(v, "value");
    return value ? read_value(value, filter, s, err) : yaml_fail(err, v, "scale: an entry without a value");
}

/* Adds what `parameters` says to what narrower ones have said. */
static int read_parameters(const yaml_value *parameters, scales *s, error *err)
{
    static const char *const keys[] = {"scale", NULL};
    if (parameters && parameters->kind != YAML_MAP)
        return yaml_fail(err, parameters, "parameters should be a map of names to values");
    if (yaml_known_keys(parameters, keys, err) != 0)
        return -1;
    const yaml_value *scale = recipe_member(parameters, "scale");
    if (!scale)
        return 0;
    if (scale->kind == YAML_TEXT)
        return read_value(scale, NULL, s, err);
    if (scale->kind == YAML_MAP)
        return read_conditional(scale, s, err);
    for (size_t i = 0; i < scale->count; i++)
        if (read_conditional(scale->items[i], s, err) != 0)
            return -1;
    return 0;
}

static int find_model(const layer_path *p, const char *model)
{
    for (size_t i = 0; i < p->n_sources; i++)
        if (strcmp(p->sources[i].model, model) == 0)
            return (int)i;
    return -1;
}

static bool has_name(const layer_path *p, const char *name)
{
    for (size_t i = 0; i < p->n_sources; i++)
        if (strcmp(p->sources[i].name, name) == 0)
            return true;
    return false;
}

/* Named after the last part of its path, with a number where that is taken. */
static int add_model(layer_path *p, const char *model)
{
    size_t n = strlen(model);
    while (n && model[n - 1] == '/')
        n--;
    char *path = memory_text_n(model, n), *name = memory_text(n ? file_name(path) : "model");
    for (int k = 2; has_name(p, name); k++) {
        free(name);
        name = memory_print("%s-%d", n ? file_name(path) : "model", k);
    }
    int index = path_add_source(p, name, model);
    free(name);
    free(path);
    return index;
}

static int add_layers(reader *r, const yaml_value *at, int source, const int64_t range[2], const scales *s, error *err)
{
    if (range[1] < range[0] || range[1] > PATH_MAX_HOPS)
        return yaml_fail(err, at, "layer_range [%lld, %lld] should be [first, one past the last], at most %d", (long long)range[0], (long long)range[1], PATH_MAX_HOPS);
    if (r->path->n_hops + (size_t)(range[1] - range[0]) > PATH_MAX_HOPS)
        return yaml_fail(err, at, "more layers than the limit of %d", PATH_MAX_HOPS);
    for (int64_t layer = range[0]; layer < range[1]; layer++) {
        path_add_hop(r->path, source, (int)layer, r->next);
        r->next = s->down;
        r->next_at = s->down_at;
    }
    return 0;
}

static int read_slice(reader *r, const yaml_value *slice, const yaml_value *root, bool first, error *err)
{
    static const char *const keys[] = {"sources", "base_model", "parameters", "residual_weight", NULL}, *const source_keys[] = {"model", "layer_range", "parameters", NULL};
    const yaml_value *sources = recipe_member(slice, "sources");
    if (slice->kind != YAML_MAP)
        return yaml_fail(err, slice, "a slice should be a map {sources, ...}");
    if (yaml_known_keys(slice, keys, err) != 0)
        return -1;
    if (recipe_member(slice, "base_model") || recipe_member(slice, "residual_weight"))
        return recipe_unsupported(err, slice, "a slice with its own base_model or residual_weight is not supported");
    if (!sources || sources->kind != YAML_LIST || sources->count != 1)
        return yaml_fail(err, sources ? sources : slice, "a slice of passthrough has a list of one source");
    const yaml_value *source = sources->items[0];
    int64_t range[2] = {0, 0};
    scales s = {.down = 1, .embedding = 1};
    if (source->kind != YAML_MAP)
        return yaml_fail(err, source, "a source should be a map {model, layer_range}");
    if (yaml_known_keys(source, source_keys, err) != 0 || recipe_range(source, range, err) != 0 ||
        read_parameters(recipe_member(source, "parameters"), &s, err) != 0 || read_parameters(recipe_member(slice, "parameters"), &s, err) != 0)
        return -1;
    if (!first && s.embedding != 1)
        return recipe_unsupported(err, s.embedding_at, "embed_tokens are the first slice's: a scale of them has no effect here");
    if (read_parameters(recipe_member(root, "parameters"), &s, err) != 0)
        return -1;
    if (first)
        r->next = s.embedding;
    char *model = NULL;
    if (recipe_model_name(source, "model", &model, err) != 0)
        return -1;
    int index = find_model(r->path, model);
    index = index < 0 ? add_model(r->path, model) : index;
    free(model);
    if (r->path->n_sources > PATH_MAX_SOURCES)
        return yaml_fail(err, source, "more models than the limit of %d", PATH_MAX_SOURCES);
    return add_layers(r, source, index, range, &s, err);
}

/* Embeddings, final norm, head, config and tokenizer are all the first source's in a path. */
static int check_ends(const layer_path *p, const yaml_value *root, const yaml_value *slices, error *err)
{
    const yaml_value *last = slices->items[slices->count - 1], *source = recipe_member(last, "sources")->items[0];
    const char *first = p->sources[0].model;
    char *model = NULL, *base = NULL;
    int status = recipe_model_name(source, "model", &model, err);
    if (status == 0 && recipe_member(root, "base_model"))
        status = recipe_model_name(root, "base_model", &base, err);
    if (status == 0 && strcmp(model, first) != 0)
        status = recipe_unsupported(err, source,
                                    "final norm and head of '%s' behind the embeddings of '%s': a path has both from one model; a last slice "
                                    "{model: %s, layer_range: [0, 0]} says so", model, first, first);
    if (status == 0 && base && strcmp(base, first) != 0)
        status = recipe_unsupported(err, recipe_member(root, "base_model"),
                                    "base_model '%s' gives config and tokenizer; a path has them from the first slice's model, '%s'", base, first);
    free(model);
    free(base);
    return status;
}

static int read_type(const yaml_value *root, int *out, error *err)
{
    int dtype = -1;
    const yaml_value *v = recipe_member(root, "dtype");
    *out = -1;
    if (recipe_dtype(v, &dtype, err) != 0 || recipe_dtype(recipe_member(root, "out_dtype"), out, err) != 0)
        return -1;
    if (dtype >= 0 && dtype != DTYPE_F32 && *out >= 0 && *out != dtype)
        return recipe_unsupported(err, v, "dtype %s would round before out_dtype %s does: leave one of them out", dtype_torch_name((enum dtype)dtype),
                                  dtype_torch_name((enum dtype)*out));
    *out = *out >= 0 ? *out : dtype;
    return 0;
}

static int read_all(const yaml_value *root, reader *r, int *dtype, error *err)
{
    static const char *const keys[] = {"slices", "merge_method", "base_model", "dtype", "out_dtype", "parameters", "models", "modules", "tokenizer",
                                       "tokenizer_source", "chat_template", "component", "merganser", NULL};
    static const char *const unsupported[] = {"models", "modules", "tokenizer", "tokenizer_source", "chat_template", "component", "merganser", NULL};
    const yaml_value *slices = recipe_member(root, "slices");
    if (yaml_known_keys(root, keys, err) != 0)
        return -1;
    for (const char *const *key = unsupported; *key; key++)
        if (recipe_member(root, *key))
            return recipe_unsupported(err, recipe_member(root, *key), "%s with passthrough is not supported: only slices", *key);
    if (!slices || slices->kind != YAML_LIST || slices->count == 0)
        return yaml_fail(err, slices ? slices : root, "passthrough needs a list of slices");
    for (size_t i = 0; i < slices->count; i++)
        if (read_slice(r, slices->items[i], root, i == 0, err) != 0)
            return -1;
    if (r->path->n_hops == 0)
        return yaml_fail(err, slices, "the slices have no layers");
    if (r->next != 1)
        return recipe_unsupported(err, r->next_at, "the last layer's down_proj is scaled by %g, and a path scales only what another layer takes up", r->next);
    return check_ends(r->path, root, slices, err) != 0 ? -1 : read_type(root, dtype, err);
}

layer_path *passthrough_path(const yaml_value *root, const char *file, int *dtype, error *err)
{
    int ignored;
    reader r = {.path = path_new(), .next = 1};
    r.path->file = memory_text(file);
    if (read_all(root, &r, dtype ? dtype : &ignored, err) == 0)
        return r.path;
    path_free(r.path);
    return NULL;
}

/* What hop i's down_proj is multiplied by. */
static double down_scale(const layer_path *p, size_t i)
{
    return i + 1 < p->n_hops ? p->hops[i + 1].scale : 1;
}

/* The scale of a hop of this model, where it is not 1, is what `filter: down_proj` does to its weights. */
static int check_scale(const checkpoint *c, double scale, error *err)
{
    model_config config;
    if (scale == 1)
        return 0;
    if (config_read(c->config, c->name, &config, err) != 0)
        return -1;
    const char *last = architecture_last(architecture_find(config.type, NULL));
    if (!config.parallel && strstr(last, "down_proj"))
        return 0;
    return fail(err, ERROR_UNSUPPORTED, "%s: a scale of down_proj by %g is no scale of a path here: the MLP of %s %s", c->name, scale, config.type,
                config.parallel ? "adds up with the attention" : "puts out another tensor last");
}

static int check_embedding_scale(const checkpoint *c, double scale, error *err)
{
    model_config config;
    if (scale == 1)
        return 0;
    if (config_read(c->config, c->name, &config, err) != 0)
        return -1;
    if (!config.tied && strstr(architecture_find(config.type, NULL)->embedding, "embed_tokens"))
        return 0;
    return fail(err, ERROR_UNSUPPORTED, "%s: a scale of embed_tokens by %g is no scale of a path here: %s", c->name, scale,
                config.tied ? "the head is tied to them" : "the embeddings have another name");
}

static int check_type(const checkpoint *c, int dtype, error *err)
{
    for (size_t i = 0; dtype >= 0 && i < c->count; i++)
        if (dtype_is_float(c->items[i].tensor.dtype) && (int)c->items[i].tensor.dtype != dtype)
            return fail(err, ERROR_UNSUPPORTED, "%s: '%s' is %s, and the recipe wants %s: a path runs weights as they are", c->name, c->items[i].name,
                        dtype_name(c->items[i].tensor.dtype), dtype_name((enum dtype)dtype));
    return 0;
}

int passthrough_check(const layer_path *p, checkpoint *const *sources, int dtype, error *err)
{
    int status = check_embedding_scale(sources[0], p->hops[0].scale, err);
    for (size_t i = 0; i < p->n_hops && status == 0; i++)
        status = check_scale(sources[p->hops[i].source], down_scale(p, i), err);
    for (size_t i = 0; i < p->n_sources && status == 0; i++)
        status = check_type(sources[i], dtype, err);
    return status;
}

bool passthrough_or_path(const yaml_value *root)
{
    return path_is_yaml(root) || passthrough_is_yaml(root);
}

layer_path *passthrough_or_path_read(const yaml_value *root, const char *file, int *dtype, error *err)
{
    if (!path_is_yaml(root))
        return passthrough_path(root, file, dtype, err);
    if (dtype)
        *dtype = -1;
    return path_from_yaml(root, file, err);
}

/* ---- writing */

/* One past the last hop that goes on from hop i layer by layer with the same factor. */
static size_t slice_end(const layer_path *p, size_t i)
{
    size_t k = i + 1;
    while (k < p->n_hops && p->hops[k].source == p->hops[i].source && p->hops[k].layer == p->hops[k - 1].layer + 1 && down_scale(p, k) == down_scale(p, i))
        k++;
    return k;
}

static void put_scale(string *s, const char *filter, double value)
{
    if (value == 1)
        return;
    string_print(s, "      - filter: %s\n        value: ", filter);
    yaml_put_real(s, value);
    string_puts(s, "\n");
}

static void put_slice(string *s, const char *model, int first, int end, double embedding, double down)
{
    string_puts(s, "- sources:\n  - model: ");
    yaml_put_text(s, model);
    string_print(s, "\n    layer_range: [%d, %d]\n", first, end);
    if (embedding == 1 && down == 1)
        return;
    string_puts(s, "    parameters:\n      scale:\n");
    put_scale(s, "embed_tokens", embedding);
    put_scale(s, "down_proj", down);
    string_puts(s, "      - value: 1.0\n");
}

/* Lines that begin with `start`. */
static void put_limits(string *s, const char *start, const layer_path *p, checkpoint *const *sources)
{
    bool biases = false, nested = false, scaled = false, elsewhere = false;
    for (size_t i = 1; i < p->n_hops; i++)
        scaled = scaled || p->hops[i].scale != 1;
    for (size_t i = 0; i < p->n_sources; i++) {
        model_config c;
        nested = nested || json_is_object(json_object_get(sources[i]->config, "text_config"));
        if (!sources[i]->config || config_read(sources[i]->config, sources[i]->name, &c, NULL) != 0)
            continue;
        const architecture *a = architecture_find(c.type, NULL);
        biases = biases || (!a->defaults.attention_bias && (c.attention_bias || c.mlp_bias));   /* which the type has as an option only */
        elsewhere = elsewhere || (scaled && !strstr(architecture_last(a), "down_proj"));
        if (i == 0 && p->hops[0].scale != 1 && !strstr(a->embedding, "embed_tokens"))
            elsewhere = true;
        if (i == 0 && c.tied && p->hops[0].scale != 1)
            string_print(s, "%smergekit would not make this model: head and embeddings are tied, so it would scale the head too\n", start);
    }
    if (biases)
        string_print(s, "%smergekit would not make this model: it leaves biases out\n", start);
    if (elsewhere)
        string_print(s, "%smergekit would not make this model: its scales belong to other tensors than down_proj and embed_tokens\n", start);
    if (nested)
        string_print(s, "%smergekit would not make this model: it takes no slices of one that also sees\n", start);
    for (size_t i = 0; i < p->n_sources; i++)
        if (!is_folder_name(p->sources[i].model)) {
            string_print(s, "%smergekit reads folders: write this as one first: ", start);
            yaml_put_text(s, p->sources[i].model);
            string_puts(s, "\n");
        }
}

char *passthrough_limits(const layer_path *p, checkpoint *const *sources)
{
    string s = {0};
    put_limits(&s, "", p, sources);
    if (!s.length)
        return memory_text("");
    s.text[s.length - 1] = '\0';
    return s.text;
}

char *passthrough_yaml(const layer_path *p, checkpoint *const *sources, int dtype)
{
    string s = {0};
    const char *first = p->sources[0].model;
    double embedding = p->hops[0].scale;
    string_puts(&s, "# A mergekit recipe. Slices of no layers say whose the embeddings, final norm and head are.\n");
    if (sources)
        put_limits(&s, "# ", p, sources);
    string_puts(&s, "slices:\n");
    if (p->hops[0].source != 0) {
        put_slice(&s, first, 0, 0, embedding, 1);
        embedding = 1;
    }
    for (size_t i = 0, end; i < p->n_hops; i = end) {
        end = slice_end(p, i);
        put_slice(&s, p->sources[p->hops[i].source].model, p->hops[i].layer, p->hops[end - 1].layer + 1, i == 0 ? embedding : 1, down_scale(p, i));
    }
    if (p->hops[p->n_hops - 1].source != 0)
        put_slice(&s, first, 0, 0, 1, 1);
    string_print(&s, "merge_method: %s\nbase_model: ", METHOD);
    yaml_put_text(&s, first);
    string_puts(&s, "\n");
    if (dtype >= 0)
        string_print(&s, "dtype: float32\nout_dtype: %s\n", dtype_torch_name((enum dtype)dtype));
    return s.text;
}
