/* The table of metrics: answer text and a reference -> score in [0, 1]. One row, one file; scorer.h adds what surrounds
 * them: several references, the language condition, options, MeCab. */
#ifndef TASK_METRIC_H
#define TASK_METRIC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct scorer;

/* What a metric takes besides `language` and `references`, and how `language` acts on it. */
enum {
    METRIC_WORDS = 1,     /* cuts words with MeCab: takes `dictionary` */
    METRIC_IGNORES = 2,   /* takes regexes_to_ignore, ignore_case, ignore_punctuation, ignore_numbers */
    METRIC_TEXT = 4,      /* the language is asked of an answer only where the reference is in it; else, of all answers */
};

typedef struct metric {
    const char *name, *help;
    unsigned flags;
    /* `reference` is one gold answer. -1 where it makes no sense for this metric. `s` has the options. */
    int (*score)(const struct scorer *s, const char *answer, const json_t *reference, double *score, error *err);
} metric;

const metric *metric_find(const char *name);
const char *const *metric_names(void);   /* NULL-terminated */

/* A reference that is text or a whole number, as text; `buffer` holds the number. NULL and *err for anything else. */
const char *metric_text(const json_t *reference, char buffer[32], error *err);

/* The extractors, for tests and reports. Return false where there is no number; more digits than a double holds
 * read as infinity. The _n forms take text with NULs in it. */
bool number_paper(const char *text, double *value);
bool number_corrected(const char *text, double *value);
bool number_paper_n(const char *text, size_t n, double *value);
bool number_corrected_n(const char *text, size_t n, double *value);
bool number_mgsm(const char *text, double *value);

/* A reference that is a number, or one as text (thousands separators do not count). */
int number_gold(const json_t *reference, double *value, error *err);

/* Rows of the table. */
int number_paper_score(const struct scorer *s, const char *answer, const json_t *reference, double *score, error *err);
int number_corrected_score(const struct scorer *s, const char *answer, const json_t *reference, double *score, error *err);
int mgsm_score(const struct scorer *s, const char *answer, const json_t *reference, double *score, error *err);
int exact_match_score(const struct scorer *s, const char *answer, const json_t *reference, double *score, error *err);
int exact_match_ja_score(const struct scorer *s, const char *answer, const json_t *reference, double *score, error *err);
int exact_match_nfkc_score(const struct scorer *s, const char *answer, const json_t *reference, double *score, error *err);
int f1_score(const struct scorer *s, const char *answer, const json_t *reference, double *score, error *err);
int f1_char_score(const struct scorer *s, const char *answer, const json_t *reference, double *score, error *err);
int rouge1_score(const struct scorer *s, const char *answer, const json_t *reference, double *score, error *err);
int rouge2_score(const struct scorer *s, const char *answer, const json_t *reference, double *score, error *err);
int rougeL_score(const struct scorer *s, const char *answer, const json_t *reference, double *score, error *err);

#endif
