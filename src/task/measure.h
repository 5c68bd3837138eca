/* What is measured of a task's answers: of each question a score in [0, 1], of a set of questions a value.
 *
 * Of choices by log-likelihood
 *     acc          the likeliest is right; of several as likely the first counts
 *     acc_norm     the same of the log-likelihood a character; acc_bytes: a byte of UTF-8
 *     acc_pair     the right one beats every other, by log-likelihood, then by being what the model would say itself (Stability's XWinograd)
 *     balanced_acc, mcc, macro_f1        of all questions together (aggregate.h); each question's score is acc
 * Of generated text: the metrics of scorer.h. */
#ifndef TASK_MEASURE_H
#define TASK_MEASURE_H

#include "task/aggregate.h"
#include "task/scorer.h"

enum choice_rule { CHOICE_ACC, CHOICE_ACC_NORM, CHOICE_ACC_BYTES, CHOICE_ACC_PAIR };
enum summary { SUMMARY_MEAN, SUMMARY_BOOTSTRAP, SUMMARY_BALANCED_ACC, SUMMARY_MCC, SUMMARY_MACRO_F1 };

typedef struct measure {
    char *name;                    /* as it is reported; owned */
    enum summary summary;
    enum choice_rule rule;         /* of choices */
    scorer *scorer;                /* of text; NULL of choices; owned */
    bool as_it_is;                 /* white space around an answer counts (lm-eval) */
    size_t filter;                 /* the task's response filter whose text is judged */
    bool lower_is_better;
} measure;

void measure_clear(measure *m);

/* A measure of choices by its name; false for another name. */
bool measure_of_choices(const char *name, measure *out);
extern const char *const measure_choice_names[];   /* NULL-terminated */

/* What a model thinks of one question's choices. */
typedef struct preference {
    double *loglik;                /* [n] sums over a choice's tokens; owned */
    bool *greedy;                  /* [n] each of its tokens is the likeliest; owned */
    size_t n;
} preference;
void preference_clear(preference *p);

/* The place of the choice that a rule takes; `choices` are the texts whose lengths count. */
size_t preference_pick(const preference *p, const json_t *choices, enum choice_rule rule);

/* How far the likeliest is ahead of the second. */
double preference_margin(const preference *p);

/* Whether it is right. `gold` is a place, a text, or a list of them (any may be right). */
bool preference_right(const preference *p, const json_t *choices, const json_t *gold, enum choice_rule rule);

/* Of a text. */
int measure_text(const measure *m, const char *answer, const json_t *gold, const language_model *lid, judgement *out, error *err);

/* Of all questions: their scores; of choices also the places of the right one and of the one taken, else NULL. */
double measure_value(const measure *m, const double *scores, const int *gold, const int *picked, size_t n);

/* The standard error of a mean, sd / sqrt(n); NAN for the others. */
double measure_error(const measure *m, const double *scores, size_t n);

const char *measure_summary_name(const measure *m);   /* "mean", "bootstrap median of the mean", "mcc" */

#endif
