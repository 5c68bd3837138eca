/* Tokenizers of models that have tokenizer.model alone: what transformers' LlamaTokenizer over SentencePiece (version 4) does. Added tokens are
 * found in raw text first, each text between them is encoded on its own; BOS is added unless tokenizer_config.json says otherwise. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "text/companion.h"
#include "text/parts.h"

#define MAX_BYTES ((size_t)64 << 20)
#define COUNT(a) (sizeof(a) / sizeof *(a))

static const char *const classes[] = {"LlamaTokenizer", "LlamaTokenizerFast", "CodeLlamaTokenizer", "CodeLlamaTokenizerFast", "GemmaTokenizer", "GemmaTokenizerFast"};
static const struct { const char *key, *usual; } named[] = {
    {"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}, {"pad_token", NULL}, {"sep_token", NULL}, {"cls_token", NULL}, {"mask_token", NULL},
};

void piece_model_free(piece_model *p)
{
    if (!p)
        return;
    piece_file_free(&p->file);
    piece_library_free(p->library);
    free(p);
}

int piece_model_encode(const tokenizer *t, const char *text, size_t n, bool first, void (*add)(void *context, int32_t id), void *context, error *err)
{
    if (!first || !t->pieces->prefix_first)
        return piece_library_encode(t->pieces->library, text, n, t->name, add, context, err);
    string prefixed = {0};
    string_puts(&prefixed, PIECE_SPACE);
    string_add(&prefixed, text, n);
    int status = piece_library_encode(t->pieces->library, prefixed.text, prefixed.length, t->name, add, context, err);
    free(prefixed.text);
    return status;
}

/* Files beside a tokenizer.model. */
typedef struct beside {
    const char *folder;
    json_t *config, *map, *numbers;   /* tokenizer_config.json, special_tokens_map.json, added_tokens.json; owned; NULL where there is none */
    json_t *added;                    /* what a tokenizer.json would list as added_tokens; owned */
    int64_t next;                     /* the id of the next token that none of them gives one */
} beside;

static void beside_free(beside *b)
{
    json_decref(b->config);
    json_decref(b->map);
    json_decref(b->numbers);
    json_decref(b->added);
}

/* Adds a token, or makes one that is there special. like: an object with its flags; may be NULL. */
static void put_added(beside *b, const vocabulary *words, const char *token, int64_t id, const json_t *like, bool special)
{
    static const char *const flags[] = {"single_word", "lstrip", "rstrip", "special"};
    size_t i;
    json_t *entry;
    json_array_foreach(b->added, i, entry)
        if (!strcmp(json_string_value(json_object_get(entry, "content")), token)) {
            if (special)
                json_object_set_new(entry, "special", json_true());
            return;
        }
    if (id < 0)
        id = vocabulary_find(words, token, strlen(token));
    if (id < 0)
        id = b->next;
    if (id >= b->next)
        b->next = id + 1;
    entry = json_pack("{s:I, s:s}", "id", (json_int_t)id, "content", token);
    for (i = 0; i < COUNT(flags); i++)
        json_object_set_new(entry, flags[i], json_boolean(json_is_true(json_object_get(like, flags[i]))));
    if (special)
        json_object_set_new(entry, "special", json_true());
    json_array_append_new(b->added, entry);
}

/* {"32000": {"content": "<pad>", ...}} of tokenizer_config.json, or {"<pad>": 32000} of added_tokens.json. */
static int add_numbered(beside *b, const vocabulary *words, const json_t *list, const char *file, error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)list, key, value) {
        const json_t *content = json_object_get(value, "content");
        char *end = NULL;
        int64_t id = json_is_object(value) ? strtoll(key, &end, 10) : json_integer_value(value);
        if (json_is_object(value) ? *end || !json_is_string(content) : !json_is_integer(value))
            return fail(err, ERROR_FORMAT, "%s: %s: '%.100s' is not an id with a token", b->folder, file, key);
        if (id < 0 || id >= VOCABULARY_LIMIT)
            return fail(err, ERROR_FORMAT, "%s: %s: a token with id %lld, outside [0, %d)", b->folder, file, (long long)id, VOCABULARY_LIMIT);
        const char *token = json_is_object(value) ? json_string_value(content) : key;
        if (token[0])
            put_added(b, words, token, id, value, false);
    }
    return 0;
}

static void add_special(beside *b, const vocabulary *words, const json_t *value)
{
    const char *token = json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
    if (token && token[0])
        put_added(b, words, token, -1, json_is_object(value) ? value : NULL, true);
}

static void add_named(beside *b, const vocabulary *words)
{
    size_t i;
    json_t *value;
    for (i = 0; i < COUNT(named); i++) {
        const json_t *said = json_object_get(b->config, named[i].key);
        said = said ? said : json_object_get(b->map, named[i].key);
        if (said)
            add_special(b, words, said);
        else if (named[i].usual && vocabulary_find(words, named[i].usual, strlen(named[i].usual)) >= 0)
            put_added(b, words, named[i].usual, -1, NULL, true);
    }
    json_t *extra = json_object_get(b->config, "additional_special_tokens");
    json_array_foreach(extra ? extra : json_object_get(b->map, "additional_special_tokens"), i, value)
        add_special(b, words, value);
}

static int check_class(const beside *b, error *err)
{
    const char *class = NULL;
    if (json_want_text(b->config, "tokenizer_class", b->folder, &class, err) != 0)
        return -1;
    for (size_t i = 0; class && i < COUNT(classes); i++)
        if (!strcmp(class, classes[i]))
            class = NULL;
    if (class)
        return fail(err, ERROR_UNSUPPORTED, "%s: a %s over tokenizer.model is not known here; write a tokenizer.json with transformers: "
                    "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)", b->folder, class);
    return 0;
}

/* Everything that the files beside the model say but BOS and EOS. */
static int read_beside(tokenizer *t, beside *b, bool *legacy, bool *prefix, error *err)
{
    if (companion_object(b->folder, "tokenizer_config.json", &b->config, err) != 0 || companion_object(b->folder, "special_tokens_map.json", &b->map, err) != 0 ||
        companion_object(b->folder, "added_tokens.json", &b->numbers, err) != 0 || check_class(b, err) != 0 ||
        json_want_bool(b->config, "legacy", b->folder, legacy, err) != 0 || json_want_bool(b->config, "add_prefix_space", b->folder, prefix, err) != 0)
        return -1;
    const json_t *listed = json_object_get(b->config, "added_tokens_decoder");
    b->added = json_array();
    b->next = t->bpe.vocabulary.size;
    if (add_numbered(b, &t->bpe.vocabulary, listed ? listed : b->numbers, listed ? "tokenizer_config.json" : "added_tokens.json", err) != 0)
        return -1;
    add_named(b, &t->bpe.vocabulary);
    return 0;
}

static int set_edges(tokenizer *t, const beside *b, error *err)
{
    post_start(&t->post);
    if (!b->config) {
        post_set_edges(&t->post, 1, t->bos, 0, t->eos);
        return 0;
    }
    char *path = file_join(b->folder, "tokenizer_config.json"), *text = json_dumps(b->config, 0);
    int status = tokenizer_read_config(t, text, strlen(text), path, err);
    free(text);
    free(path);
    return status;
}

static int build(tokenizer *t, const char *bytes, size_t n, const char *folder, error *err)
{
    beside b = {.folder = folder};
    piece_model *p = t->pieces;
    bool legacy = true, prefix = true;
    int status = -1;
    if (piece_file_parse(&p->file, &t->bpe.vocabulary, bytes, n, t->name, err) != 0 || (folder && read_beside(t, &b, &legacy, &prefix, err) != 0))
        goto done;
    p->library = piece_library_open(bytes, n, legacy, t->name, err);
    t->normalizer = normalizer_read(NULL, t->name, err);
    t->pre = pre_tokenizer_read(NULL, t->name, err);
    if (!p->library || !t->normalizer || !t->pre || added_read(&t->added, b.added, &t->bpe, t->normalizer, t->name, err) != 0)
        goto done;
    p->prefix_first = !legacy && prefix;
    p->strips = legacy ? p->file.dummy_prefix || p->file.trims : prefix;
    t->bos = piece_library_bos(p->library);
    t->eos = piece_library_eos(p->library);
    status = set_edges(t, &b, err);
done:
    beside_free(&b);
    return status;
}

tokenizer *piece_tokenizer_parse(const char *bytes, size_t n, const char *name, const char *folder, error *err)
{
    tokenizer *t = memory_new(1, sizeof *t);
    t->name = memory_text(name);
    t->bos = t->eos = -1;
    t->pieces = memory_new(1, sizeof *t->pieces);
    if (build(t, bytes, n, folder, err) == 0)
        return t;
    tokenizer_free(t);
    return NULL;
}

tokenizer *piece_tokenizer_open(const char *path, const char *folder, error *err)
{
    size_t n;
    char *bytes = file_read(path, MAX_BYTES, &n, err);
    if (!bytes)
        return NULL;
    tokenizer *t = piece_tokenizer_parse(bytes, n, path, folder, err);
    free(bytes);
    return t;
}

/* The first field is a piece, of a few bytes; JSON may begin with the same byte, a newline. */
bool piece_tokenizer_is(const char *bytes, size_t n)
{
    size_t space = n ? strspn(bytes, " \t\r\n") : 0;
    return n && bytes[0] == '\n' && bytes[space] != '{';
}
