/* One generation: its candidates decoded, run, scored, and what became of each committed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "study/generation.h"

evaluation generation_too_long(const step *st, double excess)
{
    return (evaluation){.outcome = OUTCOME_INVALID, .score = NAN,
                        .reason = memory_print("the path breaks its limits by %g hops (at least one, at most max_hops: %d)", excess, st->max_hops)};
}

int generation_commit(session *s, const trial *t, const evaluation *e, const question_set *sets, double seconds, bool too_long, error *err)
{
    const char **ids = memory_new(e->count, sizeof *ids), **answers = memory_new(e->count, sizeof *answers);
    double *scores = memory_new(e->count, sizeof *scores);
    string all = {0};
    for (size_t i = 0, set = 0, left = e->count ? sets[0].count : 0; i < e->count; i++, left--) {
        while (left == 0)
            left = sets[++set].count;
        string_print(&all, "%s/%s", sets[set].task->name, e->results[i].question ? e->results[i].question->id : "");
        string_add(&all, "", 1);
        scores[i] = e->results[i].judged.score;
        answers[i] = e->results[i].answer;
    }
    char *names = all.text;
    for (size_t i = 0; i < e->count; i++, names += strlen(names) + 1)
        ids[i] = names;
    trial_outcome outcome = {.state = e->outcome == OUTCOME_COMPLETE ? "COMPLETE" : e->outcome == OUTCOME_PRUNED ? "PRUNED" : "FAIL",
                             .value = e->score,
                             .scores = scores,
                             .answers = answers,
                             .question_ids = ids,
                             .n_scores = e->count,
                             .reason = e->reason,
                             .seconds = seconds};
    int status = store_complete(s->store, t->id, t->fence, &outcome, err);
    if (status == 0 && e->outcome == OUTCOME_INVALID && !too_long)
        progress_say("trial %lld is invalid: %s", (long long)t->number, e->reason ? e->reason : "");
    free(all.text);
    free(scores);
    free(answers);
    free(ids);
    return status;
}

int generation_claim(session *s, uint32_t g, trial *t, error *err)
{
    const step *st = &s->steps[s->at];
    int claimed = progress_interrupted() ? outcome_interrupted(s, err) : store_claim(s->store, g, t, err);
    if (claimed == 1 && t->n != st->genome->count) {
        claimed = fail(err, ERROR_FORMAT, "%s: trial %lld has %zu numbers, the genome %zu", s->db, (long long)t->number, t->n, st->genome->count);
        trial_clear(t);
    }
    return claimed;
}

/* Decode, merge, run, score, commit. */
static int try_candidate(session *s, const trial *t, const question_set *sets, error *err)
{
    step *st = &s->steps[s->at];
    size_t n = s->search.count;
    evaluation e = {0};
    double began = progress_seconds(), excess = step_decode(st, t->x);
    if (excess > 0) {
        e = generation_too_long(st, excess);
        s->progress.asked += question_sets_count(sets, n);
    } else if ((st->recipe ? score_recipe(s, st, st->recipe, sets, n, &e, err) : score_path(s, st, st->path, sets, n, &e, err)) != 0) {
        return -1;
    }
    int status = generation_commit(s, t, &e, sets, progress_seconds() - began, excess > 0, err);
    evaluation_free(&e);
    return status;
}

int generation_run(session *s, uint32_t g, error *err)
{
    const step *st = &s->steps[s->at];
    question_set *sets = question_pool_draw(&s->search, s->seed, "questions", g, 0);
    score_label(s, "%s generation %lld/%lld", st->file->name, (long long)g - st->first + 1, (long long)st->generations);
    int claimed = 0;
    do {
        trial t = {0};
        claimed = generation_claim(s, g, &t, err);
        if (claimed == 1 && try_candidate(s, &t, sets, err) != 0)
            claimed = -1;
        trial_clear(&t);
    } while (claimed == 1);
    question_sets_free(sets, s->search.count);
    return claimed;
}
