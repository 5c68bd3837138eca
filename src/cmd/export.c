#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/progress.h"
#include "cmd/gguf_output.h"
#include "cmd/options.h"
#include "study/run.h"
#include "study/source.h"

typedef struct export_command {
    const char *what, *which, *out;    /* which: the trial; NULL where `what` is a model */
    bool force;
    const quant_type *type;            /* of a GGUF file; NULL: the model's */
    threads *pool;
    uint64_t memory;
} export_command;

/* A model's files are read as they are written; what has to be merged or folded is so in memory. */
static checkpoint *open_source(const export_command *c, bool lazy, error *err)
{
    char *trial = c->which ? memory_print("%s@%s", c->what, c->which) : NULL;
    const char *what = trial ? trial : c->what;
    checkpoint *opened = lazy && !source_is_made(what) ? checkpoint_open_lazy(what, err) : source_open_one(what, 0, &(merge_options){.pool = c->pool, .memory = c->memory}, err);
    free(trial);
    return opened;
}

static int export_gguf(const export_command *c, error *err)
{
    checkpoint *opened = open_source(c, true, err);
    progress_catch_interrupts();
    int status = opened ? gguf_write(opened, c->out, &(gguf_options){.type = c->type, .replace = c->force}, err) : -1;
    checkpoint_free(opened);
    return status;
}

static int export_model(const export_command *c, error *err)
{
    checkpoint *opened = open_source(c, false, err);
    int status = opened ? checkpoint_write(opened, c->out, &(checkpoint_write_options){.replace = c->force}, err) : -1;
    checkpoint_free(opened);
    return status;
}

static int run(const command *self, int argc, char **argv)
{
    common_options common = {0};
    export_command c = {.which = "best"};
    const char *gguf_type = NULL;
    const option options[] = {
        {"trial", 't', OPTION_TEXT, &c.which, "N|best|mean", "of a study: a trial's number, the winner (default), the distribution's mean, or a step's name for what it found"},
        {"gguf-type", 0, OPTION_TEXT, &gguf_type, "TYPE", GGUF_TYPE_OPTION},
        {"force", 'f', OPTION_FLAG, &c.force, NULL, "replace OUT where it exists"},
    };
    const char *words[2];
    int stop = options_parse(self, options, sizeof options / sizeof *options, argc, argv, words, 2, 2, &common);
    if (stop)
        return stop - 1;
    error err = {0};
    c.what = words[0];
    c.out = words[1];
    c.which = text_ends_with(c.what, ".db") ? c.which : NULL;
    if (gguf_read_type(gguf_type, c.out, &c.type, &err) != 0)
        return options_fail(&err);
    c.memory = common.memory;
    c.pool = options_pool(&common);
    int status = gguf_is_output(c.out) ? export_gguf(&c, &err)
                 : c.which             ? study_export(c.what, c.which, c.out, c.force, &(merge_options){.pool = c.pool, .memory = c.memory}, &err)
                                       : export_model(&c, &err);
    threads_free(c.pool);
    if (status != 0)
        return options_fail(&err);
    if (common.json)
        printf("{\"trial\": %s%s%s, \"exported\": true}\n", c.which ? "\"" : "", c.which ? c.which : "null", c.which ? "\"" : "");
    else if (c.which)
        printf("%s: trial %s of %s\n", c.out, c.which, c.what);
    else
        printf("%s: %s\n", c.out, c.what);
    return 0;
}

const command command_export = {
    "export", "STUDY.db|MODEL OUT",
    "Write a trial of a study, or a model in any form that is read, as a Hugging Face folder, or as a GGUF file where OUT ends in .gguf.",
    "  merganser export miniature/out/study.db merged --trial mean\n  merganser export miniature/models/ja ja.gguf --gguf-type q8_0\n", run,
};
