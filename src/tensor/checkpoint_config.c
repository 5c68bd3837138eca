/* The config that fits the tensors. A merge or a path of hops changes element types, layers and vocabulary;
 * transformers believes config.json and not the tensors. */
#include <stdlib.h>
#include <string.h>

#include "tensor/checkpoint.h"
#include "tensor/names.h"

struct facts {
    int64_t layers, vocabulary;   /* -1: the tensors do not tell */
    const tensor *embedding, *head;
    int dtype;                    /* of most bytes among the float tensors; -1 without any */
};

/* The layers that the token embeddings stand before: the family whose stem is the longest that their name begins with. */
static int64_t count_layers(const checkpoint *c, const char *embedding)
{
    tensor_names *names = names_read(c, NULL);
    const tensor_family *families;
    size_t n = names_families(names, &families), best = 0;
    int64_t layers = -1;
    for (size_t i = 0; i < n; i++) {
        size_t stem = names_stem_of(families[i].prefix);
        if (strncmp(embedding, families[i].prefix, stem) == 0 && (layers < 0 || stem > best)) {
            best = stem;
            layers = families[i].layers;
        }
    }
    names_free(names);
    return layers;
}

static struct facts find_facts(const checkpoint *c)
{
    struct facts f = {.layers = -1, .vocabulary = -1, .dtype = -1};
    uint64_t bytes[DTYPE_COUNT] = {0};
    const checkpoint_item *embedding = names_embedding(c), *head = names_head(c);
    f.embedding = embedding ? &embedding->tensor : NULL;
    f.head = head ? &head->tensor : NULL;
    if (embedding)
        f.layers = count_layers(c, embedding->name);
    if (f.embedding && f.embedding->rank == 2)
        f.vocabulary = f.embedding->shape[0];
    for (size_t i = 0; i < c->count; i++)
        bytes[c->items[i].tensor.dtype] += tensor_bytes(&c->items[i].tensor);
    for (int d = 0; d < DTYPE_COUNT; d++)
        if (dtype_is_float((enum dtype)d) && bytes[d] > (f.dtype < 0 ? 0 : bytes[f.dtype]))
            f.dtype = d;
    return f;
}

static const char *layers_key(const json_t *text)
{
    static const char *const keys[] = {"num_hidden_layers", "n_layer", "num_layers", "n_layers"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (json_is_integer(json_object_get(text, keys[i])))
            return keys[i];
    return keys[0];
}

static void set_int(json_t *object, const char *key, int64_t wanted)
{
    const json_t *now = json_object_get(object, key);
    if (wanted > 0 && !(json_is_integer(now) && json_integer_value(now) == wanted))
        json_object_set_new(object, key, json_integer(wanted));
}

/* The spelling that is there stays: transformers 4 writes torch_dtype, 5 writes dtype. */
static void set_dtype(json_t *object, int dtype, bool always)
{
    const char *key = json_object_get(object, "dtype") ? "dtype" : json_object_get(object, "torch_dtype") ? "torch_dtype" : NULL;
    if (!key && always)
        key = "dtype";
    if (key && dtype >= 0)
        json_object_set_new(object, key, json_string(dtype_torch_name((enum dtype)dtype)));
}

/* Tied weights are stored once. A head that is stored and differs from the embeddings is not tied, whatever the config says. */
static void set_tied(json_t *config, json_t *text, const struct facts *f)
{
    if (!f->embedding)
        return;
    const json_t *top = json_object_get(config, "tie_word_embeddings"), *inner = json_object_get(text, "tie_word_embeddings");
    const json_t *said = text != config && inner ? inner : top;
    bool tied = !f->head;
    if (f->head && said && json_is_true(said))
        tied = f->head->data && f->embedding->data && f->head->dtype == f->embedding->dtype && tensor_same_shape(f->head, f->embedding) &&
               memcmp(f->head->data, f->embedding->data, tensor_bytes(f->head)) == 0;
    if (said && json_is_boolean(said) && json_is_true(said) == tied)
        return;
    /* An absent key means the model's own default, which differs between models. */
    json_object_set_new(config, "tie_word_embeddings", json_boolean(tied));
    if (text != config)
        json_object_set_new(text, "tie_word_embeddings", json_boolean(tied));
}

static int check_lists(const json_t *text, const char *name, int64_t layers, error *err)
{
    const json_t *types = json_object_get(text, "layer_types");
    if (layers > 0 && json_is_array(types) && (int64_t)json_array_size(types) != layers)
        return fail(err, ERROR_FORMAT, "%s: the config's layer_types names %zu layers, the tensors hold %lld", name, json_array_size(types),
                    (long long)layers);
    return 0;
}

json_t *checkpoint_config(const checkpoint *c, error *err)
{
    json_t *config = c->config ? json_deep_copy(c->config) : json_object();
    json_t *nested = json_object_get(config, "text_config"), *text = json_is_object(nested) ? nested : config;
    struct facts f = find_facts(c);
    set_dtype(config, f.dtype, true);
    if (text != config)
        set_dtype(text, f.dtype, false);
    set_int(text, layers_key(text), f.layers);
    set_int(text, "vocab_size", f.vocabulary);
    if (text != config && json_object_get(config, "vocab_size"))
        set_int(config, "vocab_size", f.vocabulary);
    set_tied(config, text, &f);
    /* Code beside the source is neither run nor copied. */
    json_object_del(config, "auto_map");
    if (check_lists(text, c->name, f.layers, err) != 0) {
        json_decref(config);
        return NULL;
    }
    return config;
}
