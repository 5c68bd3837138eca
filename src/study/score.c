/* One checkpoint on questions, and the bar that shows it. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "study/session.h"

void score_label(session *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s->progress.label, sizeof s->progress.label, format, args);
    va_end(args);
}

static bool on_progress(void *context, size_t done, size_t n, const engine_stats *stats)
{
    (void)n;
    session *s = context;
    session_progress *p = &s->progress;
    if (p->total == 0)      /* the probe */
        return true;
    p->tokens_now = stats->prefill_tokens + stats->decode_tokens;
    double seconds = progress_seconds() - p->began;
    uint64_t questions = p->questions + done;
    char text[256], left[32] = "";
    size_t at = 0;
    if (isfinite(p->best))
        at += (size_t)snprintf(text, sizeof text, "best %.3f mean %.3f  ", p->best, p->mean);
    if (seconds > 0.5 && questions > 0) {
        double rate = (double)questions / seconds;
        if (p->total > p->asked + done)
            progress_duration(left, (double)(p->total - p->asked - done) / rate);
        snprintf(text + at, sizeof text - at, "%.1f questions/s %.0f tokens/s%s%s", rate,
                 (double)(p->tokens + p->tokens_now) / seconds, left[0] ? "  left " : "", left);
    } else {
        snprintf(text + at, sizeof text - at, "...");
    }
    progress_bar(p->label, p->asked + done, p->total, text);
    return true;
}

int session_open_evaluator(session *s, error *err)
{
    s->progress.began = progress_seconds();
    s->evaluator = s->options->evaluator;
    if (s->evaluator)
        return 0;
    char *scratch = file_join(s->options->fork ? s->options->fork : s->out, "scratch");
    char *features = file_join(s->options->fork ? s->options->fork : s->out, "features");
    evaluator_options options = {.backend = s->backend,
                                 .pool = s->pool,
                                 .kv_bytes = s->kv_bytes,
                                 .check_finite = true,
                                 .scratch = scratch,
                                 .features = s->options->dry_run ? NULL : features,
                                 .progress = on_progress,
                                 .progress_context = s,
                                 .seed = s->seed};
    s->scratch = scratch;
    s->evaluator = evaluator_new(&options, err);
    free(features);
    return s->evaluator ? 0 : -1;
}

int score_lineup(session *s, const lineup *l, const question_set *sets, size_t n, evaluation *out, error *err)
{
    session_progress *p = &s->progress;
    if (p->began == 0)
        p->began = progress_seconds();
    p->tokens_now = 0;
    *out = (evaluation){0};
    if (s->evaluator->run(s->evaluator, l, sets, n, out, err) != 0)
        return -1;
    p->questions += question_sets_count(sets, n);
    p->asked += question_sets_count(sets, n);
    p->tokens += p->tokens_now;
    p->tokens_now = 0;
    if (out->outcome == OUTCOME_COMPLETE && !isfinite(out->score)) {
        evaluation_free(out);
        *out = (evaluation){.outcome = OUTCOME_INVALID, .score = NAN, .reason = memory_text("the score is not a finite number")};
    }
    return 0;
}

static bool same_layout(const checkpoint *a, const checkpoint *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i].name, b->items[i].name) != 0 || a->items[i].tensor.dtype != b->items[i].tensor.dtype ||
            !tensor_same_shape(&a->items[i].tensor, &b->items[i].tensor))
            return false;
    return true;
}

/* Merges go into the one candidate's memory; one of another layout takes its place, so there are never two. */
static int fit_candidate(session *s, const merger *m, error *err)
{
    checkpoint *fresh = merge_allocate(m, err);
    if (!fresh)
        return -1;
    if (s->candidate && same_layout(s->candidate, fresh)) {
        checkpoint_free(fresh);
        return 0;
    }
    checkpoint_free(s->candidate);
    s->candidate = fresh;
    return 0;
}

void score_drop_merger(session *s)
{
    merge_free(s->merger);
    s->merger = NULL;
    s->merger_step = NULL;
}

/* The merger stays while the step's own recipe is merged again and again. */
static int open_merger(session *s, const step *st, const recipe *r, error *err)
{
    if (s->merger && s->merger_step == st && r == st->recipe)
        return s->candidate ? 0 : fit_candidate(s, s->merger, err);
    score_drop_merger(s);
    s->merger = merge_prepare(r, st->models, &(merge_options){.pool = s->pool, .memory = s->merge_memory}, err);
    if (!s->merger || fit_candidate(s, s->merger, err) != 0)
        return -1;
    s->merger_step = r == st->recipe ? st : NULL;
    return 0;
}

int score_merge(session *s, const step *st, const recipe *r, error *err)
{
    return open_merger(s, st, r, err) == 0 ? merge_run(s->merger, r, s->candidate, err) : -1;
}

static void not_run(session *s, const question_set *sets, size_t n, const char *reason, evaluation *out)
{
    *out = (evaluation){.outcome = OUTCOME_INVALID, .score = NAN, .reason = memory_text(reason)};
    s->progress.asked += question_sets_count(sets, n);
}

int score_recipe(session *s, const step *st, const recipe *r, const question_set *sets, size_t n, evaluation *out, error *err)
{
    error why = {0};
    *out = (evaluation){0};
    if (score_merge(s, st, r, &why) == 0)
        return score_lineup(s, &(lineup){.models = &s->candidate}, sets, n, out, err);
    if (why.code != ERROR_NOT_FINITE) {
        if (err)
            *err = why;
        return -1;
    }
    not_run(s, sets, n, why.text, out);
    return 0;
}

int score_path(session *s, const step *st, const layer_path *p, const question_set *sets, size_t n, evaluation *out, error *err)
{
    return score_lineup(s, &(lineup){.models = st->models, .path = p}, sets, n, out, err);
}
