/* What lies in an adapter is told by the names of its tensors; each has to find its place in the base, or the adapter is refused. */
#include "tensor/adapter.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "tensor/adapter_config.h"
#include "tensor/lora.h"

#define MAX_CONFIG ((size_t)16 << 20)

enum role { FACTOR_A, FACTOR_B, EMBEDDING_A, EMBEDDING_B, BIAS, MAGNITUDE, REPLACEMENT, ROLES };

/* One tensor of the adapter and what it belongs to. */
typedef struct part {
    char *module;            /* owned; of a replacement: the whole tensor's name */
    enum role role;
    const checkpoint_item *item;
} part;

typedef struct adapter {
    const char *path;
    checkpoint *base;        /* borrowed, changed */
    checkpoint *tensors;     /* owned */
    adapter_config config;
    part *parts;             /* [count] sorted by module and role; owned */
    size_t count;
} adapter;

const char *adapter_split(const char *path)
{
    const char *last = strrchr(path, '+');
    if (!last || file_exists(path))
        return NULL;
    for (const char *plus = path + strlen(path); plus-- > path;)
        if (*plus == '+' && plus[1] && file_exists(plus + 1))
            return plus;
    return last;
}

static char *without(const char *name, const char *begin, size_t n)
{
    return memory_print("%.*s%s", (int)(begin - name), name, begin + n);
}

/* What peft puts between a module's name and "weight" or "bias"; ".default" is the adapter's own name in what older versions saved. */
static bool split_factor(const char *name, part *out)
{
    static const struct { const char *mark; enum role role; } marks[] = {
        {".lora_A", FACTOR_A}, {".lora_B", FACTOR_B}, {".lora_embedding_A", EMBEDDING_A}, {".lora_embedding_B", EMBEDDING_B}, {".lora_magnitude_vector", MAGNITUDE}};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const char *at = strstr(name, marks[i].mark);
        const char *rest = at ? at + strlen(marks[i].mark) : "";
        if (!at || (*rest && *rest != '.'))
            continue;
        if (strncmp(rest, ".default", 8) == 0 && (!rest[8] || rest[8] == '.'))
            rest += 8;
        bool bias = marks[i].role == FACTOR_B && strcmp(rest, ".bias") == 0;
        if (*rest && strcmp(rest, ".weight") != 0 && !bias)
            return false;
        out->module = memory_text_n(name, (size_t)(at - name));
        out->role = bias ? BIAS : marks[i].role;
        return true;
    }
    return false;
}

/* A tensor that takes the place of the base's: modules_to_save, trained biases, saved embeddings. */
static char *replaced_name(const char *name)
{
    static const char *const marks[] = {".modules_to_save.default", ".modules_to_save", ".base_layer"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        const char *at = strstr(name, marks[i]);
        if (at && at[strlen(marks[i])] == '.')
            return without(name, at, strlen(marks[i]));
    }
    return memory_text(name);
}

static void read_part(const checkpoint_item *item, part *out)
{
    static const char prefix[] = "base_model.model.";
    const char *name = strncmp(item->name, prefix, sizeof prefix - 1) == 0 ? item->name + sizeof prefix - 1 : item->name;
    out->item = item;
    if (split_factor(name, out))
        return;
    out->module = replaced_name(name);
    out->role = REPLACEMENT;
}

static int by_module(const void *a, const void *b)
{
    const part *x = a, *y = b;
    int order = strcmp(x->module, y->module);
    return order ? order : (int)x->role - (int)y->role;
}

/* The base's tensor of this name. An adapter has the names of modules as they were while it was trained; a file may have them without the body
 * that the head stands on, and models that see as they were called before transformers moved their text model. */
static tensor *find_base(const adapter *a, const char *name)
{
    static const struct { const char *module, *file; } spellings[] = {
        {"", ""}, {"model.", ""}, {"transformer.", ""}, {"model.language_model.", "language_model.model."}, {"model.language_model.", "model."},
        {"model.vision_tower.", "vision_tower.vision_model."}, {"lm_head.", "language_model.lm_head."}};
    const tensor *t = NULL;
    for (size_t i = 0; !t && i < sizeof spellings / sizeof *spellings; i++) {
        size_t n = strlen(spellings[i].module);
        if (strncmp(name, spellings[i].module, n) != 0)
            continue;
        char *other = memory_print("%s%s", spellings[i].file, name + n);
        t = checkpoint_find(a->base, other);
        free(other);
    }
    return (tensor *)t;
}

static int check_float(const adapter *a, const char *name, const tensor *t, error *err)
{
    return dtype_is_float(t->dtype) ? 0 : fail(err, ERROR_UNSUPPORTED, "%s: '%s' is %s; an adapter is merged into and from F32, F16 and BF16", a->path, name,
                                               dtype_name(t->dtype));
}

/* Like the module it takes the place of, a replacement has the base's dtype. */
static int replace(const adapter *a, const part *p, tensor *t, error *err)
{
    const tensor *with = &p->item->tensor;
    char ours[128], theirs[128];
    if (!tensor_same_shape(t, with))
        return fail(err, ERROR_FORMAT, "%s: '%s' is %s, the base's '%s' is %s", a->path, p->item->name, tensor_shape_text(with, ours), p->module,
                    tensor_shape_text(t, theirs));
    enum dtype dtype = t->dtype;
    if (dtype != with->dtype && (check_float(a, p->module, t, err) != 0 || check_float(a, p->item->name, with, err) != 0))
        return -1;
    *t = *with;
    if (dtype == with->dtype)
        return 0;
    t->dtype = dtype;
    t->data = NULL;
    checkpoint_add_maker(a->base, lora_new(t, &(lora){.base = *with}));
    return 0;
}

/* A head of its own for a base whose head is its embeddings: they are tied no more. */
static int add_head(const adapter *a, const part *p, tensor embeddings, error *err)
{
    checkpoint *c = a->base;
    c->items = memory_grow(c->items, c->count + 1, sizeof *c->items);
    c->items[c->count++] = (checkpoint_item){memory_text(p->module), embeddings};
    if (c->config)
        json_object_set_new(c->config, "tie_word_embeddings", json_false());
    return checkpoint_sort(c, err) == 0 ? replace(a, p, find_base(a, p->module), err) : -1;
}

static const tensor *find_embeddings(const adapter *a)
{
    static const char *const names[] = {"model.embed_tokens.weight", "transformer.wte.weight", "gpt_neox.embed_in.weight", "model.decoder.embed_tokens.weight"};
    const tensor *t = NULL;
    for (size_t i = 0; !t && i < sizeof names / sizeof *names; i++)
        t = find_base(a, names[i]);
    return t;
}

static int apply_replacement(const adapter *a, const part *p, error *err)
{
    tensor *t = find_base(a, p->module);
    if (t)
        return replace(a, p, t, err);
    const tensor *embeddings = strcmp(p->module, "lm_head.weight") == 0 ? find_embeddings(a) : NULL;
    if (embeddings)
        return add_head(a, p, *embeddings, err);
    return fail(err, ERROR_UNSUPPORTED, "%s: '%s' is no part of a LoRA adapter that is known here, and the base has no tensor '%s'", a->path, p->item->name,
                p->module);
}

/* The shape that a tensor of the adapter must have, n numbers; ones behind them (of convolutions) are fine. */
static int check_shape(const adapter *a, const part *p, const int64_t *wanted, int n, const char *why, error *err)
{
    const tensor *t = &p->item->tensor;
    char text[128];
    bool fits = t->rank >= n;
    for (int i = 0; fits && i < t->rank; i++)
        fits = t->shape[i] == (i < n ? wanted[i] : 1);
    if (fits)
        return check_float(a, p->item->name, t, err);
    const tensor expected = {.rank = n, .shape = {wanted[0], n > 1 ? wanted[1] : 0, n > 2 ? wanted[2] : 0, n > 3 ? wanted[3] : 0, n > 4 ? wanted[4] : 0}};
    char other[128];
    return fail(err, ERROR_FORMAT, "%s: '%s' is %s, but %s asks for %s", a->path, p->item->name, tensor_shape_text(t, text), why,
                tensor_shape_text(&expected, other));
}

/* A and B against the base's weight: [rank, in] and [out, rank], with in and out exchanged where the weight stands transposed. */
static int check_factors(const adapter *a, const part *const *of, const tensor *t, int64_t rank, bool transposed, error *err)
{
    const part *left = of[of[FACTOR_A] ? FACTOR_B : EMBEDDING_B], *right = of[of[FACTOR_A] ? FACTOR_A : EMBEDDING_A];
    char why[256], shape[128];
    if (t->rank < 2 || t->rank > 5 || (transposed && t->rank != 2))
        return fail(err, ERROR_UNSUPPORTED, "%s: '%s' adapts a weight of shape %s, which has no rows and columns for it", a->path, right->item->name,
                    tensor_shape_text(t, shape));
    snprintf(why, sizeof why, "rank %lld on the base's %s", (long long)rank, tensor_shape_text(t, shape));
    int64_t rows = transposed ? t->shape[1] : t->shape[0];
    int64_t wide[5] = {rank, transposed ? t->shape[0] : t->shape[1], t->shape[2], t->shape[3], t->shape[4]};
    if (check_shape(a, right, wide, t->rank, why, err) != 0)
        return -1;
    return check_shape(a, left, (const int64_t[]){rows, rank}, 2, why, err);
}

static int check_magnitude(const adapter *a, const part *p, const part *any, const tensor *t, bool transposed, error *err)
{
    if (!p != !a->config.dora)
        return fail(err, ERROR_FORMAT, "%s: '%s' %s a lora_magnitude_vector, and use_dora is %s", a->path, any->module, p ? "has" : "lacks",
                    p ? "false" : "true");
    if (!p)
        return 0;
    if (transposed)
        return fail(err, ERROR_UNSUPPORTED, "%s: '%s': use_dora on embeddings and with fan_in_fan_out is not merged here; merge it with peft "
                    "(merge_and_unload)", a->path, any->module);
    /* Of a convolution it is [1, out, 1, 1]. */
    if (tensor_count(&p->item->tensor) == t->shape[0])
        return check_float(a, p->item->name, &p->item->tensor, err);
    return check_shape(a, p, t->shape, 1, "its weight", err);
}

/* Of the modules of a model some may stand transposed (GPT-2's Conv1D) and some not (its heads): where the shapes fit one way only they decide. */
static bool stands_transposed(const adapter *a, const part *left, const part *right, const tensor *t)
{
    const int64_t out = left->item->tensor.shape[0], in = right->item->tensor.shape[1];
    bool only_plain = t->shape[0] == out && t->shape[1] == in && out != in;
    return right->role == EMBEDDING_A || (a->config.fan_in_fan_out && !only_plain);
}

static int apply_factors(const adapter *a, const part *const *of, const part *any, error *err)
{
    bool embedding = of[EMBEDDING_A] != NULL, transposed = false;
    const part *left = of[embedding ? EMBEDDING_B : FACTOR_B], *right = of[embedding ? EMBEDDING_A : FACTOR_A];
    char *name = memory_print("%s.weight", any->module);
    tensor *t = find_base(a, name);
    lora w = {0};
    int status = -1;
    if (t && left && right)
        transposed = stands_transposed(a, left, right, t);
    if (!left || !right || (embedding && of[FACTOR_A]))
        fail(err, ERROR_FORMAT, "%s: '%s' should have one lora_A and one lora_B", a->path, any->module);
    else if (!t)
        fail(err, ERROR_FORMAT, "%s: '%s' adapts '%s', which the base does not have", a->path, any->item->name, name);
    else if (adapter_config_module(&a->config, any->module, &w.rank, &w.scale, err) == 0 && check_float(a, name, t, err) == 0 &&
             check_factors(a, of, t, w.rank, transposed, err) == 0 && check_magnitude(a, of[MAGNITUDE], any, t, transposed, err) == 0)
        status = 0;
    free(name);
    if (status != 0)
        return -1;
    w.transposed = transposed;
    w.base = *t;
    w.a = right->item->tensor;
    w.b = left->item->tensor;
    w.dora = a->config.dora;
    if (w.dora)
        w.magnitude = of[MAGNITUDE]->item->tensor;
    t->data = NULL;
    checkpoint_add_maker(a->base, lora_new(t, &w));
    return 0;
}

/* A bias that lora_B has of its own (lora_bias) goes to the base's bias. */
static int apply_bias(const adapter *a, const part *p, error *err)
{
    char *name = memory_print("%s.bias", p->module);
    tensor *t = find_base(a, name);
    lora w = {.bias = true, .a = p->item->tensor, .rank = 1};
    int64_t rank;
    int status = -1;
    if (!t)
        fail(err, ERROR_FORMAT, "%s: '%s' adapts '%s', which the base does not have", a->path, p->item->name, name);
    else if (adapter_config_module(&a->config, p->module, &rank, &w.scale, err) == 0 && check_float(a, name, t, err) == 0 &&
             check_shape(a, p, t->shape, t->rank, "the base's bias", err) == 0)
        status = 0;
    free(name);
    if (status != 0)
        return -1;
    w.base = *t;
    t->data = NULL;
    checkpoint_add_maker(a->base, lora_new(t, &w));
    return 0;
}

static int apply_module(const adapter *a, const part *parts, size_t n, error *err)
{
    const part *of[ROLES] = {NULL};
    for (size_t i = 0; i < n; i++) {
        if (of[parts[i].role])
            return fail(err, ERROR_FORMAT, "%s: '%s' and '%s' say the same twice", a->path, of[parts[i].role]->item->name, parts[i].item->name);
        of[parts[i].role] = &parts[i];
    }
    if (of[REPLACEMENT] && n == 1)
        return 0;
    if (apply_factors(a, of, &parts[0], err) != 0)
        return -1;
    return of[BIAS] ? apply_bias(a, of[BIAS], err) : 0;
}

static int apply_parts(const adapter *a, error *err)
{
    /* A replaced weight may be adapted too: it comes first. */
    for (size_t i = 0; i < a->count; i++)
        if (a->parts[i].role == REPLACEMENT && apply_replacement(a, &a->parts[i], err) != 0)
            return -1;
    for (size_t i = 0, n; i < a->count; i += n) {
        for (n = 1; i + n < a->count && strcmp(a->parts[i + n].module, a->parts[i].module) == 0;)
            n++;
        if (apply_module(a, a->parts + i, n, err) != 0)
            return -1;
    }
    return 0;
}

static void hold(checkpoint *c, buffer *b)
{
    c->buffers = memory_grow(c->buffers, c->n_buffers + 1, sizeof *c->buffers);
    c->buffers[c->n_buffers++] = b;
}

/* The config is mapped and held like the weights, so that what stands for the model (its digest) holds the config too. */
static int read_config(adapter *a, const char *path, json_t **json, error *err)
{
    buffer *file = buffer_map(path, err);
    if (!file)
        return -1;
    hold(a->base, file);
    if (buffer_size(file) > MAX_CONFIG)
        return fail(err, ERROR_LIMIT, "%s: %zu bytes, more than the limit of %zu", path, buffer_size(file), MAX_CONFIG);
    *json = json_parse(buffer_bytes(file), buffer_size(file), path, err);
    return *json ? adapter_config_read(*json, path, &a->config, err) : -1;
}

static int read_tensors(adapter *a, error *err)
{
    char *safe = file_join(a->path, "adapter_model.safetensors"), *pickle = file_join(a->path, "adapter_model.bin");
    const char *path = file_exists(safe) ? safe : file_exists(pickle) ? pickle : NULL;
    a->tensors = path ? checkpoint_open(path, err) : NULL;
    int status = path ? 0 : fail(err, ERROR_FORMAT, "%s: has no adapter_model.safetensors and no adapter_model.bin", a->path);
    free(safe);
    free(pickle);
    if (status != 0 || !a->tensors)
        return -1;
    a->count = a->tensors->count;
    a->parts = memory_new(a->count, sizeof *a->parts);
    for (size_t i = 0; i < a->count; i++)
        read_part(&a->tensors->items[i], &a->parts[i]);
    if (a->count)
        qsort(a->parts, a->count, sizeof *a->parts, by_module);
    for (size_t i = 0; i < a->tensors->n_buffers; i++)
        hold(a->base, buffer_share(a->tensors->buffers[i]));
    return 0;
}

int adapter_apply(checkpoint *c, const char *path, error *err)
{
    adapter a = {.path = path, .base = c};
    json_t *json = NULL;
    char *config = file_join(path, "adapter_config.json");
    int status = -1;
    if (!file_is_folder(path))
        fail(err, ERROR_IO, "%s: no such adapter folder (a model is BASE+ADAPTER where no file has the whole name)", path);
    else if (!file_exists(config))
        fail(err, ERROR_FORMAT, "%s: has no adapter_config.json", path);
    else if (read_config(&a, config, &json, err) == 0 && read_tensors(&a, err) == 0)
        status = apply_parts(&a, err);
    for (size_t i = 0; i < a.count; i++)
        free(a.parts[i].module);
    free(a.parts);
    checkpoint_free(a.tensors);
    json_decref(json);
    free(config);
    return status;
}
