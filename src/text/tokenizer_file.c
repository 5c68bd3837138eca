/* Invariants
 * 1. words holds every token of the model's vocabulary and of the added ones; an id that stands in both has one text (tokenizer_open has checked).
 * 2. entry[id] is the entry of root's added_tokens with that id, or NULL. */
#include "text/tokenizer_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tensor/gguf_model.h"
#include "text/companion.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

struct tokenizer_file {
    char *name;          /* the folder, or a .gguf file */
    json_t *root;        /* tokenizer.json */
    json_t *config;      /* tokenizer_config.json, with what special_tokens_map.json says; NULL where there is none */
    vocabulary words;
    json_t **entry;      /* [words.size] borrowed from root */
};

static const char *const named_tokens[] = {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};
static const char *const flags[] = {"single_word", "lstrip", "rstrip", "normalized", "special"};
#define COUNT(a) (sizeof(a) / sizeof *(a))

void tokenizer_file_free(tokenizer_file *f)
{
    if (!f)
        return;
    json_decref(f->root);
    json_decref(f->config);
    vocabulary_free(&f->words);
    free(f->entry);
    free(f->name);
    free(f);
}

static int put_word(tokenizer_file *f, const char *token, int64_t id, error *err)
{
    int32_t before = f->words.size;
    if (vocabulary_add(&f->words, token, strlen(token), id, f->name, err) != 0)
        return -1;
    if (f->words.size > before) {
        f->entry = memory_grow(f->entry, (size_t)f->words.size, sizeof *f->entry);
        memset(f->entry + before, 0, (size_t)(f->words.size - before) * sizeof *f->entry);
    }
    return 0;
}

/* words and entry as root says. */
static int index_words(tokenizer_file *f, error *err)
{
    json_t *vocab = json_object_get(json_object_get(f->root, "model"), "vocab"), *added = json_object_get(f->root, "added_tokens"), *value;
    const char *token;
    size_t i;
    vocabulary_free(&f->words);
    vocabulary_reserve(&f->words, json_object_size(vocab) + json_array_size(added));
    json_object_foreach(vocab, token, value)
        if (put_word(f, token, json_integer_value(value), err) != 0)
            return -1;
    json_array_foreach(added, i, value) {
        int64_t id = json_integer_value(json_object_get(value, "id"));
        token = json_string_value(json_object_get(value, "content"));
        if (!token[0])
            continue;
        if (tokenizer_file_find(f, token) < 0 && put_word(f, token, id, err) != 0)
            return -1;
        f->entry[id] = value;
    }
    return 0;
}

int32_t tokenizer_file_size(const tokenizer_file *f)
{
    return f->words.size;
}

int32_t tokenizer_file_find(const tokenizer_file *f, const char *token)
{
    return vocabulary_find(&f->words, token, strlen(token));
}

const char *tokenizer_file_text(const tokenizer_file *f, int32_t id)
{
    return vocabulary_text(&f->words, id, NULL);
}

/* A token is written as its text, or as an object with "content". */
static const char *content_of(const json_t *value)
{
    return json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
}

int32_t tokenizer_file_named(const tokenizer_file *f, const char *key)
{
    const char *token = content_of(json_object_get(f->config, key));
    return token ? tokenizer_file_find(f, token) : -1;
}

const json_t *tokenizer_file_added(const tokenizer_file *f, int32_t id)
{
    return id >= 0 && id < f->words.size ? f->entry[id] : NULL;
}

int tokenizer_file_add(tokenizer_file *f, const char *token, const json_t *like, error *err)
{
    int32_t id = tokenizer_file_find(f, token);
    if (id < 0) {
        id = f->words.size;
        if (put_word(f, token, id, err) != 0)
            return -1;
    }
    if (!f->entry[id]) {
        f->entry[id] = json_pack("{s:i, s:s}", "id", id, "content", token);
        json_array_append_new(json_object_get(f->root, "added_tokens"), f->entry[id]);
    }
    for (size_t i = 0; i < COUNT(flags); i++)
        json_object_set_new(f->entry[id], flags[i], json_boolean(like ? json_is_true(json_object_get(like, flags[i])) : strcmp(flags[i], "normalized") == 0));
    return 0;
}

/* A token with a name such as bos_token, or one of the extra ones: special, whatever it was. */
static int add_special(tokenizer_file *f, const json_t *value, error *err)
{
    const char *token = content_of(value);
    if (!token || !token[0])
        return 0;
    int32_t id = tokenizer_file_find(f, token);
    json_t *like = id >= 0 && f->entry[id] ? json_copy(f->entry[id]) : json_is_object(value) ? json_deep_copy(value) : json_object();
    json_object_set_new(like, "special", json_true());
    int status = tokenizer_file_add(f, token, like, err);
    json_decref(like);
    return status;
}

static bool is_named(const char *key)
{
    for (size_t i = 0; i < COUNT(named_tokens); i++)
        if (strcmp(named_tokens[i], key) == 0)
            return true;
    return false;
}

static int add_named(tokenizer_file *f, error *err)
{
    const char *key;
    json_t *value, *extra = json_object_get(f->config, "extra_special_tokens");
    size_t i;
    for (i = 0; i < COUNT(named_tokens); i++)
        if (add_special(f, json_object_get(f->config, named_tokens[i]), err) != 0)
            return -1;
    json_object_foreach(f->config, key, value)
        if (text_ends_with(key, "_token") && !is_named(key) && add_special(f, value, err) != 0)
            return -1;
    json_object_foreach(extra, key, value)
        if (add_special(f, value, err) != 0)
            return -1;
    if (json_array_size(extra) == 0)
        extra = json_object_get(f->config, "additional_special_tokens");
    json_array_foreach(extra, i, value)
        if (add_special(f, value, err) != 0)
            return -1;
    return 0;
}

struct numbered { int64_t id; const char *token; const json_t *like; };

static int by_id(const void *a, const void *b)
{
    const struct numbered *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* Tokens by id, as tokenizer_config.json lists them {"96": {"content": "<pad>", ...}} or added_tokens.json {"<pad>": 96}. */
static int add_numbered(tokenizer_file *f, const json_t *list, error *err)
{
    struct numbered *all = memory_new(json_object_size(list), sizeof *all);
    const char *key;
    json_t *value;
    size_t n = 0;
    int status = 0;
    json_object_foreach((json_t *)list, key, value) {
        const char *content = json_string_value(json_object_get(value, "content"));
        struct numbered one = json_is_object(value) ? (struct numbered){strtoll(key, NULL, 10), content, value} : (struct numbered){json_integer_value(value), key, NULL};
        if (one.token && one.token[0] && (json_is_object(value) || json_is_integer(value)))
            all[n++] = one;
    }
    qsort(all, n, sizeof *all, by_id);
    for (size_t i = 0; i < n && status == 0; i++)
        if (all[i].like || tokenizer_file_find(f, all[i].token) < 0)
            status = tokenizer_file_add(f, all[i].token, all[i].like, err);
    free(all);
    return status;
}

/* What stands beside tokenizer.json, in the order in which transformers looks at it. */
static int read_beside(tokenizer_file *f, error *err)
{
    json_t *map = NULL, *added = NULL;
    int status = -1;
    if (companion_object(f->name, "tokenizer_config.json", &f->config, err) != 0 || companion_object(f->name, "special_tokens_map.json", &map, err) != 0 ||
        companion_object(f->name, "added_tokens.json", &added, err) != 0)
        goto done;
    const json_t *listed = json_object_get(f->config, "added_tokens_decoder");
    if (!f->config && map)
        f->config = json_object();
    if (!listed && map)
        json_object_update(f->config, map);
    if (add_numbered(f, listed ? listed : added, err) == 0 && add_named(f, err) == 0)
        status = 0;
    json_object_del(f->config, "added_tokens_decoder");
done:
    json_decref(added);
    json_decref(map);
    return status;
}

/* The file is checked by the reader that encodes with it. */
static int check(const char *folder, error *err)
{
    tokenizer *t = tokenizer_open(folder, err);
    tokenizer_free(t);
    return t ? 0 : -1;
}

tokenizer_file *tokenizer_file_open(const char *folder, error *err)
{
    char *text;
    size_t n;
    if (check(folder, err) != 0 || companion_read(folder, "tokenizer.json", (size_t)256 << 20, &text, &n, err) != 0)
        return NULL;
    if (!text) {
        fail(err, ERROR_UNSUPPORTED, "%s: has tokenizer.model but no tokenizer.json, from which tokenizers are put together; write one with transformers: "
             "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)", folder);
        return NULL;
    }
    tokenizer_file *f = memory_new(1, sizeof *f);
    f->name = memory_text(folder);
    f->root = json_parse(text, n, folder, err);
    free(text);
    if (f->root && !json_is_array(json_object_get(f->root, "added_tokens")))
        json_object_set_new(f->root, "added_tokens", json_array());
    if (f->root && index_words(f, err) == 0 && read_beside(f, err) == 0)
        return f;
    tokenizer_file_free(f);
    return NULL;
}

tokenizer_file *tokenizer_file_copy(const tokenizer_file *f)
{
    tokenizer_file *copy = memory_new(1, sizeof *copy);
    copy->name = memory_text(f->name);
    copy->root = json_deep_copy(f->root);
    copy->config = json_deep_copy(f->config);
    index_words(copy, NULL);   /* the words of f fitted */
    return copy;
}

/* Whether a merge needs a token that is gone: as one of its parts or as the whole. */
static bool merge_is_gone(const json_t *value, const json_t *vocab)
{
    const char *text = json_string_value(value), *space = text ? strchr(text, ' ') : NULL;
    char *left = space ? memory_text_n(text, (size_t)(space - text)) : memory_text(json_string_value(json_array_get(value, 0)));
    const char *right = space ? space + 1 : json_string_value(json_array_get(value, 1));
    char *whole = memory_print("%s%s", left ? left : "", right ? right : "");
    bool gone = left && right && !(json_object_get(vocab, left) && json_object_get(vocab, right) && json_object_get(vocab, whole));
    free(whole);
    free(left);
    return gone;
}

static json_t *keep_merges(const json_t *list, const json_t *vocab)
{
    json_t *kept = json_array(), *value;
    size_t i;
    json_array_foreach((json_t *)list, i, value)
        if (!merge_is_gone(value, vocab))
            json_array_append(kept, value);
    return kept;
}

int tokenizer_file_strip(tokenizer_file *f, int64_t rows, error *err)
{
    if (f->words.size <= rows)
        return 0;
    json_t *model = json_object_get(f->root, "model"), *vocab = json_object_get(model, "vocab"), *added = json_object_get(f->root, "added_tokens"), *value;
    const char *token;
    void *next;
    json_object_foreach_safe(vocab, next, token, value)
        if (json_integer_value(value) >= rows)
            json_object_del(vocab, token);
    for (size_t i = json_array_size(added); i-- > 0;)
        if (json_integer_value(json_object_get(json_array_get(added, i), "id")) >= rows)
            json_array_remove(added, i);
    const json_t *prefix = json_object_get(model, "continuing_subword_prefix");
    if (json_is_string(prefix) && json_string_length(prefix))
        return fail(err, ERROR_UNSUPPORTED, "%s: its embeddings have %lld rows for %d tokens, and a vocabulary with continuing_subword_prefix cannot be cut", f->name,
                    (long long)rows, f->words.size);
    json_object_set_new(model, "merges", keep_merges(json_object_get(model, "merges"), vocab));
    if (index_words(f, err) != 0)
        return -1;
    json_object_foreach_safe(f->config, next, token, value) {
        const char *content = content_of(value);
        if (text_ends_with(token, "_token") && content && tokenizer_file_find(f, content) < 0)
            json_object_del(f->config, token);
    }
    return 0;
}

char *tokenizer_file_json(const tokenizer_file *f)
{
    json_t *root = json_copy(f->root), *added = json_array();
    for (int32_t id = 0; id < f->words.size; id++)
        if (f->entry[id])
            json_array_append(added, f->entry[id]);
    json_object_set_new(root, "added_tokens", added);
    return json_print(root, -1);
}

char *tokenizer_file_config(const tokenizer_file *f, bool keep_chat_template)
{
    if (!f->config)
        return NULL;
    json_t *config = json_copy(f->config);
    if (!keep_chat_template)
        json_object_del(config, "chat_template");
    char *text = json_print(config, 2), *line = memory_print("%s\n", text);
    free(text);
    return line;
}
