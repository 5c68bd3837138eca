/* A folder of JSONL files, told apart by how their names begin; each line is a case. */
#ifndef GOLDEN_LINES_H
#define GOLDEN_LINES_H

#include <jansson.h>
#include <stddef.h>

#include "base/error.h"
#include "golden.h"

/* The lines of a file, NULs in texts allowed; json_decref the array. NULL and *err on failure. */
json_t *golden_rows(const char *path, error *err);

typedef struct golden_tally { int passed, failed, unsupported; } golden_tally;

/* Checks one line of FOLDER/NAME and counts. */
typedef void golden_line(const json_t *line, size_t number, const char *name, golden_tally *t);

typedef struct golden_kind { const char *begins; golden_line *check; } golden_kind;

/* Runs the files of DIR/folder that were asked for and that a kind knows, in the order of their names: the first kind counts. */
void golden_lines(const golden_context *c, const char *folder, const golden_kind *kinds, size_t n);

#endif
