/* A tokenizer.json as data: which tokens a model has, more of them, and the file written again.
 *
 *     tokenizer_file *f = tokenizer_file_open("models/base", err);
 *     tokenizer_file_add(f, "<|im_end|>", NULL);
 *     char *json = tokenizer_file_json(f), *config = tokenizer_file_config(f, true);
 *     tokenizer_file_free(f);
 *
 * Tokens that only tokenizer_config.json, special_tokens_map.json or added_tokens.json know are put in on opening, as transformers does when it
 * loads the folder: what is written here needs none of these lists. BPE only. A GGUF file's tokenizer counts as such a folder. */
#ifndef TEXT_TOKENIZER_FILE_H
#define TEXT_TOKENIZER_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct tokenizer_file tokenizer_file;

tokenizer_file *tokenizer_file_open(const char *folder, error *err);
tokenizer_file *tokenizer_file_copy(const tokenizer_file *f);
void tokenizer_file_free(tokenizer_file *f);

int32_t tokenizer_file_size(const tokenizer_file *f);                     /* largest id + 1 */
int32_t tokenizer_file_find(const tokenizer_file *f, const char *token);  /* its id; -1 when absent */
const char *tokenizer_file_text(const tokenizer_file *f, int32_t id);     /* NULL for a hole */

int32_t tokenizer_file_named(const tokenizer_file *f, const char *key);   /* the id of tokenizer_config.json's "bos_token" and the like; -1: none */

/* What tokenizer.json says of an added token, borrowed; NULL for a token of the vocabulary alone. */
const json_t *tokenizer_file_added(const tokenizer_file *f, int32_t id);

/* Makes `token` an added token, behind the last id where it is new. like: whose flags it gets; NULL: found in normalised text, not special. */
int tokenizer_file_add(tokenizer_file *f, const char *token, const json_t *like, error *err);

/* Forgets the tokens from id `rows` on, and what is made of them. */
int tokenizer_file_strip(tokenizer_file *f, int64_t rows, error *err);

char *tokenizer_file_json(const tokenizer_file *f);                              /* tokenizer.json; free() it */
char *tokenizer_file_config(const tokenizer_file *f, bool keep_chat_template);   /* tokenizer_config.json; NULL where there is none; free() it */

#endif
