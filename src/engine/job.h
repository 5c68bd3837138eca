/* A job: one request while it is in the engine. What it will need is known before it starts (its shape). */
#ifndef ENGINE_JOB_H
#define ENGINE_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/beam.h"
#include "engine/engine.h"
#include "engine/kv.h"
#include "engine/sample.h"
#include "engine/transcript.h"
#include "model/config.h"

typedef struct job_shape {
    bool keep_first;        /* the prompt was cut behind its first token (BOS) */
    int64_t dropped;        /* prompt tokens cut away */
    int64_t n_prompt;       /* tokens of the prompt that stay */
    int64_t n_feed;         /* tokens that run through prefill: the prompt, and a continuation but for its last token */
    int width;              /* sequences at once: 1, or the beams */
    int64_t positions;      /* positions that one sequence may come to hold */
    int64_t blocks;         /* KV blocks it may need, nothing shared */
} job_shape;

typedef struct job job;
struct job {
    size_t index;           /* of the request */
    const request *request;
    job_shape shape;
    int32_t *tokens;        /* [n_feed + max_new] fed tokens, then generated ones; owned */
    int64_t n_new;          /* generated */
    int64_t fed;            /* positions computed */
    int64_t promised;       /* KV blocks */
    kv_table kv;            /* (beams: until the prompt is done) */
    const job *donor;       /* whose prompt begins like this one's and is being computed; NULL */
    int64_t shared;         /* tokens to take over from the donor */
    int32_t *stops;         /* [n_stops] owned */
    int n_stops;
    seen_tokens seen;
    const tokenizer *words; /* borrowed, may be NULL */
    transcript transcript;
    beam_search *beam;      /* owned, NULL without beams */
    float min_margin;
    double *loglik;         /* [n_continuation], owned until the answer has it */
    bool loglik_greedy;
    enum finish finish;     /* FINISH_NONE while it runs */
};

/* Checks a request and says what it needs; errors name the request by its index. */
int job_measure(const request *r, size_t index, const model_config *config, bool has_tokenizer, job_shape *out, error *err);

/* A prompt's token after cutting; i < n_feed. */
int32_t job_token(const request *r, const job_shape *s, int64_t i);

/* What stands at position i in place of the token's embedding: a row of a picture; NULL: nothing. */
const float *request_row(const request *r, int64_t i, int64_t hidden);

/* Whether position i means the same in both, token and picture. */
bool job_same(const request *a, const job_shape *x, const request *b, const job_shape *y, int64_t i);

/* The sequence that holds the prompt's keys and values, as far as they are computed. */
const kv_table *job_prompt_table(const job *j);

job *job_new(const request *r, size_t index, const job_shape *shape, const model_config *config, const tokenizer *words);

/* The job has its finish: the best hypothesis becomes the answer, the text gets its last bytes. */
void job_settle(job *j, answer *out);

/* A settled job's answer is handed over; its KV blocks go back. */
void job_free(job *j, kv_cache *kv, answer *out);

/* A generated token, its logits having been finite. */
void job_accept(job *j, int32_t token, float margin);

/* The prompt of a job with beams is done: its KV becomes lane 0's. */
void job_start_beams(job *j);
void job_advance_beams(job *j, kv_cache *kv);

#endif
