/* Beam search exactly as transformers does it (length penalty 1, early stopping false).
 *
 *     beam_open(&s, width, n_stops, max_new, vocab);
 *     for each lane: beam_candidates(&s, lane, backend, logits)     // lanes in any order, also at once
 *     beam_advance(&s, kv, stops, n_stops)                          // false: the search has ended, s.done is the answer
 *
 * Step 1 expands one lane (the prompt); its KV table is lane 0's. */
#ifndef ENGINE_BEAM_H
#define ENGINE_BEAM_H

#include <stdbool.h>

#include "compute/backend.h"
#include "engine/engine.h"
#include "engine/kv.h"
#include "engine/sample.h"

typedef struct beam_candidate {
    double score;
    int lane;
    int32_t token;
} beam_candidate;

typedef struct beam_lane {
    kv_table kv;
    int32_t *tokens;               /* [max_new] generated; owned */
    double score;                  /* sum of log p */
    beam_candidate *best;          /* [keep] of this lane, best first; owned */
    int n_best;
    bool finite;                   /* whether the last logits were */
} beam_lane;

typedef struct beam_search {
    int width, keep, step, max_new;
    beam_lane *live, *next;        /* [width], owned */
    int n_live;
    hypothesis *done;              /* [width + 1] finished, best first; owned */
    int n_done;
    bool improvable;
    const int32_t *prompt; size_t n_prompt;   /* borrowed; for the penalty */
    float penalty;                 /* 1: none */
    const int32_t *banned; int n_banned;      /* until min_new tokens are there; borrowed */
    int min_new;
    int64_t vocab;
} beam_search;

void beam_open(beam_search *s, int width, int n_stops, int max_new, int64_t vocab);
void beam_close(beam_search *s, kv_cache *kv);

/* The best continuations of one lane, from its logits [vocab]. */
void beam_candidates(beam_search *s, int lane, const backend *b, const float *logits);

/* All live lanes have their candidates: choose who goes on and who has finished. */
bool beam_advance(beam_search *s, kv_cache *kv, const int32_t *stops, int n_stops);

#endif
