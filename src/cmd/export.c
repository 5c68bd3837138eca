#include <stdio.h>

#include "cmd/options.h"
#include "study/run.h"

static int run(const command *self, int argc, char **argv)
{
    common_options common = {0};
    const char *which = "best";
    bool force = false;
    const option options[] = {
        {"trial", 't', OPTION_TEXT, &which, "N|best|mean", "which one: a trial's number, the winner (default), the distribution's mean, or a step's name for what it found"},
        {"force", 'f', OPTION_FLAG, &force, NULL, "replace OUT where it exists"},
    };
    const char *words[2];
    int stop = options_parse(self, options, sizeof options / sizeof *options, argc, argv, words, 2, 2, &common);
    if (stop)
        return stop - 1;
    error err = {0};
    if (study_export(words[0], which, words[1], force, (int)common.threads, &err) != 0)
        return options_fail(&err);
    if (common.json)
        printf("{\"trial\": \"%s\", \"exported\": true}\n", which);
    else
        printf("%s: trial %s of %s\n", words[1], which, words[0]);
    return 0;
}

const command command_export = {
    "export", "STUDY.db OUT", "Merge a trial of a study again, into a Hugging Face folder.",
    "  merganser export miniature/out/study.db merged --trial mean\n", run,
};
