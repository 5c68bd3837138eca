/* Command lines: each verb declares its options once; parsing and --help come from the declaration.
 * Exit statuses: 0 done, 1 failed, 2 wrong usage, 130 interrupted with everything saved. */
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/threads.h"
#include "compute/backend.h"

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_INT, OPTION_REAL, OPTION_SIZE, OPTION_LIST };

typedef struct text_list { const char **items; size_t count; } text_list;   /* entries borrowed from argv */

typedef struct option {
    const char *name;      /* "threads" */
    char letter;           /* 't' for -t; 0: none */
    enum option_kind kind;
    void *out;             /* bool, const char *, int64_t, double, uint64_t (SIZE), text_list */
    const char *value;     /* "N"; NULL for a flag */
    const char *help;
} option;

typedef struct command {
    const char *name, *synopsis, *summary, *example;
    int (*run)(const struct command *self, int argc, char **argv);   /* argv[0] is the first word behind the verb */
} command;

/* What every verb understands; filled by options_parse. */
typedef struct common_options {
    bool json, quiet, help;
    int64_t threads;       /* 0: all CPUs */
    uint64_t memory;       /* 0: no budget */
    const char *backend;   /* NULL: the fastest */
} common_options;

/* Fills the options and up to `most` positional words; returns 0 to go on, else the exit status + 1 (help was printed, or usage was wrong). */
int options_parse(const command *c, const option *options, size_t n, int argc, char **argv,
                  const char **words, int least, int most, common_options *common);

/* The threads and the kernel family that the options ask for. */
threads *options_pool(const common_options *common);
const backend *options_backend(const common_options *common, error *err);

/* Prints one line on stderr and returns the exit status for this error. */
int options_fail(const error *err);

extern const command command_evolve, command_merge, command_eval, command_generate, command_inspect, command_report, command_export, command_help;

/* main.c: all verbs, NULL-terminated; one of them by its name, NULL: there is none. */
extern const command *const command_table[];
const command *command_find(const char *name);

void help_print(FILE *out);     /* help.c: the verbs */

#endif
