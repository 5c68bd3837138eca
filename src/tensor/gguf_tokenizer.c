/* From metadata to tokenizer.json. */
#include "tensor/gguf_tokenizer.h"

#include <stdlib.h>

#include "base/json.h"

#define MAX_TOKENS (1 << 22)
#define MAX_TOKEN 1024      /* bytes; every place where a token can be split is tried */
#define MARK "\xE2\x96\x81"  /* U+2581, which stands for a space */

typedef struct token {
    const char *text;       /* [length] in the file */
    size_t length;
    int32_t type;
    float score;
} token;

typedef struct tokens {
    token *item;            /* [count], owned */
    size_t count;
    json_t *vocabulary;     /* text -> id, of the tokens that are used; owned until it is given away */
    const gguf *g;
} tokens;

static int want_numbers(const gguf *g, const char *key, enum gguf_kind kind, size_t count, const unsigned char **out, error *err)
{
    const gguf_entry *e;
    *out = NULL;
    if (gguf_want_array(g, key, kind, &e, err) != 0)
        return -1;
    if (e && e->count != count)
        return fail(err, ERROR_FORMAT, "%s: '%s' has %llu values for %zu tokens", g->path, key, (unsigned long long)e->count, count);
    *out = e ? e->data : NULL;
    return 0;
}

static int add_token(tokens *t, size_t id, error *err)
{
    const token *k = &t->item[id];
    if (k->length == 0 || k->length > MAX_TOKEN || memchr(k->text, 0, k->length))
        return fail(err, ERROR_FORMAT, "%s: token %zu has %zu bytes, outside [1, %d], or holds a NUL", t->g->path, id, k->length, MAX_TOKEN);
    if (json_object_getn(t->vocabulary, k->text, k->length))
        return fail(err, ERROR_FORMAT, "%s: token %zu, '%.*s', is there twice", t->g->path, id, (int)k->length, k->text);
    if (json_object_setn_new(t->vocabulary, k->text, k->length, json_integer((json_int_t)id)) != 0)
        return fail(err, ERROR_FORMAT, "%s: token %zu is not valid UTF-8", t->g->path, id);
    return 0;
}

static int read_tokens(const gguf *g, const gguf_entry *list, tokens *t, error *err)
{
    const unsigned char *at = list->data, *types, *scores;
    if (list->count > MAX_TOKENS)
        return fail(err, ERROR_LIMIT, "%s: %llu tokens, more than the limit of %d", g->path, (unsigned long long)list->count, MAX_TOKENS);
    *t = (tokens){.count = (size_t)list->count, .g = g, .vocabulary = json_object()};
    t->item = memory_new(t->count, sizeof *t->item);
    if (want_numbers(g, "tokenizer.ggml.token_type", GGUF_I32, t->count, &types, err) != 0 ||
        want_numbers(g, "tokenizer.ggml.scores", GGUF_F32, t->count, &scores, err) != 0)
        return -1;
    for (size_t i = 0; i < t->count; i++) {
        token *k = &t->item[i];
        k->text = gguf_next_text(&at, &k->length);
        k->type = GGUF_TOKEN_NORMAL;
        if (types)
            memcpy(&k->type, types + 4 * i, 4);
        if (scores)
            memcpy(&k->score, scores + 4 * i, 4);
        if (k->type != GGUF_TOKEN_UNUSED && add_token(t, i, err) != 0)
            return -1;
    }
    return 0;
}

static int find_token(const tokens *t, const char *key, const char *otherwise, int64_t *id, error *err)
{
    *id = -1;
    if (otherwise && json_object_get(t->vocabulary, otherwise))
        *id = json_integer_value(json_object_get(t->vocabulary, otherwise));
    if (gguf_want_int(t->g, key, -1, UINT32_MAX, id, err) != 0)
        return -1;
    if (*id >= (int64_t)t->count || (*id >= 0 && t->item[*id].type == GGUF_TOKEN_UNUSED))
        *id = -1;   /* UINT32_MAX and the like: none */
    return 0;
}

static json_t *text_of(const tokens *t, int64_t id)
{
    return id < 0 ? json_null() : json_stringn(t->item[id].text, t->item[id].length);
}

static bool is_added(const token *k)
{
    return k->type == GGUF_TOKEN_CONTROL || k->type == GGUF_TOKEN_UNKNOWN || k->type == GGUF_TOKEN_USER;
}

static json_t *added_tokens(const tokens *t)
{
    json_t *list = json_array();
    for (size_t i = 0; i < t->count; i++)
        if (is_added(&t->item[i]))
            json_array_append_new(list, json_pack("{s:I, s:o, s:b, s:b, s:b, s:b, s:b}", "id", (json_int_t)i, "content", text_of(t, (int64_t)i), "single_word", 0,
                                                  "lstrip", 0, "rstrip", 0, "normalized", 0, "special", t->item[i].type != GGUF_TOKEN_USER));
    return list;
}

/* ---- merges of a SentencePiece model */

typedef struct piece_merge {
    float score;
    uint32_t id, left;      /* left: bytes of the first part */
} piece_merge;

/* The likeliest token first; of equal ones the first in the file (a file without scores, whose ids stand in the order of merging, keeps it);
 * of one token's splits the one with the longer first part, as transformers has them. */
static int by_score(const void *a, const void *b)
{
    const piece_merge *x = a, *y = b;
    if (x->score < y->score || x->score > y->score)
        return x->score > y->score ? -1 : 1;
    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->left > y->left ? -1 : x->left < y->left;
}

static bool is_piece(const tokens *t, const char *text, size_t n)
{
    const json_t *id = json_object_getn(t->vocabulary, text, n);
    return id && t->item[json_integer_value(id)].type == GGUF_TOKEN_NORMAL;
}

static json_t *merges_of_scores(const tokens *t, error *err)
{
    piece_merge *list = NULL;
    size_t count = 0, capacity = 0;
    for (size_t i = 0; i < t->count; i++) {
        const token *k = &t->item[i];
        if (k->score < 0 || k->score >= 0)
            for (size_t n = 1; k->type == GGUF_TOKEN_NORMAL && n < k->length; n++) {
                bool inside = ((unsigned char)k->text[n] & 0xC0) == 0x80;
                if (inside || !is_piece(t, k->text, n) || !is_piece(t, k->text + n, k->length - n))
                    continue;
                if (count == capacity)
                    list = memory_grow(list, capacity = capacity ? 2 * capacity : 1024, sizeof *list);
                list[count++] = (piece_merge){k->score, (uint32_t)i, (uint32_t)n};
            }
        else {
            fail(err, ERROR_FORMAT, "%s: the score of token %zu is not a number", t->g->path, i);
            free(list);
            return NULL;
        }
    }
    if (count)
        qsort(list, count, sizeof *list, by_score);
    json_t *merges = json_array();
    for (size_t i = 0; i < count; i++) {
        const token *k = &t->item[list[i].id];
        json_array_append_new(merges, json_pack("[s%, s%]", k->text, (size_t)list[i].left, k->text + list[i].left, k->length - list[i].left));
    }
    free(list);
    return merges;
}

/* ---- the two kinds */

static json_t *pieces_model(const tokens *t, error *err)
{
    int64_t unknown;
    if (find_token(t, "tokenizer.ggml.unknown_token_id", "<unk>", &unknown, err) != 0)
        return NULL;
    json_t *merges = merges_of_scores(t, err);
    return merges ? json_pack("{s:s, s:o, s:b, s:b, s:b, s:O, s:o}", "type", "BPE", "unk_token", text_of(t, unknown), "fuse_unk", 1, "byte_fallback", 1,
                              "ignore_merges", 0, "vocab", t->vocabulary, "merges", merges)
                  : NULL;
}

static json_t *pieces_tokenizer(const tokens *t, bool prefix, error *err)
{
    json_t *model = pieces_model(t, err), *normalizers = json_array(), *decoders = json_array();
    if (prefix)
        json_array_append_new(normalizers, json_pack("{s:s, s:s}", "type", "Prepend", "prepend", MARK));
    json_array_append_new(normalizers, json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", "String", " ", "content", MARK));
    json_array_append_new(decoders, json_pack("{s:s, s:{s:s}, s:s}", "type", "Replace", "pattern", "String", MARK, "content", " "));
    json_array_append_new(decoders, json_pack("{s:s}", "type", "ByteFallback"));
    json_array_append_new(decoders, json_pack("{s:s}", "type", "Fuse"));
    if (prefix)
        json_array_append_new(decoders, json_pack("{s:s, s:s, s:i, s:i}", "type", "Strip", "content", " ", "start", 1, "stop", 0));
    json_t *whole = json_pack("{s:{s:s, s:o}, s:n, s:{s:s, s:o}}", "normalizer", "type", "Sequence", "normalizers", normalizers, "pre_tokenizer", "decoder",
                              "type", "Sequence", "decoders", decoders);
    if (model)
        json_object_set_new(whole, "model", model);
    return whole;
}

static json_t *byte_level_merges(const gguf *g, error *err)
{
    const gguf_entry *e;
    if (gguf_want_array(g, "tokenizer.ggml.merges", GGUF_TEXT, &e, err) != 0)
        return NULL;
    if (!e) {
        fail(err, ERROR_FORMAT, "%s: the metadata 'tokenizer.ggml.merges' is missing", g->path);
        return NULL;
    }
    json_t *merges = json_array();
    const unsigned char *at = e->data;
    for (uint64_t i = 0; i < e->count; i++) {
        size_t n;
        const char *text = gguf_next_text(&at, &n);
        const char *space = n > 1 ? memchr(text + 1, ' ', n - 1) : NULL;
        json_t *pair = space ? json_pack("[s%, s%]", text, (size_t)(space - text), space + 1, n - 1 - (size_t)(space - text)) : NULL;
        if (!pair) {
            fail(err, ERROR_FORMAT, "%s: merge %llu is not two tokens of valid UTF-8", g->path, (unsigned long long)i);
            json_decref(merges);
            return NULL;
        }
        json_array_append_new(merges, pair);
    }
    return merges;
}

static json_t *byte_level_tokenizer(const tokens *t, const gguf_pre *pre, error *err)
{
    json_t *merges = byte_level_merges(t->g, err);
    json_t *whole = json_pack("{s:o, s:o, s:{s:s, s:b, s:b, s:b}}", "normalizer", pre->nfc ? json_pack("{s:s}", "type", "NFC") : json_null(), "pre_tokenizer",
                              gguf_pre_json(pre), "decoder", "type", "ByteLevel", "add_prefix_space", 0, "trim_offsets", 1, "use_regex", 1);
    if (merges)
        json_object_set_new(whole, "model", json_pack("{s:s, s:n, s:b, s:b, s:b, s:O, s:o}", "type", "BPE", "unk_token", "fuse_unk", 0, "byte_fallback", 0,
                                                      "ignore_merges", pre->ignore_merges, "vocab", t->vocabulary, "merges", merges));
    return whole;
}

/* ---- edges and the whole */

static json_t *edge(const tokens *t, int64_t id)
{
    return json_pack("{s:{s:o, s:i}}", "SpecialToken", "id", text_of(t, id), "type_id", 0);
}

static json_t *post_processor(const tokens *t, int64_t bos, int64_t eos)
{
    if (bos < 0 && eos < 0)
        return json_null();
    json_t *single = json_array(), *pair = json_array(), *special = json_object();
    const int64_t ids[] = {bos, eos};
    for (int part = 0; part < 2; part++) {
        if (bos >= 0)
            json_array_append_new(part ? pair : single, edge(t, bos));
        json_array_append_new(part ? pair : single, json_pack("{s:{s:s, s:i}}", "Sequence", "id", "A", "type_id", 0));
        if (part)
            json_array_append_new(pair, json_pack("{s:{s:s, s:i}}", "Sequence", "id", "B", "type_id", 1));
        if (eos >= 0)
            json_array_append_new(part ? pair : single, edge(t, eos));
    }
    for (int i = 0; i < 2; i++)
        if (ids[i] >= 0)
            json_object_setn_new(special, t->item[ids[i]].text, t->item[ids[i]].length,
                                 json_pack("{s:o, s:[I], s:[o]}", "id", text_of(t, ids[i]), "ids", (json_int_t)ids[i], "tokens", text_of(t, ids[i])));
    return json_pack("{s:s, s:o, s:o, s:o}", "type", "TemplateProcessing", "single", single, "pair", pair, "special_tokens", special);
}

static json_t *make_config(const tokens *t, int64_t bos, int64_t eos, bool add_bos, bool add_eos, error *err)
{
    int64_t unknown, padding;
    if (find_token(t, "tokenizer.ggml.unknown_token_id", NULL, &unknown, err) != 0 || find_token(t, "tokenizer.ggml.padding_token_id", NULL, &padding, err) != 0)
        return NULL;
    json_t *config = json_pack("{s:s, s:o, s:o, s:o, s:o, s:b, s:b, s:b}", "tokenizer_class", "PreTrainedTokenizerFast", "bos_token", text_of(t, bos), "eos_token",
                               text_of(t, eos), "unk_token", text_of(t, unknown), "pad_token", text_of(t, padding), "add_bos_token", add_bos, "add_eos_token",
                               add_eos, "clean_up_tokenization_spaces", 0);
    const gguf_entry *chat = gguf_find(t->g, "tokenizer.chat_template");
    json_t *text = chat && chat->kind == GGUF_TEXT && !chat->array ? json_stringn((const char *)chat->data + 8, chat->bytes - 8) : NULL;
    if (text)
        json_object_set_new(config, "chat_template", text);
    return config;
}

static int read_kind(const gguf *g, bool *pieces, const gguf_pre **pre, error *err)
{
    const gguf_entry *model = gguf_find(g, "tokenizer.ggml.model");
    *pieces = gguf_is_text(model, "llama");
    if (!*pieces && !gguf_is_text(model, "gpt2")) {
        char *text = gguf_text(model);
        fail(err, ERROR_UNSUPPORTED, "%s: its tokenizer is of the kind '%.60s'; this program knows 'llama' and 'gpt2'", g->path, text ? text : "no text");
        free(text);
        return -1;
    }
    char *name = gguf_text(gguf_find(g, "tokenizer.ggml.pre"));
    *pre = *pieces ? NULL : gguf_pre_named(name ? name : "default");
    if (!*pieces && !*pre)
        fail(err, ERROR_UNSUPPORTED, "%s: its tokenizer's pre-tokenizer '%.60s' is not known here", g->path, name);
    free(name);
    return *pieces || *pre ? 0 : -1;
}

static int read_all(const tokens *t, bool pieces, const gguf_pre *pre, json_t **tokenizer, json_t **config, error *err)
{
    int64_t bos, eos;
    bool add_bos = pieces || pre->bos, add_eos = false, prefix = true;
    if (find_token(t, "tokenizer.ggml.bos_token_id", pieces ? "<s>" : NULL, &bos, err) != 0 ||
        find_token(t, "tokenizer.ggml.eos_token_id", pieces ? "</s>" : NULL, &eos, err) != 0 ||
        gguf_want_bool(t->g, "tokenizer.ggml.add_bos_token", &add_bos, err) != 0 || gguf_want_bool(t->g, "tokenizer.ggml.add_eos_token", &add_eos, err) != 0 ||
        gguf_want_bool(t->g, "tokenizer.ggml.add_space_prefix", &prefix, err) != 0)
        return -1;
    add_bos = add_bos && bos >= 0;
    add_eos = add_eos && eos >= 0;
    *config = make_config(t, bos, eos, add_bos, add_eos, err);
    *tokenizer = *config ? pieces ? pieces_tokenizer(t, prefix, err) : byte_level_tokenizer(t, pre, err) : NULL;
    if (!json_object_get(*tokenizer, "model"))
        return -1;
    json_object_set_new(*tokenizer, "version", json_string("1.0"));
    json_object_set_new(*tokenizer, "truncation", json_null());
    json_object_set_new(*tokenizer, "padding", json_null());
    json_object_set_new(*tokenizer, "added_tokens", added_tokens(t));
    json_object_set_new(*tokenizer, "post_processor", post_processor(t, add_bos ? bos : -1, add_eos ? eos : -1));
    return 0;
}

int gguf_tokenizer_read(const gguf *g, json_t **tokenizer, json_t **config, error *err)
{
    const gguf_entry *list;
    tokens t = {0};
    bool pieces;
    const gguf_pre *pre;
    *tokenizer = *config = NULL;
    if (gguf_want_array(g, "tokenizer.ggml.tokens", GGUF_TEXT, &list, err) != 0)
        return -1;
    if (!list)
        return 0;
    int status = read_kind(g, &pieces, &pre, err);
    if (status == 0)
        status = read_tokens(g, list, &t, err);
    if (status == 0)
        status = read_all(&t, pieces, pre, tokenizer, config, err);
    if (status != 0) {
        json_decref(*tokenizer);
        json_decref(*config);
        *tokenizer = *config = NULL;
    }
    json_decref(t.vocabulary);
    free(t.item);
    return status;
}
