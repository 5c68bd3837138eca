#include <stdlib.h>

#include "base/memory.h"
#include "cmd/options.h"
#include "study/run.h"

static void add_path(text_list *l, const char *path)
{
    l->items = memory_grow(l->items, l->count + 1, sizeof *l->items);
    l->items[l->count++] = path;
}

static int run(const command *self, int argc, char **argv)
{
    common_options common = {0};
    study_run_options o = {.seed = -1};
    text_list task_paths = {0};
    const option options[] = {
        {"out", 'o', OPTION_TEXT, &o.out, "OUT", "folder of the study (default: ./ and the study's name)"},
        {"dry-run", 0, OPTION_FLAG, &o.dry_run, NULL, "check everything, say time, memory and disk, and stop"},
        {"generations", 0, OPTION_INT, &o.stop_after, "N", "stop after N more generations; the same command goes on"},
        {"baselines", 0, OPTION_TEXT, &o.baselines, "LIST", "none, or the unsearched merges and layers by hand to compare with (default: the study's)"},
        {"seed", 0, OPTION_INT, &o.seed, "N", "in place of the study's"},
        {"fork", 0, OPTION_TEXT, &o.fork, "OUT", "copy the study to OUT and go on there, with what may not change changed"},
        {"task-search-path", 0, OPTION_LIST, &task_paths, "DIR", "where the tasks of a mergekit-evolve file lie; may be given again"},
        {"force", 'f', OPTION_FLAG, &o.force, NULL, "use an OUT that holds something else"},
    };
    const char *words[1];
    int stop = options_parse(self, options, sizeof options / sizeof *options, argc, argv, words, 1, 1, &common);
    if (stop) {
        free(task_paths.items);
        return stop - 1;
    }
    o.threads = (int)common.threads;
    o.memory = common.memory;
    o.backend = common.backend;
    o.json = common.json;
    add_path(&task_paths, "recipes/tasks");
    add_path(&task_paths, MERGANSER_DATA "/recipes/tasks");
    o.task_paths = task_paths.items;
    o.n_task_paths = task_paths.count;
    error err = {0};
    int status = study_run(words[0], &o, &err) == 0 ? 0 : options_fail(&err);
    free(task_paths.items);
    return status;
}

const command command_evolve = {
    "evolve", "STUDY.yml", "Run a study (or a mergekit-evolve file), or go on with it: search for the merge that scores best.",
    "  merganser evolve miniature/study.yml -o miniature/out\n", run,
};
