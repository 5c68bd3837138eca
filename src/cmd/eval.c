#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "cmd/options.h"
#include "study/source.h"
#include "task/evaluator.h"

#define MOST_SLOTS 65536
#define MOST_BEAMS 256

static bool show_progress(void *context, size_t done, size_t n, const engine_stats *stats)
{
    char text[64];
    double seconds = progress_seconds() - *(double *)context;
    snprintf(text, sizeof text, "%.0f tokens/s", (double)(stats->prefill_tokens + stats->decode_tokens) / (seconds > 0 ? seconds : 1));
    progress_bar("questions", done, n, text);
    return !progress_interrupted();
}

static const char *finish_name(enum finish f)
{
    static const char *const names[] = {"none", "stop_token", "stop_string", "length", "not_finite", "interrupted"};
    return names[f];
}

static json_t *answer_json(const task *t, const result *r)
{
    json_t *tokens = json_array();
    for (int i = 0; i < r->n_tokens; i++)
        json_array_append_new(tokens, json_integer(r->tokens[i]));
    return json_pack("{s:s, s:s, s:s, s:o, s:f, s:f, s:b, s:s, s:o}", "task", t->name, "id", r->question->id, "answer", r->answer ? r->answer : "",
                     "tokens", tokens, "score", r->judged.score, "raw", r->judged.raw, "language_ok", r->judged.language_ok, "finish",
                     finish_name(r->finish), "min_margin", isfinite(r->min_margin) ? json_real(r->min_margin) : json_null());
}

static int write_answers(const char *path, const evaluation *e, const question_set *sets, size_t n_sets, error *err)
{
    string text = {0};
    size_t at = 0;
    for (size_t s = 0; s < n_sets; s++)
        for (size_t i = 0; i < sets[s].count && at < e->count; i++, at++) {
            json_t *line = answer_json(sets[s].task, &e->results[at]);
            char *dumped = json_dumps(line, JSON_COMPACT);
            string_print(&text, "%s\n", dumped);
            free(dumped);
            json_decref(line);
        }
    int status = file_write(path, text.text ? text.text : "", text.length, err);
    free(text.text);
    return status;
}

static void set_statistics(const evaluation *e, size_t first, size_t n, double *raw, double *low, double *high)
{
    double *scores = memory_new(n, sizeof *scores);
    *raw = 0;
    for (size_t i = 0; i < n; i++) {
        scores[i] = e->results[first + i].judged.score;
        *raw += e->results[first + i].judged.raw / (double)n;
    }
    score_interval(scores, n, low, high);
    free(scores);
}

static void print_results(const char *model, const evaluation *e, const question_set *sets, const char *split, size_t n_sets, bool json, double seconds)
{
    json_t *rows = json_array();
    size_t at = 0;
    if (!json)
        printf("%-24s %-10s %9s  %7s  %-17s %7s\n", "task", "split", "questions", "score", "95 % interval", "raw");
    for (size_t s = 0; s < n_sets; s++) {
        double raw, low, high, score = e->set_scores[s];
        set_statistics(e, at, sets[s].count, &raw, &low, &high);
        at += sets[s].count;
        if (json)
            json_array_append_new(rows, json_pack("{s:s, s:s, s:I, s:f, s:f, s:f, s:f}", "task", sets[s].task->name, "split", split, "questions",
                                                  (json_int_t)sets[s].count, "score", score, "low", low, "high", high, "raw", raw));
        else
            printf("%-24s %-10s %9zu  %6.1f%%  %5.1f .. %5.1f    %6.1f%%\n", sets[s].task->name, split, sets[s].count, 100 * score, 100 * low, 100 * high, 100 * raw);
    }
    if (json) {
        json_t *object = json_pack("{s:s, s:f, s:o, s:f}", "model", model, "score", e->score, "tasks", rows, "seconds", seconds);
        if (e->pictures.computed || e->pictures.found)
            json_object_set_new(object, "pictures", json_pack("{s:I, s:I}", "computed", (json_int_t)e->pictures.computed, "found", (json_int_t)e->pictures.found));
        json_dumpf(object, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(object);
    } else {
        json_decref(rows);
    }
}

/* The questions of a split, or its first `limit` ones. */
static int choose_questions(const task *t, const char *split, int64_t limit, question_set *out, error *err)
{
    const task_split *s = task_split_find(t, split, err);
    if (!s)
        return -1;
    *out = (question_set){.task = t, .questions = s->questions, .count = s->count, .weight = 1};
    if (limit > 0 && (uint64_t)limit < s->count)
        out->count = (size_t)limit;
    return 0;
}

static int run(const command *self, int argc, char **argv)
{
    common_options common = {0};
    text_list task_paths = {0};
    const char *split = "test", *answers_path = NULL;
    int64_t limit = 0, slots = 0, seed = 0, beams = 0;
    bool no_sharing = false;
    const option options[] = {
        {"task", 't', OPTION_LIST, &task_paths, "TASK.yml", "a task to run; may be given again"},
        {"split", 0, OPTION_TEXT, &split, "NAME", "which of its splits (default test)"},
        {"questions", 'n', OPTION_INT, &limit, "N", "only the first N questions of each"},
        {"answers", 0, OPTION_TEXT, &answers_path, "FILE.jsonl", "write every answer with its score"},
        {"slots", 0, OPTION_INT, &slots, "N", "sequences at once (default 64, of small models 8 a thread); changes no answer"},
        {"beams", 0, OPTION_INT, &beams, "N", "beam search over N sequences in place of what the tasks say (1: none)"},
        {"no-prefix-sharing", 0, OPTION_FLAG, &no_sharing, NULL, "compute the prompts' common beginning for each; changes no answer"},
        {"seed", 0, OPTION_INT, &seed, "N", "of the splits that a task leaves to us, as in the study (default 0)"},
    };
    const char *words[1];
    int stop = options_parse(self, options, sizeof options / sizeof *options, argc, argv, words, 1, 1, &common);
    if (stop)
        return stop - 1;

    error err = {0};
    int status = -1;
    threads *pool = options_pool(&common);
    size_t n = task_paths.count;
    task **tasks = memory_new(n, sizeof *tasks);
    question_set *sets = memory_new(n, sizeof *sets);
    source model = {0};
    evaluator *judge = NULL;
    evaluation done = {0};
    double began = progress_seconds();
    const backend *family = options_backend(&common, &err);
    if (n == 0)
        fail(&err, ERROR_USAGE, "eval needs a task: -t TASK.yml");
    else if (slots < 0 || slots > MOST_SLOTS)
        fail(&err, ERROR_USAGE, "--slots is %lld; it should be between 1 and %d", (long long)slots, MOST_SLOTS);
    else if (beams < 0 || beams > MOST_BEAMS)
        fail(&err, ERROR_USAGE, "--beams is %lld; it should be between 1 and %d", (long long)beams, MOST_BEAMS);
    if (err.code != ERROR_NONE || !family)
        goto out;
    for (size_t i = 0; i < n; i++)
        if (!(tasks[i] = task_read(task_paths.items[i], (uint64_t)seed, &err)) || choose_questions(tasks[i], split, limit, &sets[i], &err) != 0)
            goto out;
    if (source_open(words[0], &(merge_options){.pool = pool, .memory = common.memory}, &model, &err) != 0)
        goto out;
    lineup candidate = source_lineup(&model);
    judge = evaluator_new(&(evaluator_options){.backend = family, .pool = pool, .slots = (int)slots, .kv_bytes = source_leaves(&model, common.memory), .no_prefix_sharing = no_sharing, .beams = (int)beams,
                                               .check_finite = true, .progress = show_progress, .progress_context = &began}, &err);
    if (!judge)
        goto out;
    began = progress_seconds();
    if (judge->run(judge, &candidate, sets, n, &done, &err) != 0)
        goto out;
    progress_clear();
    if (done.outcome != OUTCOME_COMPLETE) {
        fail(&err, ERROR_NOT_FINITE, "%s: %s", words[0], done.reason ? done.reason : "could not be evaluated");
        goto out;
    }
    if (answers_path && write_answers(answers_path, &done, sets, n, &err) != 0)
        goto out;
    print_results(words[0], &done, sets, split, n, common.json, progress_seconds() - began);
    status = 0;
out:
    evaluation_free(&done);
    evaluator_free(judge);
    source_close(&model);
    for (size_t i = 0; i < n; i++)
        task_free(tasks[i]);
    free(tasks);
    free(sets);
    free(task_paths.items);
    threads_free(pool);
    return status == 0 ? 0 : options_fail(&err);
}

const command command_eval = {
    "eval", "MODEL -t TASK.yml", "Score a model (a folder, a recipe merged in memory, a path, or STUDY.db@N, @best, @mean, @STEP) on tasks, with 95 % intervals.",
    "  merganser eval miniature/models/ja -t recipes/tasks/mini-math-ja.yml --answers ja.jsonl\n", run,
};
