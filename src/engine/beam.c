#include "engine/beam.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void beam_open(beam_search *s, int width, int n_stops, int max_new, int64_t vocab)
{
    *s = (beam_search){.width = width, .keep = width * (n_stops > 1 ? 1 + n_stops : 2), .max_new = max_new, .n_live = 1,
                       .improvable = true,                       .penalty = 1, .vocab = vocab};
    if (s->keep > vocab * width)
        s->keep = (int)(vocab * width);
    s->live = memory_new((size_t)width, sizeof *s->live);
    s->next = memory_new((size_t)width, sizeof *s->next);
    s->done = memory_new((size_t)width + 1, sizeof *s->done);
    for (int i = 0; i < width; i++) {
        s->live[i].tokens = memory_new((size_t)max_new, sizeof(int32_t));
        s->next[i].tokens = memory_new((size_t)max_new, sizeof(int32_t));
        s->live[i].best = memory_new((size_t)s->keep, sizeof(beam_candidate));
        s->next[i].best = memory_new((size_t)s->keep, sizeof(beam_candidate));
    }
}

void beam_close(beam_search *s, kv_cache *kv)
{
    for (int i = 0; i < s->width; i++) {
        kv_table_free(kv, &s->live[i].kv);
        kv_table_free(kv, &s->next[i].kv);
        free(s->live[i].tokens);
        free(s->next[i].tokens);
        free(s->live[i].best);
        free(s->next[i].best);
    }
    for (int i = 0; i < s->n_done; i++)
        free(s->done[i].tokens);
    free(s->live);
    free(s->next);
    free(s->done);
    *s = (beam_search){0};
}

/* Higher scores first; ties by lane, then token. */
static bool before(const beam_candidate *a, const beam_candidate *b)
{
    if (a->score < b->score || a->score > b->score)
        return a->score > b->score;
    return a->lane != b->lane ? a->lane < b->lane : a->token < b->token;
}

static void insert(beam_candidate *list, int *n, int capacity, beam_candidate c)
{
    int i = *n;
    if (i == capacity) {
        if (!before(&c, &list[i - 1]))
            return;
        i--;
    } else {
        ++*n;
    }
    for (; i > 0 && before(&c, &list[i - 1]); i--)
        list[i] = list[i - 1];
    list[i] = c;
}

static bool is_stop(const int32_t *stops, int n, int32_t token)
{
    for (int i = 0; i < n; i++)
        if (stops[i] == token)
            return true;
    return false;
}

void beam_candidates(beam_search *s, int lane, const backend *b, const float *logits)
{
    beam_lane *l = &s->live[lane];
    double all = b->log_sum_exp(logits, s->vocab);
    seen_tokens seen = {0};
    if (s->penalty != 1) {
        seen_open(&seen, s->vocab);
        for (size_t i = 0; i < s->n_prompt; i++)
            seen_add(&seen, s->prompt[i]);
        for (int i = 0; i < s->step; i++)
            seen_add(&seen, l->tokens[i]);
    }
    l->n_best = 0;
    l->finite = isfinite(all);
    const int n_banned = s->step < s->min_new ? s->n_banned : 0;
    for (int64_t t = 0; t < s->vocab && l->finite; t++) {
        if (is_stop(s->banned, n_banned, (int32_t)t))
            continue;
        double p = (double)logits[t] - all;
        /* On log-probabilities, as transformers does: they are negative, and are not normalised again. */
        if (seen.bits && seen.bits[t / 64] >> (t % 64) & 1)
            p = p < 0 ? p * (double)s->penalty : p / (double)s->penalty;
        double score = l->score + p;
        if (l->n_best < s->keep || score > l->best[s->keep - 1].score)
            insert(l->best, &l->n_best, s->keep, (beam_candidate){score, lane, (int32_t)t});
    }
    seen_close(&seen);
}

/* A finished hypothesis, kept where it is among the best `width`. */
static void finish(beam_search *s, const beam_candidate *c)
{
    hypothesis h = {.n = (size_t)s->step, .score = c->score / s->step};
    h.tokens = memory_new(h.n, sizeof *h.tokens);
    memcpy(h.tokens, s->live[c->lane].tokens, (h.n - 1) * sizeof *h.tokens);
    h.tokens[h.n - 1] = c->token;
    int i = s->n_done;
    for (; i > 0 && h.score > s->done[i - 1].score; i--)
        s->done[i] = s->done[i - 1];
    s->done[i] = h;
    if (s->n_done == s->width)
        free(s->done[s->width].tokens);
    else
        s->n_done++;
}

static void go_on(beam_search *s, kv_cache *kv, const beam_candidate *c, int lane)
{
    const beam_lane *parent = &s->live[c->lane];
    beam_lane *child = &s->next[lane];
    memcpy(child->tokens, parent->tokens, (size_t)(s->step - 1) * sizeof *child->tokens);
    child->tokens[s->step - 1] = c->token;
    child->score = c->score;
    kv_fork(kv, &child->kv, &parent->kv);
}

bool beam_advance(beam_search *s, kv_cache *kv, const int32_t *stops, int n_stops)
{
    beam_candidate *best = memory_new((size_t)s->keep, sizeof *best);
    int n = 0, alive = 0;
    for (int i = 0; i < s->n_live; i++)
        for (int j = 0; j < s->live[i].n_best; j++)
            insert(best, &n, s->keep, s->live[i].best[j]);
    s->step++;
    for (int i = 0; i < n; i++) {
        bool ends = s->step == s->max_new || is_stop(stops, n_stops, best[i].token);
        if (ends && i < s->width && s->improvable)   /* only the first `width` may enter the finished list */
            finish(s, &best[i]);
        else if (!ends && alive < s->width)
            go_on(s, kv, &best[i], alive++);
    }
    free(best);
    beam_lane *old = s->live;
    for (int i = 0; i < s->n_live; i++)
        kv_release(kv, &old[i].kv);
    s->live = s->next;
    s->next = old;
    s->n_live = alive;
    /* early_stopping false: the best live lane at the length so far against the worst finished hypothesis */
    if (alive && s->n_done == s->width)
        s->improvable = s->live[0].score / s->step > s->done[s->n_done - 1].score;
    return alive > 0 && s->improvable;
}
