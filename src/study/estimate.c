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
#include "study/forecast.h"
#include "study/generation.h"
#include "study/session.h"
#include "task/prompts.h"
#include "text/tokenizer.h"

#define OTHER_BYTES ((uint64_t)512 << 20)   /* tokenizers, activations, questions, the program */
#define MEASURED_BYTES ((uint64_t)1 << 30)  /* of a candidate: a dry run does not try larger ones */
#define BYTES_A_RESULT 400                  /* of the database: a question's score and answer */

typedef struct sizes {
    uint64_t candidate, kv, total, available;
    uint64_t disk, disk_free, features;
    int slots;                              /* sequences at once */
    int64_t width;                          /* of a row of a picture's features */
    prompt_sizes prompts;
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

static int add_prompts(const session *s, const question_pool *p, const tokenizer *tok, const chat *c, const model_config *config, prompt_sizes *out, error *err)
{
    prompts *seen = prompts_new();
    int status = 0;
    for (size_t i = 0; i < p->count && status == 0; i++) {
        const task *t = p->sets[i].task;
        int64_t rows = 0;
        status = costs_picture_rows(s, t, &rows, err);
        for (size_t k = 0; !t->command && k < p->sets[i].count && status == 0; k++) {
            const question *q = p->sets[i].questions[k];
            const prompt *asked = prompts_get(seen, t, q, tok, c, config_position_limit(config), err);
            status = asked ? 0 : -1;
            size_t before = (asked ? asked->context.count : 0) + (rows > 0 ? (size_t)rows - 1 : 0), answer_tokens = asked ? prompt_longest(asked) - asked->context.count : 0;
            size_t n = before + answer_tokens * (size_t)(t->beams > 1 ? t->beams : 1);
            if (status == 0 && (int64_t)before >= config->max_positions && t->truncation == TRUNCATE_NEVER)
                status =
                    fail(err, ERROR_LIMIT,
                         "%s line %zu: a prompt of %zu tokens leaves no room under the model's %lld positions; shorten it, or "
                         "write 'truncate: left' in %s",
                         q->file, q->line, before, (long long)config->max_positions, t->file);
            if (t->beams <= 1 && (int64_t)n > config->max_positions)
                n = (size_t)config->max_positions;
            out->longest = n > out->longest ? n : out->longest;
            out->tokens += (double)before;
            out->count++;
        }
    }
    prompts_free(seen);
    return status;
}

static int measure_prompts(const session *s, const model_config *config, prompt_sizes *out, error *err)
{
    const checkpoint *model = shape_of(s, 0)->checkpoint;
    const question_pool *const pools[] = {&s->search, &s->select, &s->held_out};
    tokenizer *tok = tokenizer_of(model, err);
    chat *c = NULL;
    int status = tok ? 0 : -1;
    for (size_t k = 0; k < 3 && status == 0 && !c; k++)
        for (size_t i = 0; i < pools[k]->count && status == 0 && !c; i++)
            if (pools[k]->sets[i].task->message.chat && !(c = chat_of(model, tok, true, err)))
                status = -1;
    for (size_t k = 0; k < 3 && status == 0; k++)
        status = add_prompts(s, pools[k], tok, c, config, out, err);
    chat_free(c);
    tokenizer_free(tok);
    return status;
}

/* As long a path as a step may try, through the models that are there: what it takes is what it will take. */
static plan *largest_plan(const session *s, error *err)
{
    const session_model *shape = shape_of(s, 0);
    checkpoint *const models[] = {shape->checkpoint};
    layer_path *longest = path_new();
    size_t hops = 0;
    path_add_source(longest, shape->name, shape->path);
    for (size_t k = 0; k < s->n_steps; k++) {
        size_t most = s->steps[k].path ? (size_t)s->steps[k].max_hops : (size_t)shape_of(s, (int)k)->layers;
        hops = most > hops ? most : hops;
    }
    for (size_t i = 0; i < hops; i++)
        path_add_hop(longest, 0, (int)i % shape->layers, 1);
    plan *p = lineup_plan(&(lineup){.models = models, .path = longest}, err);
    path_free(longest);
    return p;
}

static uint64_t candidate_bytes(const session *s)
{
    uint64_t most = 0;
    for (size_t k = 0; k < s->n_steps; k++)
        most = s->steps[k].recipe && s->steps[k].bytes > most ? s->steps[k].bytes : most;
    return most;
}

/* Merges that are held at once: a candidate, and the winners that later steps stand on. */
static uint64_t merge_bytes(const session *s)
{
    uint64_t winners = 0, held = 0;
    for (size_t k = 0; k < s->n_steps; k++) {
        const step *st = &s->steps[k];
        for (size_t i = 0; i < st->n_models; i++)
            winners += st->winner_of[i] >= 0 ? s->steps[st->winner_of[i]].bytes : 0;
        if (st->file->racing && race_bytes(st) > held)
            held = race_bytes(st);
    }
    return held + winners + candidate_bytes(s);
}

/* The longest path that may win, folded: at the end, when no candidate is in memory any more. */
static uint64_t fold_bytes(const session *s)
{
    uint64_t most = 0;
    for (size_t k = 0; k < s->n_steps; k++) {
        const step *st = &s->steps[k];
        uint64_t layers = (uint64_t)shape_of(s, (int)k)->layers, bytes = st->path ? st->bytes / layers * (uint64_t)st->max_hops : 0;
        most = bytes > most ? bytes : most;
    }
    return most;
}

/* What best/ may become. */
static uint64_t result_bytes(const session *s)
{
    uint64_t most = fold_bytes(s);
    for (size_t k = 0; k < s->n_steps; k++)
        most = s->steps[k].bytes > most ? s->steps[k].bytes : most;
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
        int status = measure_prompts(s, &p->config, &z->prompts, err);
        uint64_t one = engine_kv_bytes(p, z->prompts.longest);
        z->width = p->config.hidden;
        z->slots = engine_slots(p, s->pool);
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
    s->merge_memory = s->options->memory > running ? s->options->memory - running + candidate_bytes(s) : 0;
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

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t count_pictures(const question_set *set)
{
    char **paths = memory_new(set->count, sizeof *paths);
    size_t different = 0;
    for (size_t i = 0; i < set->count; i++)
        paths[i] = task_picture(set->task, set->questions[i]);
    if (set->count)
        qsort(paths, set->count, sizeof *paths, by_text);
    for (size_t i = 0; i < set->count; i++)
        different += i == 0 || strcmp(paths[i], paths[i - 1]) != 0;
    for (size_t i = 0; i < set->count; i++)
        free(paths[i]);
    free(paths);
    return different;
}

/* Kept in OUT/features: f32. Every set's pictures count, also those that another has. */
static int count_features(const session *s, sizes *z, error *err)
{
    const question_pool *pools[] = {&s->search, &s->select, &s->held_out};
    for (int i = 0; i < 3; i++)
        for (size_t k = 0; k < pools[i]->count; k++) {
            const question_set *set = &pools[i]->sets[k];
            int64_t rows;
            if (costs_picture_rows(s, set->task, &rows, err) != 0)
                return -1;
            if (!set->task->image_field)
                continue;
            size_t n = count_pictures(set);
            z->prompts.pictures += (double)n;
            z->features += n * (uint64_t)rows * (uint64_t)z->width * sizeof(float);
        }
    return 0;
}

static int count_disk(session *s, sizes *z, error *err)
{
    const char *out = s->options->fork ? s->options->fork : s->out;
    bool command = false;
    for (size_t i = 0; i < s->tasks.count; i++)
        command = command || s->tasks.items[i]->command;
    double trials = all_trials(s);
    if (count_features(s, z, err) != 0)
        return -1;
    z->disk = result_bytes(s) * (command ? 2 : 1) + z->features + (uint64_t)fmin(trials * (double)(question_pool_asked(&s->search) + 8) * BYTES_A_RESULT, 1e18) + ((uint64_t)16 << 20);
    if (file_free_bytes(out, &z->disk_free, err) != 0)
        return -1;
    char a[32], b[32];
    return z->disk <= z->disk_free ? 0
                                   : fail(err, ERROR_IO, "the study needs %s on the disk of %s, which has %s left",
                                          progress_bytes(a, (double)z->disk), out, progress_bytes(b, (double)z->disk_free));
}

/* Hops that a candidate of a step goes through, as the search begins. */
static double hops_of(const session *s, const step *st)
{
    return st->path ? (double)st->path->n_hops : (double)shape_of(s, st->index)->layers;
}

/* What is known is the first step's: another's candidates go through more layers or fewer, and only merges are merged. What trials took is taken as it was. */
static double search_seconds(const session *s, const costs *c, double finished, bool known)
{
    double sum = 0, asked = costs_questions(c, (double)question_pool_asked(&s->search));
    for (size_t k = 0; k < s->n_steps; k++) {
        const step *st = &s->steps[k];
        double trials = (double)st->generations * st->population, over = fmin(finished, trials);
        finished -= over;
        sum += (trials - over) * (known ? asked : (st->recipe ? c->merge : 0) + asked * hops_of(s, st) / hops_of(s, &s->steps[0]));
    }
    return sum;
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
        const char *why = st->file->racing ? race_objection(s, st, c->merge, costs_questions(c, 1)) : NULL;
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
    int known = costs_recall(s, &c, &finished, err);
    bool count = s->options->dry_run && !s->options->evaluator && result_bytes(s) > MEASURED_BYTES;
    if (known < 0 || (known == 0 && (count ? costs_count(s, &z.prompts, &c, err) : costs_measure(s, &c, err)) != 0))
        return -1;
    choose_racing(s, &c);
    double trials = fmax(all_trials(s) - (double)finished, 0),
           asked = (double)question_pool_asked(&s->search);
    double candidate = c.merge + costs_questions(&c, asked), search = search_seconds(s, &c, (double)finished, known > 0);
    finish_load load = finish_estimate(s);
    double last = load.merges * c.merge + load.evaluations * costs_questions(&c, load.questions / fmax(load.evaluations, 1));
    s->progress = (session_progress){.total = (uint64_t)(trials * asked), .best = NAN, .mean = NAN};
    char text[5][32];
    if (s->options->dry_run && s->options->json) {
        json_t *json = json_pack("{s:s, s:o, s:f, s:f, s:f, s:I, s:I}", "study", s->file->name, "steps", steps_json(s), "candidate_seconds",
                                 candidate, "search_seconds", search, "final_seconds", last, "memory_bytes", (json_int_t)z.total,
                                 "disk_bytes", (json_int_t)z.disk);
        json_object_set_new(json, "counted", json_boolean(c.counted));
        json_dumpf(json, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(json);
    }
    if (s->options->dry_run && !s->options->json) {
        char *plan_text = forecast_text(s, &(forecast){c, candidate, search, last, z.total, z.candidate, z.kv, z.disk, z.disk_free, z.features});
        fputs(plan_text, stdout);
        free(plan_text);
    }
    say_steps(s);
    progress_say("about %s a candidate, %s for the search, %s for the final choice and the table; memory %s, disk %s",
                 progress_duration(text[0], candidate), progress_duration(text[1], search), progress_duration(text[2], last),
                 progress_bytes(text[3], (double)z.total), progress_bytes(text[4], (double)z.disk));
    return 0;
}
