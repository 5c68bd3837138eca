#include "engine/readout.h"

#include <float.h>

typedef struct reading {
    const forward *f;
    readout *list;
    float *logits;
    int64_t vocab;
} reading;

static void read_row(void *context, size_t i)
{
    const reading *pass = context;
    const backend *b = pass->f->backend;
    readout *r = &pass->list[i];
    const request *q = r->job->request;
    float *logits = pass->logits + (int64_t)i * pass->vocab, best, second;
    r->finite = b->all_finite(logits, pass->vocab);
    if (r->job->beam) {
        if (r->finite)
            beam_candidates(r->job->beam, r->lane, b, logits);
        else
            r->job->beam->live[r->lane].finite = false;
    } else if (!r->finite) {
        return;
    } else if (r->continuation >= 0) {
        r->log_p = (double)logits[q->continuation[r->continuation]] - b->log_sum_exp(logits, pass->vocab);
        r->token = (int32_t)b->argmax(logits, pass->vocab, &best, &second);
    } else {
        if (r->job->seen.bits)
            seen_penalise(&r->job->seen, q->repetition_penalty, logits);
        for (int k = 0; k < r->job->n_stops && r->job->n_new < q->min_new; k++)
            if (r->job->stops[k] >= 0 && r->job->stops[k] < pass->vocab)
                logits[r->job->stops[k]] = -FLT_MAX;
        sampling how = {q->temperature, q->top_p, q->seed, q->question, (uint32_t)r->job->n_new};
        r->token = sample_token(b, &how, logits, pass->vocab, &r->margin);
    }
}

void readouts_run(forward *f, readout *list, int64_t n, float *logits, int64_t logit_rows)
{
    int64_t rows[PREFILL_ROWS];
    for (int64_t at = 0; at < n; at += logit_rows) {
        int64_t count = n - at < logit_rows ? n - at : logit_rows;
        for (int64_t i = 0; i < count; i++)
            rows[i] = list[at + i].row;
        forward_logits(f, rows, count, logits);
        reading pass = {.f = f, .list = list + at, .logits = logits, .vocab = f->plan->config.vocab};
        threads_run(f->pool, (size_t)count, read_row, &pass);
    }
}

void readouts_take(const readout *list, int64_t n, kv_cache *kv)
{
    for (int64_t i = 0; i < n; i++) {
        const readout *r = &list[i];
        job *j = r->job;
        if (j->finish != FINISH_NONE)
            continue;
        if (j->beam) {
            if (r->lane == j->beam->n_live - 1)   /* lanes stand together, in order: the last completes the step */
                job_advance_beams(j, kv);
        } else if (!r->finite) {
            j->finish = FINISH_NOT_FINITE;
        } else if (r->continuation >= 0) {
            j->loglik[r->continuation] = r->log_p;
            j->loglik_greedy = j->loglik_greedy && r->token == j->request->continuation[r->continuation];
            if (r->continuation + 1 == (int64_t)j->request->n_continuation)
                j->finish = FINISH_LENGTH;
        } else {
            job_accept(j, r->token, r->margin);
        }
    }
}
