/* The user's own command, run on a candidate's folder: a score read from the last line that it prints.
 *
 * The command is a stranger too: it runs in a process group of its own under a time limit, with nothing on its stdin, and
 * whatever it does (hang, flood, crash, fork, print NaN) becomes one line of reason. When it is over, all of its group is
 * killed: processes that it left behind cannot hold us up by keeping its output open. */
#ifndef TASK_COMMAND_H
#define TASK_COMMAND_H

#include <stddef.h>

#include "base/error.h"

#define COMMAND_MAX_OUTPUT ((size_t)1 << 20)   /* bytes on stdout; more is a flood */

typedef struct command_result {
    char *reason;              /* NULL: it went well; else why not, one line; owned */
    double score;              /* in [0, 1] */
    double *scores;            /* [n_scores] of single questions, each in [0, 1]; NULL where it gave none; owned */
    size_t n_scores;
} command_result;

/* Runs `line` through /bin/sh -c. -1 only where no process could be started or ^C came. */
int command_run(const char *line, double seconds, command_result *out, error *err);
void command_result_clear(command_result *r);

/* What the output says: fills *out, the reason included. For command_run and its tests. */
void command_read_output(const char *text, size_t n, command_result *out);

/* `run` with {model} and {questions} replaced by quoted paths (questions NULL: left as it stands); free() it. */
char *command_line(const char *run, const char *model, const char *questions);

#endif
