/* Tokenizers as tokenizer.json describes them (the Hugging Face `tokenizers` library's format): BPE of
 * the Llama/Mistral kind (byte fallback, Prepend/Replace or Metaspace) and of the byte-level kind (GPT-2,
 * Llama 3, Qwen), added tokens, template post-processor. Ids equal the library's. Where a model has a
 * tokenizer.model alone, SentencePiece's library encodes, and ids equal those of transformers' LlamaTokenizer over it.
 *
 *     tokenizer *t = tokenizer_open("models/base", err);
 *     token_list ids = {0};
 *     tokenizer_encode(t, text, strlen(text), true, &ids, err);
 *     char *back = tokenizer_decode(t, ids.id, ids.count, true, NULL);
 *     token_list_free(&ids);
 *
 * A tokenizer is read-only once opened: any number of threads may use one. */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "tensor/checkpoint.h"

typedef struct tokenizer tokenizer;

typedef struct token_list {
    int32_t *id;   /* [count], owned */
    size_t count, capacity;
} token_list;

void token_list_add(token_list *list, int32_t id);
void token_list_free(token_list *list);

/* A model folder (its tokenizer.json, else its tokenizer.model, and tokenizer_config.json), a tokenizer.json or a SentencePiece model itself
 * (then what the library says and nothing else: no piece such as <s> is found in text), or a GGUF file. */
tokenizer *tokenizer_open(const char *path, error *err);
tokenizer *tokenizer_of(const checkpoint *c, error *err);        /* a model's: of its files in memory, else of its folder */
tokenizer *tokenizer_parse(const char *bytes, size_t n, const char *name, error *err);   /* tokenizer.json in memory */
void tokenizer_free(tokenizer *t);

const char *tokenizer_kind(const tokenizer *t);                   /* "BPE" or "SentencePiece" */
int32_t tokenizer_size(const tokenizer *t);                       /* largest id + 1, added tokens included */
int32_t tokenizer_find(const tokenizer *t, const char *token);    /* id of a token's exact text, -1 when absent */
const char *tokenizer_text(const tokenizer *t, int32_t id);       /* a token as the file writes it; NULL for a hole or out of range */
bool tokenizer_is_special(const tokenizer *t, int32_t id);
int32_t tokenizer_bos(const tokenizer *t);                        /* from tokenizer_config.json; -1 when not known */
int32_t tokenizer_eos(const tokenizer *t);

/* Appends the ids of text [n bytes] to *out. `special` adds what the post-processor does (BOS and the like).
 * Invalid UTF-8 becomes U+FFFD, one per byte. */
int tokenizer_encode(const tokenizer *t, const char *text, size_t n, bool special, token_list *out, error *err);

/* The text of ids, NUL-terminated; free() it. `length` may be NULL. Ids out of range are skipped. */
char *tokenizer_decode(const tokenizer *t, const int32_t *ids, size_t n, bool skip_special, size_t *length);

/* Text as it comes, never half a character: each call returns what the ids so far have made certain and that was not
 * returned before. `finish` returns the rest (U+FFFD for what stayed incomplete). The text is borrowed until the next call. */
typedef struct token_stream token_stream;
token_stream *token_stream_new(const tokenizer *t, bool skip_special);
void token_stream_free(token_stream *s);
const char *token_stream_add(token_stream *s, int32_t id);
const char *token_stream_finish(token_stream *s);
size_t token_stream_length(const token_stream *s);   /* bytes of what the last call returned: text may hold NUL */

/* A digest of all that decides ids: two models can be merged or share prompts when these are equal. Hexadecimal SHA-256. */
void tokenizer_digest(const tokenizer *t, char hex[65]);

#endif
