#include <stdio.h>
#include <stdlib.h>

#include "base/progress.h"
#include "cmd/options.h"
#include "merge/merge.h"

static int run(const command *self, int argc, char **argv)
{
    common_options common = {0};
    bool force = false, compat = false;
    int64_t seed = -1;
    const option options[] = {
        {"force", 'f', OPTION_FLAG, &force, NULL, "replace OUT where it exists"},
        {"compat", 0, OPTION_FLAG, &compat, NULL, "round where mergekit 0.1.5 rounds, with its masks"},
        {"seed", 0, OPTION_INT, &seed, "N", "of the random masks (default: the recipe's, else 0)"},
    };
    const char *words[2];
    int stop = options_parse(self, options, sizeof options / sizeof *options, argc, argv, words, 2, 2, &common);
    if (stop)
        return stop - 1;

    error err = {0};
    recipe *r = recipe_read(words[0], &err);
    if (!r)
        return options_fail(&err);
    if (compat) {
        r->mode = MERGE_COMPAT;
        r->mask = MERGE_MASK_MT19937;
    }
    if (seed >= 0)
        r->seed = (uint64_t)seed;
    threads *pool = options_pool(&common);
    double began = progress_seconds();
    int status = merge_to_folder(r, words[1], force, &(merge_options){.pool = pool}, &err);
    if (status == 0) {
        double seconds = progress_seconds() - began;
        if (common.json)
            printf("{\"method\": \"%s\", \"models\": %zu, \"seconds\": %.3f}\n", r->method, r->n_models, seconds);
        else
            printf("%s: %s of %zu models, %.1f s\n", words[1], r->method, r->n_models, seconds);
    }
    threads_free(pool);
    recipe_free(r);
    return status == 0 ? 0 : options_fail(&err);
}

const command command_merge = {
    "merge", "RECIPE.yml OUT", "Merge models as a mergekit recipe says, into a Hugging Face folder.",
    "  merganser merge recipes/ties.yml merged\n", run,
};
