#include <stdio.h>
#include <stdlib.h>

#include "base/progress.h"
#include "cmd/eval_parts.h"
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

static int run(const command *self, int argc, char **argv)
{
    common_options common = {0};
    text_list task_paths = {0};
    const char *split = "test", *answers_path = NULL, *results_folder = NULL;
    int64_t limit = 0, slots = 0, seed = 0, beams = 0;
    bool no_sharing = false;
    const option options[] = {
        {"task", 't', OPTION_LIST, &task_paths, "TASK.yml", "a task to run, a group of them, or a task file of lm-eval; may be given again"},
        {"split", 0, OPTION_TEXT, &split, "NAME", "which of its splits (default test)"},
        {"questions", 'n', OPTION_INT, &limit, "N", "only the first N questions of each"},
        {"answers", 0, OPTION_TEXT, &answers_path, "FILE.jsonl", "write every answer with its score"},
        {"results", 0, OPTION_TEXT, &results_folder, "DIR", "write lm-eval's results_DATE.json and samples_TASK_DATE.jsonl"},
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
    eval_run r = {.model = words[0], .split = split};
    source model = {0};
    evaluator *judge = NULL;
    double began = progress_seconds();
    const backend *family = options_backend(&common, &err);
    if (task_paths.count == 0)
        fail(&err, ERROR_USAGE, "eval needs a task: -t TASK.yml");
    else if (slots < 0 || slots > MOST_SLOTS)
        fail(&err, ERROR_USAGE, "--slots is %lld; it should be between 1 and %d", (long long)slots, MOST_SLOTS);
    else if (beams < 0 || beams > MOST_BEAMS)
        fail(&err, ERROR_USAGE, "--beams is %lld; it should be between 1 and %d", (long long)beams, MOST_BEAMS);
    if (err.code != ERROR_NONE || !family || eval_open(&r, task_paths.items, task_paths.count, limit, (uint64_t)seed, &err) != 0 ||
        source_open(words[0], &(merge_options){.pool = pool, .memory = common.memory}, &model, &err) != 0)
        goto out;
    lineup candidate = source_lineup(&model);
    judge = evaluator_new(&(evaluator_options){.backend = family, .pool = pool, .slots = (int)slots, .kv_bytes = source_leaves(&model, common.memory), .no_prefix_sharing = no_sharing, .beams = (int)beams,
                                               .check_finite = true, .progress = show_progress, .progress_context = &began}, &err);
    if (!judge)
        goto out;
    began = progress_seconds();
    if (judge->run(judge, &candidate, r.sets, r.n, &r.done, &err) != 0)
        goto out;
    progress_clear();
    if (r.done.outcome != OUTCOME_COMPLETE) {
        fail(&err, ERROR_NOT_FINITE, "%s: %s", words[0], r.done.reason ? r.done.reason : "could not be evaluated");
        goto out;
    }
    r.seconds = progress_seconds() - began;
    if ((answers_path && eval_write_answers(&r, answers_path, &err) != 0) || (results_folder && eval_write_results(&r, results_folder, (uint64_t)seed, &err) != 0))
        goto out;
    eval_print(&r, common.json);
    status = 0;
out:
    evaluator_free(judge);
    eval_close(&r);
    source_close(&model);
    free(task_paths.items);
    threads_free(pool);
    return status == 0 ? 0 : options_fail(&err);
}

const command command_eval = {
    "eval", "MODEL -t TASK.yml", "Score a model (a folder, a recipe merged in memory, a path, or STUDY.db@N, @best, @mean, @STEP) on tasks, with 95 % intervals.",
    "  merganser eval miniature/models/ja -t recipes/tasks/mini-math-ja.yml --answers ja.jsonl\n", run,
};
