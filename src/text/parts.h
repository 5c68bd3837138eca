/* What a tokenizer is made of: private to this folder. Text goes through the parts in this order:
 *
 *     added tokens that are matched in raw text -> normalizer -> added tokens that are matched in normalised text
 *     -> pre-tokenizer (pieces) -> BPE (ids of each piece) -> post-processor (BOS and the like around all of it)
 *
 * and ids back through the decoder, a chain over the list of token texts. Every X_read takes the JSON of its
 * component and the file's name; NULL or JSON null is a component that does nothing. */
#ifndef TEXT_PARTS_H
#define TEXT_PARTS_H

#include <jansson.h>

#include "text/pattern.h"
#include "text/sentencepiece.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

/* "type" of a component; -1 and *err where it is not a string. */
int component_type(const json_t *value, const char *what, const char *file, const char **type, error *err);
int component_unknown(const char *what, const char *type, const char *file, error *err);

/* What every component can do with an array of its nested ones: calls `each` on VALUE[key][i]. */
int component_each(const json_t *value, const char *key, const char *what, const char *file,
                   int (*each)(void *context, const json_t *value, error *err), void *context, error *err);

/* Normalizer: text -> text. */
typedef struct normalizer normalizer;
normalizer *normalizer_read(const json_t *value, const char *file, error *err);
void normalizer_free(normalizer *n);
void normalizer_describe(const normalizer *n, string *out);
/* *first: whether text starts where the whole input starts; cleared when what stood there is removed. */
int normalizer_run(const normalizer *n, string *text, bool *first, error *err);

/* Pre-tokenizer: pieces -> smaller pieces. */
typedef struct piece { size_t start, length; bool first; } piece;  /* of pieces.text; first: the input starts here */
typedef struct pieces {
    string text;    /* owned */
    piece *item;    /* [count], owned */
    size_t count, capacity;
} pieces;
void pieces_add(pieces *p, size_t start, size_t length, bool first);
void pieces_free(pieces *p);

typedef struct pre_tokenizer pre_tokenizer;
pre_tokenizer *pre_tokenizer_read(const json_t *value, const char *file, error *err);
void pre_tokenizer_free(pre_tokenizer *p);
void pre_tokenizer_describe(const pre_tokenizer *p, string *out);
int pre_tokenizer_run(const pre_tokenizer *p, pieces *in_out, error *err);

/* How a text is cut at the matches of something: the five behaviours of Split. */
typedef struct span { size_t start, end; bool match; } span;
typedef struct spans { span *item; size_t count, capacity; } spans;   /* covers a text without gaps */
enum cut { CUT_REMOVED, CUT_ISOLATED, CUT_MERGED_WITH_PREVIOUS, CUT_MERGED_WITH_NEXT, CUT_CONTIGUOUS };
void spans_add(spans *s, size_t start, size_t end, bool match);
void spans_cut(spans *s, enum cut how);

/* BPE. */
typedef struct bpe {
    vocabulary vocabulary;
    merges merges;
    int32_t *of_char;       /* [0x10000] the token that is this one character, or -1; owned */
    int32_t of_byte[256];   /* <0xNN> or -1 */
    int32_t unk;            /* -1 where there is none or it is not in the vocabulary */
    char *unk_text, *prefix, *suffix;   /* owned; NULL where there is none */
    bool fuse_unk, byte_fallback, ignore_merges;
    bool words;             /* no token continues over a U+2581 that follows another character: text may be cut before it */
} bpe;
int bpe_read(bpe *b, const json_t *model, const char *file, error *err);
void bpe_free(bpe *b);
void bpe_describe(const bpe *b, string *out);

typedef struct bpe_scratch bpe_scratch;   /* of one thread */
bpe_scratch *bpe_scratch_new(void);
void bpe_scratch_free(bpe_scratch *s);
int bpe_encode(const bpe *b, const char *text, size_t n, bpe_scratch *scratch, const char *file, token_list *out, error *err);

/* Tokens that are found in text before anything else. */
enum added_flag { ADDED_SPECIAL = 1, ADDED_SINGLE_WORD = 2, ADDED_LSTRIP = 4, ADDED_RSTRIP = 8, ADDED_NORMALIZED = 16 };
typedef struct trie_node { int32_t child, sibling, id; unsigned char byte; } trie_node;   /* -1 for none */
typedef struct trie { trie_node *node; size_t count, capacity; int32_t root[256]; } trie;
typedef struct added_tokens {
    vocabulary words;       /* id <-> content */
    uint8_t *flags;         /* [words.size] */
    trie raw, normalized;   /* what is matched before and after the normalizer */
} added_tokens;
int added_read(added_tokens *a, const json_t *list, const bpe *b, const normalizer *n, const char *file, error *err);
void added_free(added_tokens *a);
void added_describe(const added_tokens *a, string *out);
bool added_is_special(const added_tokens *a, int32_t id);

/* Calls `stretch` for the text between matches and `token` for each match, in order. */
typedef struct added_visitor {
    int (*stretch)(void *context, const char *text, size_t n, bool first, error *err);
    void (*token)(void *context, int32_t id);
    void *context;
} added_visitor;
int added_split(const added_tokens *a, const trie *t, const char *text, size_t n, bool first, const added_visitor *v, error *err);

/* Post-processor: ids around the text's. */
#define POST_TEXT (-1)
typedef struct post_processor { int32_t *item; size_t count; } post_processor;   /* ids, and POST_TEXT for the text's ids */
void post_start(post_processor *p);   /* the text alone */
int post_read(post_processor *p, const json_t *value, const char *file, error *err);
void post_set_edges(post_processor *p, int add_bos, int32_t bos, int add_eos, int32_t eos);   /* 1, 0, or -1: as it is */
void post_describe(const post_processor *p, string *out);

/* Decoder. */
enum decode_kind {
    DECODE_BYTE_LEVEL, DECODE_BYTE_FALLBACK, DECODE_FUSE, DECODE_STRIP, DECODE_REPLACE, DECODE_METASPACE, DECODE_BPE
};
typedef struct decode_step {
    enum decode_kind kind;
    pattern *pattern;        /* REPLACE; owned */
    char *text;              /* REPLACE: what stands in its place; BPE: the suffix; owned */
    uint32_t character;      /* STRIP, METASPACE */
    size_t start, stop;      /* STRIP: how many at most */
    bool prepended;          /* METASPACE: the first token lost its spaces */
} decode_step;
typedef struct decoder {
    bool present;            /* without one, tokens are joined with spaces */
    decode_step *step;       /* [count], owned */
    size_t count;
} decoder;
int decoder_read(decoder *d, const json_t *value, const char *file, error *err);
void decoder_free(decoder *d);
void decoder_describe(const decoder *d, string *out);
int decoder_byte(const char *token, size_t n);   /* the byte that "<0xNN>" stands for, else -1 */
void decode_replace(const decode_step *s, const char *token, size_t n, string *out);
void decode_metaspace(const decode_step *s, const char *token, size_t n, bool first, string *out);
void decode_byte_level(const char *token, size_t n, string *out);   /* bytes, which may be any */
void decode_strip(const decode_step *s, const char **token, size_t *n);

/* A tokenizer.model in place of normalizer, pre-tokenizer, BPE and decoder; bpe.vocabulary holds its pieces. */
typedef struct piece_model {
    piece_file file;
    piece_library *library;
    bool prefix_first;   /* a space before the first text alone, not before each between added tokens (transformers' "legacy": false) */
    bool strips;         /* decoding drops the space before the first piece */
} piece_model;
void piece_model_free(piece_model *p);
int piece_model_encode(const tokenizer *t, const char *text, size_t n, bool first, void (*add)(void *context, int32_t id), void *context, error *err);

/* folder: whose tokenizer_config.json and the like say more; NULL: the model alone. */
tokenizer *piece_tokenizer_open(const char *path, const char *folder, error *err);
bool piece_tokenizer_is(const char *bytes, size_t n);   /* whether a file begins as a SentencePiece model, not as JSON */
tokenizer *piece_tokenizer_parse(const char *bytes, size_t n, const char *name, const char *folder, error *err);

/* tokenizer_config.json: BOS, EOS and whether they are added. */
int tokenizer_read_config(tokenizer *t, const char *text, size_t n, const char *path, error *err);

struct tokenizer {
    char *name;
    piece_model *pieces;   /* NULL for a tokenizer.json; owned */
    bpe bpe;
    added_tokens added;
    normalizer *normalizer;
    pre_tokenizer *pre;
    post_processor post;
    decoder decoder;
    int32_t bos, eos;
};

#endif
