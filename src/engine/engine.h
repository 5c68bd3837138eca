/* The engine: runs a plan over many requests at once (continuous batching over a KV cache of shared blocks).
 *
 *     engine *e = engine_new(plan, &(engine_options){.backend = backend_best(), .pool = pool, .tokenizer = t}, err);
 *     engine_run(e, requests, n, answers, NULL, NULL, err);
 *     answers_free(answers, n);
 *     engine_free(e);
 *
 * What a token's logits are depends on its text, the weights and the kernel family, and on nothing else: not on
 * the batch, the neighbours, the slot, threads, prefix sharing or memory.
 *
 * The weights may be overwritten between runs (another candidate in the same memory): plan_refresh, then engine_run again. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/threads.h"
#include "compute/backend.h"
#include "model/plan.h"
#include "text/tokenizer.h"

#define ENGINE_KV_BYTES ((size_t)4 << 30)   /* of keys and values at most, unless kv_bytes says otherwise */

typedef struct engine_options {
    const backend *backend;        /* NULL: backend_best() */
    threads *pool;                 /* borrowed; NULL: this thread */
    const tokenizer *tokenizer;    /* for stop strings and answer text; may be NULL; borrowed */
    int slots;                     /* sequences at once; 0: 64, of a small model 8 a thread */
    size_t kv_bytes;               /* memory for KV blocks; 0: what `slots` of the longest requests need, at most ENGINE_KV_BYTES */
    bool no_prefix_sharing;        /* compute every prompt whole */
} engine_options;

/* A picture in a prompt: rows that stand in place of the embeddings of ids [first, first + n). Its ids count as tokens of the prompt in everything
 * else. Requests share the keys and values of a picture where their `rows` are the same pointer. */
typedef struct request_picture {
    const float *rows;             /* [n][hidden]; borrowed until the run ends */
    size_t first, n;
} request_picture;

typedef struct request {
    const int32_t *ids;            /* [n_ids] prompt; borrowed until the run ends */
    size_t n_ids;
    const request_picture *pictures; int n_pictures;       /* in order, apart from each other; borrowed */
    int max_new;                   /* tokens to generate at most; prompt + max_new must fit into the model's positions */
    int min_new;                   /* no stop id before so many */
    bool truncate_left;            /* drop the prompt's beginning (behind BOS) where it does not fit */
    bool ignore_stops;             /* do not stop at the model's end tokens */
    const int32_t *stops; int n_stops;               /* further stop ids; with ignore_stops the only ones */
    const char *const *stop_strings; int n_stop_strings;   /* the answer's text ends before the first of them */
    float temperature, top_p;      /* 0: greedy */
    uint64_t seed; uint32_t question;                /* sampling is keyed by (seed, question, position) */
    float repetition_penalty;      /* 0 or 1: none */
    int beams;                     /* 0 or 1: none; otherwise beam search, length penalty 1, early stopping false */
    const int32_t *continuation; size_t n_continuation;    /* with max_new 0: log-likelihood of these tokens after the prompt */
} request;

enum finish { FINISH_NONE, FINISH_STOP_TOKEN, FINISH_STOP_STRING, FINISH_LENGTH, FINISH_NOT_FINITE, FINISH_INTERRUPTED };

typedef struct hypothesis { int32_t *tokens; size_t n; double score; } hypothesis;

typedef struct answer {
    enum finish finish;
    int32_t *tokens; size_t n_tokens;   /* generated, stop token included; owned */
    char *text;                         /* without special tokens, cut before a stop string; NULL without tokenizer; owned */
    float min_margin;                   /* smallest gap between best and second logit (after the penalty); INFINITY with none */
    double *loglik;                     /* [n_continuation] log p of each; owned */
    double loglik_sum; bool loglik_greedy;
    hypothesis *beams; int n_beams;     /* best first; owned */
} answer;

typedef struct engine engine;

typedef struct engine_stats {
    uint64_t prefill_tokens, decode_tokens, shared_tokens;   /* shared: prompt tokens not computed again */
    double prefill_seconds, decode_seconds;
} engine_stats;

/* Called after every step, from any of the pool's threads but one at a time: `done` requests of n are finished. Returning false stops:
 * engine_run returns 0 and what had not ended has FINISH_INTERRUPTED. */
typedef bool engine_progress(void *context, size_t done, size_t n, const engine_stats *stats);

engine *engine_new(const plan *p, const engine_options *options, error *err);
void engine_free(engine *e);

/* Runs all requests to their ends; answers [n] are filled (zeroed first). A request that cannot fit under max_positions is an
 * error before anything runs. Logits that are not finite end that request with FINISH_NOT_FINITE. -1 only for errors of memory or use. */
int engine_run(engine *e, const request *requests, size_t n, answer *answers, engine_progress *progress, void *context,
               error *err);
void answers_free(answer *answers, size_t n);

/* Logits of every position of one prompt: out [n][vocab]. For tests and comparisons. */
int engine_logits(engine *e, const int32_t *ids, size_t n, float *out, error *err);
int engine_request_logits(engine *e, const request *r, float *out, error *err);   /* of a prompt with pictures */

/* Called with each request's new text as it comes (for `generate`); set before engine_run, NULL to stop. */
void engine_on_text(engine *e, void (*on_text)(void *context, size_t request, const char *text), void *context);

int engine_slots(const plan *p, const threads *pool);   /* what slots 0 means */
engine_stats engine_statistics(const engine *e);   /* of the last run */
size_t engine_kv_bytes(const plan *p, size_t tokens);  /* KV memory of that many positions */

#endif
