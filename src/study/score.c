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
    char *scratch = file_join(s->out, "scratch");
    evaluator_options options = {.backend = s->backend,
                                 .pool = s->pool,
                                 .kv_bytes = s->kv_bytes,
                                 .check_finite = true,
                                 .scratch = scratch,
                                 .progress = on_progress,
                                 .progress_context = s,
                                 .seed = s->seed};
    s->scratch = scratch;
    s->evaluator = evaluator_new(&options, err);
    return s->evaluator ? 0 : -1;
}

int score_checkpoint(session *s, const checkpoint *c, const question_set *sets, size_t n, evaluation *out, error *err)
{
    session_progress *p = &s->progress;
    if (p->began == 0)
        p->began = progress_seconds();
    p->tokens_now = 0;
    *out = (evaluation){0};
    if (s->evaluator->run(s->evaluator, c, sets, n, out, err) != 0)
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

int score_recipe(session *s, merger *m, const recipe *r, const question_set *sets, size_t n, evaluation *out, error *err)
{
    error why = {0};
    *out = (evaluation){0};
    if (merge_run(m, r, s->candidate, &why) == 0)
        return score_checkpoint(s, s->candidate, sets, n, out, err);
    if (why.code != ERROR_NOT_FINITE) {
        if (err)
            *err = why;
        return -1;
    }
    *out = (evaluation){.outcome = OUTCOME_INVALID, .score = NAN, .reason = memory_text(why.text)};
    s->progress.asked += question_sets_count(sets, n);
    return 0;
}
