#include "engine/job.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define MAX_BEAMS 256

static int check_ids(const int32_t *ids, size_t n, const char *what, size_t index, const model_config *c, error *err)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= c->vocab)
            return fail(err, ERROR_USAGE, "request %zu: token %zu of the %s is %d, the model's vocabulary has %lld", index, i,
                        what, (int)ids[i], (long long)c->vocab);
    return 0;
}

static int check_pictures(const request *r, size_t index, error *err)
{
    size_t at = 0;
    for (int i = 0; i < r->n_pictures; at = r->pictures[i].first + r->pictures[i].n, i++)
        if (r->pictures[i].first < at || r->pictures[i].n > r->n_ids || r->pictures[i].first > r->n_ids - r->pictures[i].n)
            return fail(err, ERROR_USAGE, "request %zu: picture %d has rows at %zu to %zu, the prompt has %zu tokens and other pictures up to %zu", index, i,
                        r->pictures[i].first, r->pictures[i].first + r->pictures[i].n, r->n_ids, at);
    return 0;
}

static int check_settings(const request *r, size_t index, bool has_tokenizer, error *err)
{
    if (r->n_ids == 0)
        return fail(err, ERROR_USAGE, "request %zu: the prompt is empty", index);
    if (r->max_new < 0)
        return fail(err, ERROR_USAGE, "request %zu: %d new tokens", index, r->max_new);
    if (r->min_new < 0 || r->min_new > r->max_new)
        return fail(err, ERROR_USAGE, "request %zu: at least %d new tokens, but at most %d", index, r->min_new, r->max_new);
    if (r->max_new > 0 && r->n_continuation > 0)
        return fail(err, ERROR_USAGE, "request %zu: either new tokens or the likelihood of a continuation, not both", index);
    if (!(r->temperature >= 0) || isinf(r->temperature) || !(r->top_p >= 0) || r->top_p > 1)
        return fail(err, ERROR_USAGE, "request %zu: temperature %g (at least 0) or top_p %g (0 to 1) is out of range", index,
                    (double)r->temperature, (double)r->top_p);
    if (!(r->repetition_penalty >= 0) || isinf(r->repetition_penalty))
        return fail(err, ERROR_USAGE, "request %zu: repetition penalty %g is out of range", index, (double)r->repetition_penalty);
    if (r->beams < 0 || r->beams > MAX_BEAMS)
        return fail(err, ERROR_USAGE, "request %zu: %d beams; 1 to %d are possible", index, r->beams, MAX_BEAMS);
    if (r->beams > 1 && r->temperature > 0)
        return fail(err, ERROR_USAGE, "request %zu: beam search does not sample; temperature must be 0", index);
    if (r->beams > 1 && r->n_continuation > 0)
        return fail(err, ERROR_USAGE, "request %zu: beam search does not go with the likelihood of a continuation", index);
    if (r->n_stop_strings > 0 && !has_tokenizer)
        return fail(err, ERROR_USAGE, "request %zu: stop strings need a tokenizer", index);
    return 0;
}

int job_measure(const request *r, size_t index, const model_config *c, bool has_tokenizer, job_shape *out, error *err)
{
    if (check_settings(r, index, has_tokenizer, err) != 0 || check_ids(r->ids, r->n_ids, "prompt", index, c, err) != 0 ||
        check_ids(r->continuation, r->n_continuation, "continuation", index, c, err) != 0 || check_pictures(r, index, err) != 0)
        return -1;
    /* New tokens all count, as in transformers and lm-eval; a continuation's last token is never fed. */
    int64_t limit = config_position_limit(c), extra = r->n_continuation ? (int64_t)r->n_continuation - 1 : r->max_new;
    int64_t room = limit - extra, n = (int64_t)r->n_ids;
    job_shape s = {.n_prompt = n, .width = r->beams > 1 ? r->beams : 1};
    if (n > room && r->truncate_left && r->n_pictures == 0 && room > 0) {
        s.keep_first = c->bos >= 0 && r->ids[0] == c->bos && room > 1;
        s.dropped = n - room;
        s.n_prompt = room;
    } else if (n > room) {
        return fail(err, ERROR_USAGE,
                    "request %zu: %lld prompt tokens and %lld more do not fit into the model's %lld positions%s", index,
                    (long long)n, (long long)extra, (long long)limit,
                    room <= 0 ? "" : r->n_pictures ? "; shorten it (one with a picture is not cut) or ask for fewer tokens" : "; shorten it, ask for fewer tokens, or set truncate: left");
    }
    s.n_feed = s.n_prompt + (r->n_continuation ? extra : 0);
    s.positions =
        s.n_prompt + (r->n_continuation || extra == 0 ? extra : extra - 1); /* the last token generated is not fed either */
    int64_t whole = s.width > 1 ? s.n_prompt / KV_BLOCK : 0;
    s.blocks = whole + s.width * (kv_blocks(s.positions) - whole);
    *out = s;
    return 0;
}

int32_t job_token(const request *r, const job_shape *s, int64_t i)
{
    if (i >= s->n_prompt)
        return r->continuation[i - s->n_prompt];
    return i == 0 && s->keep_first ? r->ids[0] : r->ids[i + s->dropped];
}

const float *request_row(const request *r, int64_t i, int64_t hidden)
{
    for (int p = 0; p < r->n_pictures; p++) {
        const int64_t inside = i - (int64_t)r->pictures[p].first;
        if (inside >= 0 && inside < (int64_t)r->pictures[p].n)
            return r->pictures[p].rows + inside * hidden;
    }
    return NULL;
}

bool job_same(const request *a, const job_shape *x, const request *b, const job_shape *y, int64_t i)
{
    return job_token(a, x, i) == job_token(b, y, i) && request_row(a, i, 1) == request_row(b, i, 1);
}

const kv_table *job_prompt_table(const job *j)
{
    return j->beam && j->beam->step > 0 ? &j->beam->live[0].kv : &j->kv;   /* every lane begins with the prompt */
}

static void collect_stops(job *j, const model_config *c)
{
    const request *r = j->request;
    int n = r->ignore_stops ? 0 : c->n_stops;
    j->stops = memory_new((size_t)(n + r->n_stops), sizeof *j->stops);
    for (int i = 0; i < n + r->n_stops; i++) {
        int32_t id = i < n ? c->stops[i] : r->stops[i - n];
        int k = 0;
        while (k < j->n_stops && j->stops[k] != id)
            k++;
        if (k == j->n_stops)
            j->stops[j->n_stops++] = id;
    }
}

job *job_new(const request *r, size_t index, const job_shape *shape, const model_config *c, const tokenizer *words)
{
    job *j = memory_new(1, sizeof *j);
    *j = (job){.index = index, .request = r, .shape = *shape, .words = words, .min_margin = INFINITY, .loglik_greedy = true};
    j->tokens = memory_new((size_t)(shape->n_feed + r->max_new), sizeof *j->tokens);
    for (int64_t i = 0; i < shape->n_feed; i++)
        j->tokens[i] = job_token(r, shape, i);
    collect_stops(j, c);
    transcript_open(&j->transcript, r->n_continuation ? NULL : words, r->stop_strings, r->n_stop_strings);
    bool penalised = r->repetition_penalty > 0 && (r->repetition_penalty < 1 || r->repetition_penalty > 1);
    if (r->n_continuation)
        j->loglik = memory_new(r->n_continuation, sizeof *j->loglik);
    if (shape->width > 1) {
        j->beam = memory_new(1, sizeof *j->beam);
        beam_open(j->beam, shape->width, j->n_stops, r->max_new, c->vocab);
        j->beam->prompt = j->tokens;
        j->beam->n_prompt = (size_t)shape->n_prompt;
        j->beam->penalty = penalised ? r->repetition_penalty : 1;
        j->beam->banned = j->stops;
        j->beam->n_banned = j->n_stops;
        j->beam->min_new = r->min_new;
    } else if (penalised) {
        seen_open(&j->seen, c->vocab);
        for (int64_t i = 0; i < shape->n_prompt; i++)
            seen_add(&j->seen, j->tokens[i]);
    }
    return j;
}

static bool is_stop(const job *j, int32_t token)
{
    for (int i = 0; i < j->n_stops; i++)
        if (j->stops[i] == token)
            return true;
    return false;
}

void job_accept(job *j, int32_t token, float margin)
{
    j->tokens[j->shape.n_feed + j->n_new++] = token;
    if (margin < j->min_margin)
        j->min_margin = margin;
    if (j->seen.bits)
        seen_add(&j->seen, token);
    if (transcript_add(&j->transcript, token))
        j->finish = FINISH_STOP_STRING;
    else if (is_stop(j, token))
        j->finish = FINISH_STOP_TOKEN;
    else if (j->n_new == j->request->max_new)
        j->finish = FINISH_LENGTH;
}

void job_start_beams(job *j)
{
    j->beam->live[0].kv = j->kv;
    j->kv = (kv_table){0};
}

void job_advance_beams(job *j, kv_cache *kv)
{
    for (int i = 0; i < j->beam->n_live; i++)
        if (!j->beam->live[i].finite) {
            j->finish = FINISH_NOT_FINITE;
            return;
        }
    if (beam_advance(j->beam, kv, j->stops, j->n_stops))
        return;
    const hypothesis *best = &j->beam->done[0];
    j->finish = is_stop(j, best->tokens[best->n - 1]) ? FINISH_STOP_TOKEN : FINISH_LENGTH;
}

/* The best hypothesis is the answer, all of them are handed over. */
static void give_beams(job *j, answer *out)
{
    beam_search *s = j->beam;
    if (s->n_done == 0 || j->finish == FINISH_NOT_FINITE || j->finish == FINISH_INTERRUPTED)
        return;
    out->beams = s->done;
    out->n_beams = s->n_done;
    s->done = NULL;
    s->n_done = 0;
    j->n_new = (int64_t)out->beams[0].n;
    memcpy(j->tokens + j->shape.n_feed, out->beams[0].tokens, (size_t)j->n_new * sizeof *j->tokens);
    for (int64_t i = 0; i < j->n_new; i++)
        if (transcript_add(&j->transcript, j->tokens[j->shape.n_feed + i]))
            break;
}

void job_settle(job *j, answer *out)
{
    if (j->beam)
        give_beams(j, out);
    bool whole = j->finish == FINISH_STOP_TOKEN || j->finish == FINISH_LENGTH, found = false;
    transcript_finish(&j->transcript);
    out->text = transcript_text(&j->transcript, j->words, j->tokens + j->shape.n_feed, (size_t)j->n_new, &found);
    if (found && whole)
        j->finish = FINISH_STOP_STRING;
}

void job_free(job *j, kv_cache *kv, answer *out)
{
    out->finish = j->finish;
    out->n_tokens = (size_t)j->n_new;
    out->tokens = memory_new((size_t)j->n_new, sizeof *out->tokens);
    memcpy(out->tokens, j->tokens + j->shape.n_feed, (size_t)j->n_new * sizeof *out->tokens);
    out->min_margin = j->min_margin;
    if (j->loglik) {
        out->loglik = j->loglik;
        out->loglik_greedy = j->loglik_greedy;
        for (size_t i = 0; i < j->request->n_continuation; i++)
            out->loglik_sum += j->loglik[i];
    }
    if (j->beam)
        beam_close(j->beam, kv);
    free(j->beam);
    kv_table_free(kv, &j->kv);
    kv_unpromise(kv, j->promised);
    seen_close(&j->seen);
    transcript_close(&j->transcript);
    free(j->stops);
    free(j->tokens);
    free(j);
}
