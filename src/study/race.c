/* Racing (docs/measurements.md: a paired test of signs against the median candidate on common questions saves a sixth of them at 64 questions).
 *
 * Invariants
 * 1. Decisions fall between blocks only, from scores that are the same on any number of threads.
 * 2. Merged candidates are held in memory where all of them fit into HELD_BYTES; else they are merged again for each block, which race_objection
 *    allows only where it costs little. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "study/generation.h"

#define FIRST_BLOCK 20          /* questions before the first decision */
#define BLOCK 10
#define UNLIKELY 1.28           /* standard deviations: one in ten by chance */
#define MERGE_SHARE 0.05        /* of a block's time that merging may take */
#define HELD_BYTES ((uint64_t)1 << 30)

typedef struct racer {
    evaluation e;               /* results [all questions] by place; those not asked are empty */
    const double *x;            /* borrowed */
    layer_path *path;           /* owned; NULL: a merge */
    checkpoint *merged;         /* owned; NULL: not held */
    bool live, too_long;
    double mean;                /* of the weighted sets so far */
    double seconds;
} racer;

typedef struct race {
    session *s;
    step *st;
    const question_set *sets;   /* [n_sets] the generation's */
    size_t n_sets, total, asked;
    size_t *begin, *end;        /* [n_sets] of the block, in each set; owned */
    racer *racers;              /* [n] in order of candidates; owned */
    size_t n;
} race;

static bool is_held(const step *st)
{
    return st->recipe && st->bytes * (uint64_t)st->population <= HELD_BYTES;
}

uint64_t race_bytes(const step *st)
{
    return is_held(st) ? st->bytes * (uint64_t)st->population : 0;
}

const char *race_objection(const session *s, const step *st, double merge_seconds, double question_seconds)
{
    for (size_t k = 0; k < s->search.count; k++)
        if (s->search.sets[k].task->command)
            return "a task's command judges all questions at once";
    if (st->recipe && !is_held(st) && merge_seconds <= 0)
        return "how long a merge takes is not known, and the merges do not fit into memory";
    if (st->recipe && !is_held(st) && merge_seconds > MERGE_SHARE * (merge_seconds + BLOCK * question_seconds))
        return "merging anew for each block of questions would take more than 5 % of the time, and the merges do not fit into memory";
    return NULL;
}

/* The next block: a part of every set, in proportion. */
static void next_block(race *r)
{
    size_t to = r->asked ? r->asked + BLOCK : FIRST_BLOCK;
    to = to < r->total ? to : r->total;
    for (size_t k = 0; k < r->n_sets; k++) {
        r->begin[k] = r->end[k];
        r->end[k] = (r->sets[k].count * to + r->total - 1) / r->total;
    }
    r->asked = to;
}

static int score_block(race *r, racer *c, const question_set *block, size_t n, evaluation *out, error *err)
{
    session *s = r->s;
    if (c->path)
        return score_path(s, r->st, c->path, block, n, out, err);
    if (c->merged)
        return score_lineup(s, &(lineup){.models = &c->merged}, block, n, out, err);
    genome_decode(r->st->genome, c->x, r->st->recipe);
    if (score_recipe(s, r->st, r->st->recipe, block, n, out, err) != 0)
        return -1;
    if (out->outcome == OUTCOME_COMPLETE && is_held(r->st)) {     /* the next merge gets new memory */
        c->merged = s->candidate;
        s->candidate = NULL;
    }
    return 0;
}

static void lose(racer *c, evaluation why)
{
    evaluation_free(&c->e);
    c->e = why;
    c->live = false;
}

/* Puts the block's results in their places, and sums up. */
static void take_block(race *r, racer *c, evaluation *out)
{
    size_t from = 0, place = 0;
    double weight = 0;
    c->mean = 0;
    for (size_t k = 0; k < r->n_sets; place += r->sets[k].count, k++) {
        double sum = 0;
        for (size_t i = r->begin[k]; i < r->end[k]; i++) {
            c->e.results[place + i] = out->results[from];
            out->results[from++] = (result){0};
        }
        for (size_t i = 0; i < r->end[k]; i++)
            sum += c->e.results[place + i].judged.score;
        c->mean += r->end[k] ? r->sets[k].weight * sum / (double)r->end[k] : 0;
        weight += r->end[k] ? r->sets[k].weight : 0;
    }
    c->mean /= weight;
}

static int run_block(race *r, racer *c, error *err)
{
    question_set *block = memory_new(r->n_sets, sizeof *block);
    size_t n = 0;
    for (size_t k = 0; k < r->n_sets; k++)
        if (r->end[k] > r->begin[k]) {
            block[n] = r->sets[k];
            block[n].questions += r->begin[k];
            block[n++].count = r->end[k] - r->begin[k];
        }
    evaluation out = {0};
    double began = progress_seconds();
    int status = progress_interrupted() ? outcome_interrupted(r->s, err) : score_block(r, c, block, n, &out, err);
    c->seconds += progress_seconds() - began;
    if (status == 0 && out.outcome != OUTCOME_COMPLETE) {
        lose(c, out);
        out = (evaluation){0};
    } else if (status == 0) {
        take_block(r, c, &out);
    }
    evaluation_free(&out);
    free(block);
    return status;
}

static int descending(const void *a, const void *b)
{
    const racer *p = *(racer *const *)a, *q = *(racer *const *)b;
    return p->mean != q->mean ? (p->mean > q->mean ? -1 : 1) : p < q ? -1 : p > q;
}

/* The last one of the better half; NULL where no more than those are left. */
static const racer *reference(race *r)
{
    racer **order = memory_new(r->n, sizeof *order);
    size_t live = 0, half = r->n / 2 ? r->n / 2 : 1;
    for (size_t i = 0; i < r->n; i++)
        if (r->racers[i].live)
            order[live++] = &r->racers[i];
    qsort(order, live, sizeof *order, descending);
    const racer *found = live > half ? order[half - 1] : NULL;
    free(order);
    return found;
}

/* By the paired differences, beside what they would be if each had its sign by chance. Of scores 0 and 1 of one task that is
 * the sign test: the questions that only one of the two solves. */
static bool is_worse(const race *r, const racer *c, const racer *than)
{
    double sum = 0, squares = 0;
    for (size_t k = 0, place = 0; k < r->n_sets; place += r->sets[k].count, k++)
        for (size_t i = 0; i < r->end[k]; i++) {
            double d = r->sets[k].weight / (double)r->end[k] *
                       (c->e.results[place + i].judged.score - than->e.results[place + i].judged.score);
            sum += d;
            squares += d * d;
        }
    return sum < 0 && -sum > UNLIKELY * sqrt(squares);
}

static void prune(race *r)
{
    const racer *than = reference(r);
    for (size_t i = 0; than && i < r->n; i++) {
        racer *c = &r->racers[i];
        if (!c->live || c == than || !is_worse(r, c, than))
            continue;
        c->live = false;
        c->e.outcome = OUTCOME_PRUNED;
    }
}

/* Only what was asked, set by set, is committed. */
static int commit(race *r, const trial *t, error *err)
{
    racer *c = &r->racers[t->candidate];
    question_set *asked = memory_new(r->n_sets, sizeof *asked);
    evaluation e = {.outcome = c->e.outcome, .score = c->mean, .reason = c->e.reason};
    if (c->e.outcome == OUTCOME_INVALID)
        e.score = NAN;
    else
        e.results = memory_new(r->total, sizeof *e.results);
    for (size_t k = 0, place = 0; k < r->n_sets; place += r->sets[k].count, k++) {
        asked[k] = r->sets[k];
        asked[k].count = 0;
        for (size_t i = 0; e.results && i < r->sets[k].count; i++)
            if (c->e.results[place + i].answer) {
                e.results[e.count++] = c->e.results[place + i];
                asked[k].count++;
            }
    }
    int status = generation_commit(r->s, t, &e, asked, c->seconds, c->too_long, err);
    free(e.results);
    free(asked);
    return status;
}

static int commit_all(race *r, uint32_t g, error *err)
{
    int claimed = 0;
    do {
        trial t = {0};
        claimed = generation_claim(r->s, g, &t, err);
        if (claimed == 1 && (t.candidate >= r->n ? fail(err, ERROR_FORMAT, "%s: trial %lld is candidate %u of %zu", r->s->db, (long long)t.number,
                                                        t.candidate, r->n)
                                                 : commit(r, &t, err)) != 0)
            claimed = -1;
        trial_clear(&t);
    } while (claimed == 1);
    return claimed;
}

static int line_up(race *r, const trial *list, size_t n, error *err)
{
    r->racers = memory_new(n, sizeof *r->racers);
    r->n = n;
    for (size_t i = 0; i < n; i++) {
        racer *c = list[i].candidate < n ? &r->racers[list[i].candidate] : NULL;
        if (!c || c->x || list[i].n != r->st->genome->count)
            return fail(err, ERROR_FORMAT, "%s: trial %lld is candidate %u with %zu numbers, of %zu with %zu", r->s->db, (long long)list[i].number,
                        list[i].candidate, list[i].n, n, r->st->genome->count);
        *c = (racer){.x = list[i].x, .live = true, .e = {.outcome = OUTCOME_COMPLETE, .count = r->total}};
        c->e.results = memory_new(r->total, sizeof *c->e.results);
        double excess = step_decode(r->st, c->x);
        c->too_long = excess > 0;
        if (c->too_long)
            lose(c, generation_too_long(r->st, excess));
        else if (r->st->path)
            c->path = path_copy(r->st->path);
    }
    return 0;
}

static int run_blocks(race *r, error *err)
{
    uint64_t planned = r->s->progress.asked + r->total * r->n;
    while (r->asked < r->total) {
        next_block(r);
        for (size_t i = 0; i < r->n; i++)
            if (r->racers[i].live && run_block(r, &r->racers[i], err) != 0)
                return -1;
        if (r->asked < r->total)
            prune(r);
    }
    r->s->progress.asked = planned;
    return 0;
}

int generation_race(session *s, uint32_t g, error *err)
{
    step *st = &s->steps[s->at];
    race r = {.s = s, .st = st, .n_sets = s->search.count};
    question_set *sets = question_pool_draw(&s->search, s->seed, "questions", g, 0);
    trial *list = NULL;
    size_t n = 0;
    score_label(s, "%s generation %lld/%lld", st->file->name, (long long)g - st->first + 1, (long long)st->generations);
    r.sets = sets;
    r.total = question_sets_count(sets, r.n_sets);
    r.begin = memory_new(r.n_sets, sizeof *r.begin);
    r.end = memory_new(r.n_sets, sizeof *r.end);
    int status = store_trials(s->store, g, false, &list, &n, err);
    bool open = false;
    for (size_t i = 0; i < n; i++)
        open = open || trial_is_open(&list[i]);
    if (status == 0 && open)
        status = line_up(&r, list, n, err) == 0 && run_blocks(&r, err) == 0 ? commit_all(&r, g, err) : -1;
    for (size_t i = 0; i < r.n; i++) {
        evaluation_free(&r.racers[i].e);
        path_free(r.racers[i].path);
        checkpoint_free(r.racers[i].merged);
    }
    free(r.racers);
    free(r.begin);
    free(r.end);
    trials_free(list, n);
    question_sets_free(sets, r.n_sets);
    return status;
}
