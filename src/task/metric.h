/* The table of metrics: answer text and gold -> score in [0, 1]. */
#ifndef TASK_METRIC_H
#define TASK_METRIC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

typedef struct metric {
    const char *name, *help;
    /* `gold` is the question's answer field (string, number, or list of them: any may be right). -1 where gold makes no
     * sense for this metric. */
    int (*score)(const char *answer, const json_t *gold, double *score, error *err);
} metric;

/* "number_paper" (the last \d*\.?\d+ as float), "number" (the corrected extractor), "exact_match". */
const metric *metric_find(const char *name);
const char *const *metric_names(void);   /* NULL-terminated */

/* The two extractors, for tests and reports. Return false where there is no number; more digits than a double holds
 * read as infinity. The _n forms take text with NULs in it. */
bool number_paper(const char *text, double *value);
bool number_corrected(const char *text, double *value);
bool number_paper_n(const char *text, size_t n, double *value);
bool number_corrected_n(const char *text, size_t n, double *value);

/* Rows of the table. */
int number_paper_score(const char *answer, const json_t *gold, double *score, error *err);
int number_corrected_score(const char *answer, const json_t *gold, double *score, error *err);
int exact_match_score(const char *answer, const json_t *gold, double *score, error *err);

#endif
