/* What a study will take: time by a probe of a few questions, memory and disk by counting. What does not fit is refused
 * before hours are spent. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "study/finish.h"
#include "study/generation.h"
#include "study/session.h"
#include "task/prompts.h"
#include "text/tokenizer.h"

#define OTHER_BYTES ((uint64_t)512 << 20)   /* tokenizers, activations, questions, the program */
#define PROBE_QUESTIONS 8
#define BYTES_A_RESULT 400                  /* of the database: a question's score and answer */

/* Decoding costs a x steps + c x tokens: weights are read once a step, whatever the number of sequences. */
typedef struct costs {
    double merge, prefill, step, token;     /* seconds: a merge, a question's prompt, a decode step, a decoded token */
    double tokens, longest;                 /* decoded tokens of a question: mean, most */
    double slots;                           /* sequences that the engine runs at once */
} costs;

typedef struct sizes {
    uint64_t candidate, kv, total, available;
    uint64_t disk, disk_free;
    int slots;                              /* sequences at once */
    size_t longest;                         /* tokens of the longest request, its answer included */
} sizes;

static uint64_t read_number(const char *path)
{
    FILE *f = fopen(path, "r");
    unsigned long long n = 0;
    uint64_t value = f && fscanf(f, "%llu", &n) == 1 ? n : UINT64_MAX;
    if (f)
        fclose(f);
    return value;
}

/* What this process may still take: the kernel's word, or less in a container. */
static uint64_t memory_available(void)
{
    uint64_t available = UINT64_MAX, limit;
    FILE *f = fopen("/proc/meminfo", "r");
    char line[256];
    unsigned long long kb;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %llu kB", &kb) == 1)
            available = (uint64_t)kb * 1024;
    if (f)
        fclose(f);
    limit = read_number("/sys/fs/cgroup/memory.max");
    if (limit < available)
        available = limit;
    limit = read_number("/sys/fs/cgroup/memory/memory.limit_in_bytes");
    return limit < available ? limit : available;
}

static int longest_of(const question_pool *p, const tokenizer *tok, const model_config *config, size_t *longest, error *err)
{
    prompts *seen = prompts_new();
    int64_t positions = config_position_limit(config);
    int status = 0;
    for (size_t i = 0; i < p->count && status == 0; i++) {
        const task *t = p->sets[i].task;
        for (size_t k = 0; !t->command && k < p->sets[i].count && status == 0; k++) {
            const question *q = p->sets[i].questions[k];
            const prompt *asked = prompts_get(seen, t, q, tok, positions, err);
            size_t n = asked ? prompt_longest(asked) : 0;
            if (!asked)
                status = -1;
            else if ((int64_t)asked->context.count >= positions && t->truncation == TRUNCATE_NEVER)
                status =
                    fail(err, ERROR_LIMIT,
                         "%s line %zu: a prompt of %zu tokens leaves no room under the model's %lld positions; shorten it, or "
                         "write 'truncate: left' in %s",
                         q->file, q->line, asked->context.count, (long long)positions, t->file);
            if ((int64_t)n > positions)
                n = (size_t)positions;
            if (n > *longest)
                *longest = n;
        }
    }
    prompts_free(seen);
    return status;
}

/* As long a path as a step may try, through the models that are there: what it takes is what it will take. */
static layer_path *longest_path(const session *s, checkpoint ***models)
{
    layer_path *p = path_new();
    size_t hops = 0;
    *models = memory_new(1, sizeof **models);
    (*models)[0] = s->models[0].checkpoint;
    path_add_source(p, s->models[0].name, s->models[0].path);
    for (size_t k = 0; k < s->n_steps; k++) {
        size_t most = s->steps[k].path ? (size_t)s->steps[k].max_hops : (size_t)s->models[0].layers;
        hops = most > hops ? most : hops;
    }
    for (size_t i = 0; i < hops; i++)
        path_add_hop(p, 0, (int)i % s->models[0].layers, 1);
    return p;
}

static plan *largest_plan(const session *s, error *err)
{
    checkpoint **models;
    layer_path *longest = longest_path(s, &models);
    plan *p = lineup_plan(&(lineup){.models = models, .path = longest}, err);
    path_free(longest);
    free(models);
    return p;
}

/* Merges that are held at once: a candidate, and the winners that later steps stand on. */
static uint64_t merge_bytes(const session *s)
{
    uint64_t merges = 0;
    bool any = false;
    for (size_t k = 0; k < s->n_steps; k++) {
        any = any || s->steps[k].recipe;
        for (size_t i = 0; i < s->steps[k].n_models; i++)
            merges += s->steps[k].winner_of[i] >= 0;
    }
    uint64_t held = 0;
    for (size_t k = 0; k < s->n_steps; k++)
        if (s->steps[k].file->racing && race_bytes(s, &s->steps[k]) > held)
            held = race_bytes(s, &s->steps[k]);
    return held + (merges ? merges + 1 : any) * checkpoint_bytes(s->models[0].checkpoint);
}

/* The longest path that may win, folded: at the end, when no candidate is in memory any more. */
static uint64_t fold_bytes(const session *s)
{
    uint64_t most = 0;
    for (size_t k = 0; k < s->n_steps; k++) {
        uint64_t layers = (uint64_t)s->models[0].layers, hops = s->steps[k].path ? (uint64_t)s->steps[k].max_hops : 0;
        uint64_t bytes = checkpoint_bytes(s->models[0].checkpoint) / layers * hops;
        most = bytes > most ? bytes : most;
    }
    return most;
}

/* Engine's memory for the largest run; a budget that is short of it gets fewer sequences at once. */
static int count_memory(session *s, sizes *z, error *err)
{
    z->candidate = merge_bytes(s);
    z->available = s->options->memory ? s->options->memory : memory_available();
    if (!s->options->evaluator) {
        plan *p = largest_plan(s, err);
        if (!p)
            return -1;
        tokenizer *tok = tokenizer_open(s->models[0].checkpoint->folder, err);
        int status = tok && longest_of(&s->search, tok, &p->config, &z->longest, err) == 0 &&
                             longest_of(&s->select, tok, &p->config, &z->longest, err) == 0
                         ? longest_of(&s->held_out, tok, &p->config, &z->longest, err)
                         : -1;
        uint64_t one = engine_kv_bytes(p, z->longest);
        z->slots = engine_slots(p, s->pool);
        tokenizer_free(tok);
        plan_free(p);
        if (status != 0)
            return -1;
        z->kv = one * (uint64_t)z->slots;
        if (z->kv > ENGINE_KV_BYTES)
            z->kv = one > ENGINE_KV_BYTES ? one : ENGINE_KV_BYTES;
        uint64_t rest = z->available > z->candidate + OTHER_BYTES ? z->available - z->candidate - OTHER_BYTES : 0;
        if (rest < z->kv && rest >= one)
            z->kv = rest;
        s->kv_bytes = z->kv;
    }
    uint64_t folded = fold_bytes(s), running = z->candidate + z->kv;
    z->total = (folded > running ? folded : running) + OTHER_BYTES;
    if (z->total <= z->available)
        return 0;
    char a[32], b[32], c[32], d[32];
    return fail(err, ERROR_MEMORY, "the study needs %s of memory (merged weights %s, keys and values %s), and %s %s; %s",
                progress_bytes(a, (double)z->total), progress_bytes(b, (double)z->candidate), progress_bytes(c, (double)z->kv),
                progress_bytes(d, (double)z->available), s->options->memory ? "is what --memory allows" : "is free",
                s->options->memory ? "allow more" : "close other programs, or use a larger machine");
}

static double all_trials(const session *s)
{
    double trials = 0;
    for (size_t k = 0; k < s->n_steps; k++)
        trials += (double)s->steps[k].generations * s->steps[k].population;
    return trials;
}

static int count_disk(session *s, sizes *z, error *err)
{
    const char *out = s->options->fork ? s->options->fork : s->out;
    bool command = false;
    for (size_t i = 0; i < s->tasks.count; i++)
        command = command || s->tasks.items[i]->command;
    double trials = all_trials(s);
    uint64_t candidate = checkpoint_bytes(s->models[0].checkpoint);
    candidate = fold_bytes(s) > candidate ? fold_bytes(s) : candidate;
    z->disk =
        candidate * (command ? 2 : 1) + (uint64_t)fmin(trials * (double)(question_pool_asked(&s->search) + 8) * BYTES_A_RESULT, 1e18) + ((uint64_t)16 << 20);
    if (file_free_bytes(out, &z->disk_free, err) != 0)
        return -1;
    char a[32], b[32];
    return z->disk <= z->disk_free ? 0
                                   : fail(err, ERROR_IO, "the study needs %s on the disk of %s, which has %s left",
                                          progress_bytes(a, (double)z->disk), out, progress_bytes(b, (double)z->disk_free));
}

/* A lineup on k questions: the decoded tokens, the longest answer, the time. */
static int probe(session *s, const lineup *l, const question_set *all, size_t k, evaluation *e, double *seconds, size_t *asked, error *err)
{
    question_set *sets = memory_new(s->search.count, sizeof *sets);
    for (size_t i = 0; i < s->search.count; i++) {
        sets[i] = all[i];
        if (sets[i].count > k)
            sets[i].count = k;
    }
    double began = progress_seconds();
    int status = s->evaluator->run(s->evaluator, l, sets, s->search.count, e, err);
    *seconds = progress_seconds() - began;
    *asked = question_sets_count(sets, s->search.count);
    free(sets);
    return status;
}

static void learn(const evaluation *one, double one_seconds, size_t one_asked, const evaluation *more, double seconds,
                  size_t asked, costs *c)
{
    double tokens = 0, single = 0;
    for (size_t i = 0; i < more->count; i++) {
        tokens += more->results[i].n_tokens;
        if (more->results[i].n_tokens > c->longest)
            c->longest = more->results[i].n_tokens;
    }
    for (size_t i = 0; i < one->count; i++)
        single += one->results[i].n_tokens;
    c->tokens = asked ? tokens / (double)asked : 0;
    if (more->stats.decode_tokens == 0 || more->stats.decode_seconds <= 0 ||
        tokens == 0) { /* not the engine's: all in proportion */
        c->prefill = asked > one_asked && seconds > one_seconds ? (seconds - one_seconds) / (double)(asked - one_asked)
                                                                : seconds / (double)(asked ? asked : 1);
        return;
    }
    c->prefill = more->stats.prefill_seconds / (double)asked;
    double per_token = more->stats.decode_seconds / tokens, alone = single > 0 ? one->stats.decode_seconds / single : per_token;
    /* a L + c T = seconds of the larger run, a + c = seconds a token of the single one */
    double steps = c->longest,
           slope = tokens > steps ? (more->stats.decode_seconds - alone * steps) / (tokens - steps) : per_token;
    c->token = fmin(fmax(slope, 0), alone);
    c->step = alone - c->token;
}

static double question_seconds(const costs *c, double questions)
{
    double tokens = questions * c->tokens, steps = fmax(c->longest, tokens / c->slots);
    return questions * c->prefill + steps * c->step + tokens * c->token;
}

/* What the first step starts from, merged where it is a merge. */
static int take_time(session *s, costs *c, error *err)
{
    step *st = &s->steps[0];
    double began = progress_seconds(), first = 0, second = 0;
    if (st->recipe && score_merge(s, st, st->recipe, err) != 0)
        return fail_in(err, "the merge that the search starts from");
    c->merge = st->recipe ? progress_seconds() - began : 0;
    lineup l = st->recipe ? (lineup){.models = &s->candidate} : (lineup){.models = st->models, .path = st->path};
    question_set *sets = question_pool_draw(&s->search, s->seed, "questions", 0, 0);
    evaluation one = {0}, more = {0};
    size_t one_asked = 0, asked = 0;
    int status = probe(s, &l, sets, 1, &one, &first, &one_asked, err);
    if (status == 0)
        status = probe(s, &l, sets, PROBE_QUESTIONS, &more, &second, &asked, err);
    if (status == 0)
        learn(&one, first, one_asked, &more, second, asked, c);
    evaluation_free(&one);
    evaluation_free(&more);
    question_sets_free(sets, s->search.count);
    return status;
}

/* A study that goes on knows what its trials took. */
static int recall(session *s, costs *c, size_t *finished, error *err)
{
    trial *list = NULL;
    size_t n = 0, timed = 0;
    double sum = 0;
    *finished = 0;
    if (!s->store)
        return 0;
    if (store_trials(s->store, UINT32_MAX, false, &list, &n, err) != 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        *finished += !trial_is_open(&list[i]);
        if (strcmp(list[i].state, "COMPLETE") == 0 && list[i].seconds > 0 && isfinite(list[i].seconds)) {
            sum += list[i].seconds;
            timed++;
        }
    }
    trials_free(list, n);
    if (timed)
        *c = (costs){.prefill = sum / (double)timed / (double)question_pool_asked(&s->search)};
    return timed > 0;
}

static json_t *steps_json(const session *s)
{
    json_t *list = json_array();
    for (size_t k = 0; k < s->n_steps; k++) {
        const step *st = &s->steps[k];
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I, s:i}", "name", st->file->name, "optimizer", st->optimizer, "dimensions",
                                              (json_int_t)st->genome->count, "generations", (json_int_t)st->generations, "population",
                                              st->population));
    }
    return list;
}

static void say_steps(const session *s)
{
    for (size_t k = 0; k < s->n_steps; k++) {
        const step *st = &s->steps[k];
        progress_say("%s%s%s: %zu numbers by %s, %lld generations of %d, %zu questions each; kernels %s", s->file->name,
                     s->n_steps > 1 ? ", " : "", s->n_steps > 1 ? st->file->name : "", st->genome->count, st->optimizer, (long long)st->generations,
                     st->population, question_pool_asked(&s->search), s->backend->name);
    }
}

/* Steps that are not recorded yet are raced where the file asks for it and nothing speaks against it. */
static void choose_racing(session *s, const costs *c)
{
    size_t recorded = json_array_size(json_object_get(json_object_get(s->settings, "fixed"), "steps"));
    for (size_t k = recorded; k < s->n_steps; k++) {
        step *st = &s->steps[k];
        const char *why = st->file->racing ? race_objection(s, st, c->merge, question_seconds(c, 1)) : NULL;
        st->racing = st->file->racing && !why;
        if (why)
            progress_say("%s: no racing: %s", st->file->name, why);
    }
}

int estimate_run(session *s, error *err)
{
    costs c = {0};
    sizes z = {0};
    size_t finished = 0;
    if (count_memory(s, &z, err) != 0 || count_disk(s, &z, err) != 0 || session_open_evaluator(s, err) != 0)
        return -1;
    c.slots = z.slots ? z.slots : 1;
    int known = recall(s, &c, &finished, err);
    if (known < 0 || (known == 0 && take_time(s, &c, err) != 0))
        return -1;
    choose_racing(s, &c);
    double trials = fmax(all_trials(s) - (double)finished, 0),
           asked = (double)question_pool_asked(&s->search);
    double candidate = c.merge + question_seconds(&c, asked), search = trials * candidate;
    finish_load load = finish_estimate(s);
    double last = load.merges * c.merge + load.evaluations * question_seconds(&c, load.questions / fmax(load.evaluations, 1));
    s->progress = (session_progress){.total = (uint64_t)(trials * asked), .best = NAN, .mean = NAN};
    char text[5][32];
    if (s->options->dry_run && s->options->json) {
        json_t *json = json_pack("{s:s, s:o, s:f, s:f, s:f, s:I, s:I}", "study", s->file->name, "steps", steps_json(s), "candidate_seconds",
                                 candidate, "search_seconds", search, "final_seconds", last, "memory_bytes", (json_int_t)z.total,
                                 "disk_bytes", (json_int_t)z.disk);
        json_dumpf(json, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(json);
    }
    say_steps(s);
    progress_say("about %s a candidate, %s for the search, %s for the final choice and the table; memory %s, disk %s",
                 progress_duration(text[0], candidate), progress_duration(text[1], search), progress_duration(text[2], last),
                 progress_bytes(text[3], (double)z.total), progress_bytes(text[4], (double)z.disk));
    return 0;
}
