/* Tokenizers between a GGUF's metadata and tokenizer.json with tokenizer_config.json. */
#ifndef TENSOR_GGUF_TOKENIZER_H
#define TENSOR_GGUF_TOKENIZER_H

#include <jansson.h>

#include "tensor/checkpoint.h"
#include "tensor/gguf.h"

/* *tokenizer is NULL where the file has none; json_decref both. A pre-tokenizer or a model without a row here is ERROR_UNSUPPORTED. */
int gguf_tokenizer_read(const gguf *g, json_t **tokenizer, json_t **config, error *err);

/* The tokenizer.* entries of a model, padded to `vocabulary` tokens; *n grows by their number. Where its folder is a GGUF file, whose entries
 * no tokenizer in memory stands for, they are copied. config is the model's config.json. */
int gguf_tokenizer_write(const checkpoint *c, const json_t *config, int64_t vocabulary, string *out, uint64_t *n, error *err);

/* ---- byte-level pre-tokenizers, which GGUF knows by name */

typedef struct gguf_pre {
    const char *names[6];       /* the first is the one that is written */
    const char *patterns[4];    /* Split, one behind the other; none: the pattern of GPT-2 that ByteLevel brings */
    bool digits;                /* every digit alone, before the pattern of GPT-2 */
    bool ignore_merges, bos, nfc;
} gguf_pre;

const gguf_pre *gguf_pre_named(const char *name);        /* NULL when unknown */
json_t *gguf_pre_json(const gguf_pre *p);                /* tokenizer.json's pre_tokenizer */
const gguf_pre *gguf_pre_of(const json_t *pre_tokenizer, bool ignore_merges);   /* NULL: none splits like this */

/* Kinds of tokens, by the numbers that stand in the file. */
enum gguf_token { GGUF_TOKEN_NORMAL = 1, GGUF_TOKEN_UNKNOWN, GGUF_TOKEN_CONTROL, GGUF_TOKEN_USER, GGUF_TOKEN_UNUSED, GGUF_TOKEN_BYTE };

#endif
