/* Where a context ends and a continuation begins, in tokens. Two ways, which give other likelihoods:
 *
 * joint     as lm-eval: white space that ends the context goes to the continuation; both are encoded as one text, with the tokenizer's own
 *           special tokens (none before text that begins with BOS), and the continuation is what stands behind the context's tokens. An
 *           empty context is BOS, else the end token; a continuation that begins with that very token lends it as the context.
 * separate  as Stability's harness: each is encoded by itself, without special tokens; an empty context is the end token. */
#ifndef TASK_SEAM_H
#define TASK_SEAM_H

#include "text/tokenizer.h"

enum encoding { ENCODE_JOINT, ENCODE_SEPARATE };

/* "joint", "separate"; -1 for another word. */
int encoding_find(const char *name);
const char *encoding_name(enum encoding e);

/* Appends to *before and *after. Either may get nothing: white space alone as the context, with a tokenizer without BOS; a choice that melts
 * into the context's last token. */
int seam_encode(const tokenizer *t, enum encoding e, const char *context, const char *continuation, token_list *before, token_list *after,
                error *err);

/* A prompt to be continued freely. */
int seam_encode_prompt(const tokenizer *t, enum encoding e, const char *prompt, token_list *out, error *err);

#endif
