/* A metric with its options, ready to judge answers. Safe to use from several threads.
 *
 *     metric: exact_match
 *     metric: {name: rougeL, language: ja, dictionary: /usr/lib/mecab/dic/unidic-lite, references: first}
 *     metric: {name: exact_match, regexes_to_ignore: [","], ignore_case: true, ignore_punctuation: true, ignore_numbers: true}
 *
 * A gold answer may be a list: the best of its items counts, or with `references: first` the first one alone. */
#ifndef TASK_SCORER_H
#define TASK_SCORER_H

#include "base/yaml.h"
#include "task/language.h"
#include "task/metric.h"
#include "task/python_regex.h"
#include "task/segment.h"

typedef struct scorer_options {
    const char *metric;            /* a name of the table */
    const char *language;          /* fastText's label; NULL: no condition */
    const char *dictionary;        /* MeCab's folder; NULL: IPADIC */
    bool first_only;
    bool ignore_case, ignore_punctuation, ignore_numbers;   /* lm-eval's: ASCII punctuation and digits are left out */
    const char *const *regexes_to_ignore; size_t n_regexes_to_ignore;
} scorer_options;

typedef struct scorer {
    const metric *metric;
    char *language;                /* owned, or NULL */
    bool first_only, ignore_case, ignore_punctuation, ignore_numbers;
    python_regex **ignored; size_t n_ignored;   /* owned */
    segmenter *segmenter;          /* of metrics that count words, else NULL */
    bool own_dictionary;           /* it was named, and is not the system's IPADIC */
} scorer;

/* Errors name the option; those of the second also the file and line. `at` is a metric's name or a map as above. */
scorer *scorer_new(const scorer_options *options, error *err);
scorer *scorer_read(const yaml_value *at, error *err);
void scorer_free(scorer *s);

/* The metric and whatever option is not at its default, as text that is the same for what scores the same; free() it. */
char *scorer_describe(const scorer *s);

/* Whether the metric can make sense of a gold answer. */
int scorer_check(const scorer *s, const json_t *gold, error *err);

typedef struct judgement {
    double score;                  /* what counts: right, and in the right language where that is asked */
    double raw;                    /* without the language condition */
    bool language_ok;
} judgement;

/* White space around the answer does not count, except for the language, where the paper keeps it. `lid` may be NULL where no
 * language is asked for. A metric of METRIC_TEXT takes an answer in another language as empty beside a reference that is in
 * the language (at least one half each, as the authors' code has it); other metrics give 0 unless the answer is in the
 * language (more than one half). */
int scorer_judge(const scorer *s, const char *answer, const json_t *gold, const language_model *lid, judgement *out, error *err);

/* For metrics that count words: an answer and one reference, cut by the same `cut`. Both lists are to be cleared, also after -1. */
typedef int scorer_cutter(const scorer *s, const char *text, word_list *out, error *err);
int scorer_cut_both(const scorer *s, scorer_cutter *cut, const char *answer, const json_t *reference, word_list *given, word_list *gold, error *err);

/* MeCab's words of the normalised text (japanese.h): a cutter. */
int scorer_words(const scorer *s, const char *text, word_list *out, error *err);

#endif
