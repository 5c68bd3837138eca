#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "tensor/gguf.h"
#include "tensor/gguf_model.h"
#include "text/parts.h"

int component_type(const json_t *value, const char *what, const char *file, const char **type, error *err)
{
    const json_t *t = json_object_get(value, "type");
    if (!json_is_string(t))
        return fail(err, ERROR_FORMAT, "%s: %s should be an object with a 'type'", file, what);
    *type = json_string_value(t);
    return 0;
}

int component_unknown(const char *what, const char *type, const char *file, error *err)
{
    return fail(err, ERROR_UNSUPPORTED, "%s: %s of type '%.100s' is not one this program knows", file, what, type);
}

int component_each(const json_t *value, const char *key, const char *what, const char *file,
                   int (*each)(void *, const json_t *, error *), void *context, error *err)
{
    const json_t *list = json_object_get(value, key);
    if (!json_is_array(list))
        return fail(err, ERROR_FORMAT, "%s: %s Sequence: '%s' should be a list", file, what, key);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (each(context, json_array_get(list, i), err) != 0)
            return -1;
    return 0;
}

void tokenizer_free(tokenizer *t)
{
    if (!t)
        return;
    piece_model_free(t->pieces);
    bpe_free(&t->bpe);
    added_free(&t->added);
    normalizer_free(t->normalizer);
    pre_tokenizer_free(t->pre);
    free(t->post.item);
    decoder_free(&t->decoder);
    free(t->name);
    free(t);
}

static int read_all(tokenizer *t, const json_t *root, error *err)
{
    const char *name = t->name;
    if (!json_is_object(root))
        return fail(err, ERROR_FORMAT, "%s: should be an object", name);
    if (!json_object_get(root, "model"))
        return fail(err, ERROR_FORMAT, "%s: has no 'model': not a tokenizer.json", name);
    if (bpe_read(&t->bpe, json_object_get(root, "model"), name, err) != 0)
        return -1;
    t->normalizer = normalizer_read(json_object_get(root, "normalizer"), name, err);
    if (!t->normalizer || added_read(&t->added, json_object_get(root, "added_tokens"), &t->bpe, t->normalizer, name, err) != 0)
        return -1;
    t->pre = pre_tokenizer_read(json_object_get(root, "pre_tokenizer"), name, err);
    if (!t->pre || post_read(&t->post, json_object_get(root, "post_processor"), name, err) != 0)
        return -1;
    return decoder_read(&t->decoder, json_object_get(root, "decoder"), name, err);
}

tokenizer *tokenizer_parse(const char *bytes, size_t n, const char *name, error *err)
{
    json_t *root = json_parse(bytes, n, name, err);
    if (!root)
        return NULL;
    tokenizer *t = memory_new(1, sizeof *t);
    t->name = memory_text(name);
    t->bos = t->eos = -1;
    if (read_all(t, root, err) != 0) {
        tokenizer_free(t);
        t = NULL;
    }
    json_decref(root);
    return t;
}

/* "bos_token" and the like: a string, or an object with "content". A token that tokenizer.json lacks stays unknown. */
static int want_token(const tokenizer *t, const json_t *config, const char *key, const char *file, int32_t *id, error *err)
{
    const json_t *value = json_object_get(config, key);
    const char *text = NULL;
    if (json_is_object(value) ? json_want_text(value, "content", file, &text, err)
                              : json_want_text(config, key, file, &text, err))
        return -1;
    *id = text ? tokenizer_find(t, text) : *id;
    return 0;
}

static int want_edge(const json_t *config, const char *key, const char *file, int *out, error *err)
{
    const json_t *value = json_object_get(config, key);
    bool set = false;
    if (!value || json_is_null(value))
        return 0;
    if (json_want_bool(config, key, file, &set, err) != 0)
        return -1;
    *out = set;
    return 0;
}

/* tokenizer_config.json: what it says of BOS and EOS outright goes before the post-processor's word, as in transformers. */
int tokenizer_read_config(tokenizer *t, const char *text, size_t n, const char *path, error *err)
{
    json_error_t where;   /* not json_parse: model_max_length is often 10^30 */
    json_t *config = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &where);
    int status = -1, add_bos = t->pieces ? 1 : -1, add_eos = t->pieces ? 0 : -1;   /* -1: what the post-processor says */
    if (!config)
        return fail(err, ERROR_FORMAT, "%s: not valid JSON at line %d, column %d: %s", path, where.line, where.column,
                    where.text);
    if (!json_is_object(config)) {
        fail(err, ERROR_FORMAT, "%s: should be an object", path);
        goto done;
    }
    if (want_token(t, config, "bos_token", path, &t->bos, err) != 0 || want_token(t, config, "eos_token", path, &t->eos, err) != 0
        || want_edge(config, "add_bos_token", path, &add_bos, err) != 0
        || want_edge(config, "add_eos_token", path, &add_eos, err) != 0)
        goto done;
    post_set_edges(&t->post, add_bos, t->bos, add_eos, t->eos);
    status = 0;
done:
    json_decref(config);
    return status;
}

static int read_config_file(tokenizer *t, const char *path, error *err)
{
    size_t n;
    if (!file_exists(path))
        return 0;
    char *text = file_read(path, (size_t)64 << 20, &n, err);
    int status = text ? tokenizer_read_config(t, text, n, path, err) : -1;
    free(text);
    return status;
}

static tokenizer *open_gguf(const char *path, error *err)
{
    char *json = NULL, *config = NULL;
    tokenizer *t = NULL;
    if (gguf_companion(path, "tokenizer.json", &json, err) == 0 && gguf_companion(path, "tokenizer_config.json", &config, err) == 0 && !json)
        fail(err, ERROR_UNSUPPORTED, "%s: holds no tokenizer", path);
    else if (config)
        t = tokenizer_parse(json, strlen(json), path, err);
    if (t && tokenizer_read_config(t, config, strlen(config), path, err) != 0) {
        tokenizer_free(t);
        t = NULL;
    }
    free(json);
    free(config);
    return t;
}

static tokenizer *open_file(const char *path, error *err)
{
    size_t n;
    char *text = file_read(path, (size_t)256 << 20, &n, err);
    if (!text)
        return NULL;
    tokenizer *t = piece_tokenizer_is(text, n) ? piece_tokenizer_parse(text, n, path, NULL, err) : tokenizer_parse(text, n, path, err);
    free(text);
    return t;
}

tokenizer *tokenizer_open(const char *path, error *err)
{
    if (!file_is_folder(path))
        return gguf_is(path) ? open_gguf(path, err) : open_file(path, err);
    char *json = file_join(path, "tokenizer.json"), *model = file_join(path, "tokenizer.model");
    char *config = file_join(path, "tokenizer_config.json");
    tokenizer *t = NULL;
    bool alone = !file_exists(json) && file_exists(model);
    t = alone ? piece_tokenizer_open(model, path, err) : open_file(json, err);
    if (t && !alone && read_config_file(t, config, err) != 0) {
        tokenizer_free(t);
        t = NULL;
    }
    free(json);
    free(model);
    free(config);
    return t;
}

tokenizer *tokenizer_of(const checkpoint *c, error *err)
{
    const struct checkpoint_file *json = checkpoint_file(c, "tokenizer.json"), *config = checkpoint_file(c, "tokenizer_config.json");
    if (!json && !c->folder) {
        fail(err, ERROR_USAGE, "%s: is no folder with a tokenizer", c->name);
        return NULL;
    }
    if (!json)
        return tokenizer_open(c->folder, err);
    tokenizer *t = tokenizer_parse(json->text, strlen(json->text), c->name, err);
    if (t && config && config->text && tokenizer_read_config(t, config->text, strlen(config->text), c->name, err) != 0) {
        tokenizer_free(t);
        t = NULL;
    }
    return t;
}

const char *tokenizer_kind(const tokenizer *t)
{
    return t->pieces ? "SentencePiece" : "BPE";
}

int32_t tokenizer_size(const tokenizer *t)
{
    int32_t words = t->bpe.vocabulary.size, added = t->added.words.size;
    return words > added ? words : added;
}

int32_t tokenizer_find(const tokenizer *t, const char *token)
{
    size_t n = strlen(token);
    int32_t id = vocabulary_find(&t->added.words, token, n);
    return id >= 0 ? id : vocabulary_find(&t->bpe.vocabulary, token, n);
}

const char *tokenizer_text(const tokenizer *t, int32_t id)
{
    const char *text = vocabulary_text(&t->added.words, id, NULL);
    return text ? text : vocabulary_text(&t->bpe.vocabulary, id, NULL);
}

bool tokenizer_is_special(const tokenizer *t, int32_t id)
{
    enum piece_kind kind = t->pieces && id >= 0 && id < t->pieces->file.count ? (enum piece_kind)t->pieces->file.kind[id] : PIECE_NORMAL;
    return added_is_special(&t->added, id) || kind == PIECE_CONTROL || kind == PIECE_UNKNOWN;
}

int32_t tokenizer_bos(const tokenizer *t)
{
    return t->bos;
}

int32_t tokenizer_eos(const tokenizer *t)
{
    return t->eos;
}

void tokenizer_digest(const tokenizer *t, char hex[65])
{
    string all = {0};
    if (t->pieces)
        string_print(&all, "pieces %s %d\n", t->pieces->file.digest, t->pieces->prefix_first);
    else
        bpe_describe(&t->bpe, &all);
    added_describe(&t->added, &all);
    normalizer_describe(t->normalizer, &all);
    pre_tokenizer_describe(t->pre, &all);
    post_describe(&t->post, &all);
    file_sha256(all.text, all.length, hex);
    free(all.text);
}
