/* From tokenizer.json to metadata, as llama.cpp's converter has it with one difference: it gives every token of a SentencePiece
 * vocabulary the same score, with which llama.cpp cannot tell which merge goes first. Here a token's score is its merge's rank. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tensor/gguf_model.h"
#include "tensor/gguf_tokenizer.h"

#define MAX_FILE ((size_t)256 << 20)
#define PLACEHOLDER (-1000.0f)   /* the converter's score */

typedef struct words {
    const json_t **text;       /* [count] a JSON string, NULL for a hole; borrowed from the tokenizer; owned */
    int32_t *type;             /* [count] owned */
    float *score;              /* [count] owned */
    size_t count;
    const char *file;
} words;

static void free_words(words *w)
{
    free(w->text);
    free(w->type);
    free(w->score);
}

/* An object of one of the model's files; NULL and no error where there is none. Whole numbers may be larger than 64 bits hold where
 * `large`: model_max_length is often 10^30. */
static int read_object(const checkpoint *c, const char *name, bool large, json_t **out, error *err)
{
    char *text;
    size_t n;
    json_error_t where;
    *out = NULL;
    if (companion_of(c, name, MAX_FILE, &text, &n, err) != 0)
        return -1;
    *out = text ? json_loadb(text, n, JSON_REJECT_DUPLICATES | (large ? JSON_DECODE_INT_AS_REAL : 0), &where) : NULL;
    int status = !text || json_is_object(*out) ? 0 : fail(err, ERROR_FORMAT, "%s: its %s should be a JSON object", c->name, name);
    free(text);
    return status;
}

static bool is_byte(const char *text)
{
    return strlen(text) == 6 && strncmp(text, "<0x", 3) == 0 && strspn(text + 3, "0123456789abcdefABCDEF") == 2 && text[5] == '>';
}

static int put_word(words *w, const json_t *text, const json_t *id, int32_t type, error *err)
{
    int64_t at = json_is_integer(id) ? json_integer_value(id) : -1;
    if (!json_is_string(text) || at < 0)
        return fail(err, ERROR_FORMAT, "%s: a token without a text or an id", w->file);
    if (at >= (int64_t)w->count)
        return fail(err, ERROR_FORMAT, "%s: the token '%.100s' has the id %lld, the model has %zu rows", w->file, json_string_value(text), (long long)at, w->count);
    w->text[at] = text;
    w->type[at] = type;
    return 0;
}

/* What the converter takes for special, whatever the tokenizer says of it. */
static bool looks_special(const char *text)
{
    static const char *const known[] = {"<pad>", "<mask>", "<2mass>", "[@BOS@]"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(text, known[i]) == 0)
            return true;
    return (strncmp(text, "<|", 2) == 0 && text_ends_with(text, "|>")) || (strncmp(text, "<\xEF\xBD\x9C", 4) == 0 && text_ends_with(text, "\xEF\xBD\x9C>")) ||
           (strncmp(text, "<unused", 7) == 0 && text_ends_with(text, ">"));
}

/* keys: the vocabulary's texts as JSON strings, which live as long as the words do. */
static int read_words(const json_t *tokenizer, bool pieces, json_t *keys, words *w, error *err)
{
    const json_t *vocabulary = json_object_get(json_object_get(tokenizer, "model"), "vocab"), *added = json_object_get(tokenizer, "added_tokens");
    const char *text;
    json_t *id;
    json_object_foreach((json_t *)vocabulary, text, id) {
        json_array_append_new(keys, json_string(text));
        if (put_word(w, json_array_get(keys, json_array_size(keys) - 1), id, pieces && is_byte(text) ? GGUF_TOKEN_BYTE : GGUF_TOKEN_NORMAL, err) != 0)
            return -1;
    }
    for (size_t i = 0; i < json_array_size(added); i++) {
        const json_t *one = json_array_get(added, i), *content = json_object_get(one, "content");
        const char *word = json_string_value(content);
        bool special = json_is_true(json_object_get(one, "special")) || (!pieces && word && looks_special(word));
        bool in_vocabulary = pieces && word && json_object_get(vocabulary, word);
        if (put_word(w, content, json_object_get(one, "id"), special ? GGUF_TOKEN_CONTROL : in_vocabulary ? GGUF_TOKEN_NORMAL : GGUF_TOKEN_USER, err) != 0)
            return -1;
    }
    return 0;
}

/* Both halves of a merge, written "a b" or ["a", "b"]. */
static int split_merge(const json_t *merge, size_t rank, const char *file, char **left, char **right, error *err)
{
    const char *text = json_string_value(merge), *space = text ? strchr(text, ' ') : NULL;
    const char *a = json_string_value(json_array_get(merge, 0)), *b = json_string_value(json_array_get(merge, 1));
    if (!space && !(a && b))
        return fail(err, ERROR_FORMAT, "%s: merge %zu should be two tokens, as \"a b\" or [\"a\", \"b\"]", file, rank);
    *left = space ? memory_text_n(text, (size_t)(space - text)) : memory_text(a);
    *right = memory_text(space ? space + 1 : b);
    return 0;
}

static int score_words(const json_t *tokenizer, words *w, error *err)
{
    const json_t *model = json_object_get(tokenizer, "model"), *vocabulary = json_object_get(model, "vocab"), *merges = json_object_get(model, "merges");
    size_t n = json_array_size(merges);
    for (size_t i = 0; i < w->count; i++)
        w->score[i] = w->type[i] == GGUF_TOKEN_NORMAL ? PLACEHOLDER - (float)n : PLACEHOLDER;
    for (size_t rank = n; rank-- > 0;) {   /* backwards: a token's first merge is the one that stays */
        char *left, *right;
        if (split_merge(json_array_get(merges, rank), rank, w->file, &left, &right, err) != 0)
            return -1;
        char *whole = memory_print("%s%s", left, right);
        const json_t *id = json_object_get(vocabulary, whole);
        int64_t at = json_is_integer(id) ? json_integer_value(id) : -1;
        if (at >= 0 && at < (int64_t)w->count)
            w->score[at] = -(float)rank;
        free(whole);
        free(left);
        free(right);
    }
    return 0;
}

/* ---- entries */

static void put_words(const words *w, bool pieces, string *out, uint64_t *n)
{
    string list = {0};
    for (size_t i = 0; i < w->count; i++) {
        char *padding = w->text[i] ? NULL : memory_print("[PAD%zu]", i);
        gguf_add_text(&list, padding ? padding : json_string_value(w->text[i]), padding ? strlen(padding) : json_string_length(w->text[i]));
        free(padding);
    }
    gguf_put_array(out, "tokenizer.ggml.tokens", GGUF_TEXT, w->count, list.text, list.length);
    if (pieces)
        gguf_put_array(out, "tokenizer.ggml.scores", GGUF_F32, w->count, w->score, w->count * sizeof *w->score);
    gguf_put_array(out, "tokenizer.ggml.token_type", GGUF_I32, w->count, w->type, w->count * sizeof *w->type);
    *n += pieces ? 3 : 2;
    free(list.text);
}

/* A space inside a merge's half is written as byte-level BPE writes one: U+0120. */
static void add_half(string *s, const char *text)
{
    for (; *text; text++)
        string_add(s, *text == ' ' ? "\xC4\xA0" : text, *text == ' ' ? 2 : 1);
}

static int put_merges(const json_t *merges, const char *file, string *out, uint64_t *n, error *err)
{
    string list = {0}, one = {0};
    int status = 0;
    for (size_t i = 0; i < json_array_size(merges) && status == 0; i++) {
        char *left = NULL, *right = NULL;
        status = split_merge(json_array_get(merges, i), i, file, &left, &right, err);
        if (status == 0) {
            one.length = 0;
            add_half(&one, left);
            string_puts(&one, " ");
            add_half(&one, right);
            gguf_add_text(&list, one.text, one.length);
        }
        free(left);
        free(right);
    }
    if (status == 0 && json_array_size(merges)) {
        gguf_put_array(out, "tokenizer.ggml.merges", GGUF_TEXT, json_array_size(merges), list.text, list.length);
        ++*n;
    }
    free(list.text);
    free(one.text);
    return status;
}

/* "bos_token": a text, or an object with "content". */
static const char *special_text(const json_t *config, const char *kind)
{
    char *key = memory_print("%s_token", kind);
    const json_t *value = json_object_get(config, key);
    const char *text = json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
    free(key);
    return text;
}

static int64_t special_id(const json_t *tokenizer, const json_t *config, const json_t *model_config, const char *kind)
{
    const char *text = special_text(config, kind);
    const json_t *added = json_object_get(tokenizer, "added_tokens");
    for (size_t i = 0; text && i < json_array_size(added); i++) {
        const json_t *one = json_array_get(added, i);
        const char *content = json_string_value(json_object_get(one, "content"));
        if (content && strcmp(content, text) == 0)
            return json_integer_value(json_object_get(one, "id"));
    }
    char *key = memory_print("%s_token_id", kind);
    const json_t *id = json_object_get(model_config, key);
    id = json_is_array(id) ? json_array_get(id, 0) : id;
    free(key);
    return json_is_integer(id) ? json_integer_value(id) : -1;
}

static void put_special_ids(const json_t *tokenizer, const json_t *config, const json_t *model_config, size_t count, string *out, uint64_t *n)
{
    static const struct { const char *kind, *key; } kinds[] = {{"bos", "tokenizer.ggml.bos_token_id"}, {"eos", "tokenizer.ggml.eos_token_id"},
                                                               {"unk", "tokenizer.ggml.unknown_token_id"}, {"pad", "tokenizer.ggml.padding_token_id"}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        int64_t id = special_id(tokenizer, config, model_config, kinds[i].kind);
        if (id >= 0 && id < (int64_t)count) {
            gguf_put_u32(out, kinds[i].key, (uint32_t)id);
            ++*n;
        }
    }
}

/* Whether the template of a single text begins, or ends, with the special token of this text. -1: there is no template. */
static int template_adds(const json_t *post, bool last, const char *text)
{
    const json_t *single = json_object_get(post, "single"), *list = json_object_get(post, "processors");
    size_t n = json_array_size(single);
    if (n) {
        const char *id = json_string_value(json_object_get(json_object_get(json_array_get(single, last ? n - 1 : 0), "SpecialToken"), "id"));
        return id && text && strcmp(id, text) == 0;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        int adds = json_object_get(one, "processors") ? -1 : template_adds(one, last, text);
        if (adds >= 0)
            return adds;
    }
    return -1;
}

/* tokenizer_config.json's word goes before the template's, as it does where this program reads the two. */
static void put_edges(const json_t *tokenizer, const json_t *config, string *out, uint64_t *n)
{
    static const struct { const char *kind, *said, *key; } edges[] = {{"bos", "add_bos_token", "tokenizer.ggml.add_bos_token"},
                                                                      {"eos", "add_eos_token", "tokenizer.ggml.add_eos_token"}};
    for (int i = 0; i < 2; i++) {
        const json_t *said = json_object_get(config, edges[i].said);
        int adds = json_is_boolean(said) ? json_is_true(said) : template_adds(json_object_get(tokenizer, "post_processor"), i, special_text(config, edges[i].kind));
        gguf_put_bool(out, edges[i].key, adds > 0);
        ++*n;
    }
}

static int put_chat_template(const checkpoint *c, const json_t *config, string *out, uint64_t *n, error *err)
{
    const char *said = json_string_value(json_object_get(config, "chat_template"));
    char *text = memory_text(said);
    size_t bytes = said ? strlen(said) : 0;
    if (!said && companion_of(c, "chat_template.jinja", MAX_FILE, &text, &bytes, err) != 0)
        return -1;
    if (text) {
        gguf_put_text(out, "tokenizer.chat_template", text, bytes);
        ++*n;
    }
    free(text);
    return 0;
}

/* ---- the whole */

static bool has_component(const json_t *value, const char *type)
{
    const char *keys[] = {"normalizers", "pretokenizers", "decoders"}, *own = json_string_value(json_object_get(value, "type"));
    if (own && strcmp(own, type) == 0)
        return true;
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < json_array_size(json_object_get(value, keys[k])); i++) {
            const char *inner = json_string_value(json_object_get(json_array_get(json_object_get(value, keys[k]), i), "type"));
            if (inner && strcmp(inner, type) == 0)
                return true;
        }
    return false;
}

/* Llama's and Mistral's: a space before the text unless the tokenizer says otherwise. */
static bool puts_space_before(const json_t *tokenizer)
{
    const json_t *pre = json_object_get(tokenizer, "pre_tokenizer");
    const char *scheme = json_string_value(json_object_get(pre, "prepend_scheme"));
    if (has_component(pre, "Metaspace"))
        return !scheme || strcmp(scheme, "never") != 0;
    return has_component(json_object_get(tokenizer, "normalizer"), "Prepend");
}

static int put_kind(const json_t *tokenizer, bool pieces, const char *file, string *out, uint64_t *n, error *err)
{
    const json_t *model = json_object_get(tokenizer, "model");
    const gguf_pre *pre = pieces ? NULL : gguf_pre_of(json_object_get(tokenizer, "pre_tokenizer"), json_is_true(json_object_get(model, "ignore_merges")));
    if (!pieces && !pre)
        return fail(err, ERROR_UNSUPPORTED, "%s: its tokenizer's pre_tokenizer has no name in GGUF files that is known here", file);
    if (pieces && !puts_space_before(tokenizer)) {
        gguf_put_bool(out, "tokenizer.ggml.add_space_prefix", false);
        ++*n;
    }
    const char *kind = pieces ? "llama" : "gpt2", *name = pieces ? "default" : pre->names[0];
    gguf_put_text(out, "tokenizer.ggml.model", kind, strlen(kind));
    gguf_put_text(out, "tokenizer.ggml.pre", name, strlen(name));
    *n += 2;
    return 0;
}

static int put_tokenizer(const checkpoint *c, const json_t *tokenizer, const json_t *config, const json_t *model_config, int64_t vocabulary, const char *file,
                         string *out, uint64_t *n, error *err)
{
    const json_t *model = json_object_get(tokenizer, "model");
    bool pieces = json_is_true(json_object_get(model, "byte_fallback"));
    const char *type = json_string_value(json_object_get(model, "type"));
    if (!json_is_object(json_object_get(model, "vocab")) || (type && strcmp(type, "BPE") != 0))
        return fail(err, ERROR_UNSUPPORTED, "%s: its tokenizer is no BPE", file);
    words w = {.count = (size_t)vocabulary, .file = file};
    w.text = memory_new(w.count, sizeof *w.text);
    w.type = memory_new(w.count, sizeof *w.type);
    w.score = memory_new(w.count, sizeof *w.score);
    for (size_t i = 0; i < w.count; i++)
        w.type[i] = GGUF_TOKEN_UNUSED;
    json_t *keys = json_array();
    int status = put_kind(tokenizer, pieces, file, out, n, err);
    if (status == 0)
        status = read_words(tokenizer, pieces, keys, &w, err);
    if (status == 0 && pieces)
        status = score_words(tokenizer, &w, err);
    if (status == 0) {
        put_words(&w, pieces, out, n);
        status = pieces ? 0 : put_merges(json_object_get(model, "merges"), file, out, n, err);
    }
    if (status == 0) {
        put_special_ids(tokenizer, config, model_config, w.count, out, n);
        put_edges(tokenizer, config, out, n);
        status = put_chat_template(c, config, out, n, err);
    }
    json_decref(keys);
    free_words(&w);
    return status;
}

static int copy_entries(const char *path, int64_t vocabulary, string *out, uint64_t *n, error *err)
{
    buffer *file = buffer_map(path, err);
    gguf *g = file ? gguf_parse(file, path, err) : NULL;
    const gguf_entry *list = g ? gguf_find(g, "tokenizer.ggml.tokens") : NULL;
    int status = g ? 0 : -1;
    if (list && list->count != (uint64_t)vocabulary)
        status = fail(err, ERROR_FORMAT, "%s: holds %llu tokens, the model has %lld rows", path, (unsigned long long)list->count, (long long)vocabulary);
    for (size_t i = 0; g && status == 0 && i < g->n_entries; i++)
        if (strncmp(g->entries[i].key, "tokenizer.", 10) == 0) {
            gguf_put_entry(out, &g->entries[i]);
            ++*n;
        }
    gguf_free(g);
    buffer_free(file);
    return status;
}

int gguf_tokenizer_write(const checkpoint *c, const json_t *config, int64_t vocabulary, string *out, uint64_t *n, error *err)
{
    json_t *tokenizer = NULL, *tokenizer_config = NULL;
    if (!checkpoint_file(c, "tokenizer.json") && c->folder && gguf_is(c->folder))
        return copy_entries(c->folder, vocabulary, out, n, err);
    int status = read_object(c, "tokenizer.json", false, &tokenizer, err) == 0 ? read_object(c, "tokenizer_config.json", true, &tokenizer_config, err) : -1;
    if (status == 0 && !tokenizer)
        status = fail(err, ERROR_USAGE, "%s: has no tokenizer.json, and a GGUF file holds the tokenizer too", c->name);
    if (status == 0)
        status = put_tokenizer(c, tokenizer, tokenizer_config, config, vocabulary, c->name, out, n, err);
    json_decref(tokenizer_config);
    json_decref(tokenizer);
    return status;
}
