#include "task/measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "task/wording.h"

#define BOOTSTRAP_SEED 1234   /* of both harnesses */

static const struct { const char *name; enum choice_rule rule; enum summary summary; } of_choices[] = {
    {"acc", CHOICE_ACC, SUMMARY_MEAN},
    {"acc_norm", CHOICE_ACC_NORM, SUMMARY_MEAN},
    {"acc_bytes", CHOICE_ACC_BYTES, SUMMARY_MEAN},
    {"acc_pair", CHOICE_ACC_PAIR, SUMMARY_MEAN},
    {"balanced_acc", CHOICE_ACC, SUMMARY_BALANCED_ACC},
    {"mcc", CHOICE_ACC, SUMMARY_MCC},
    {"macro_f1", CHOICE_ACC, SUMMARY_MACRO_F1},
};
const char *const measure_choice_names[] = {"acc", "acc_norm", "acc_bytes", "acc_pair", "balanced_acc", "mcc", "macro_f1", NULL};

void measure_clear(measure *m)
{
    free(m->name);
    scorer_free(m->scorer);
    *m = (measure){0};
}

bool measure_of_choices(const char *name, measure *out)
{
    for (size_t i = 0; i < sizeof of_choices / sizeof *of_choices; i++)
        if (strcmp(of_choices[i].name, name) == 0) {
            *out = (measure){.name = memory_text(name), .rule = of_choices[i].rule, .summary = of_choices[i].summary};
            return true;
        }
    return false;
}

void preference_clear(preference *p)
{
    free(p->loglik);
    free(p->greedy);
    *p = (preference){0};
}

static double length_of(const json_t *choice, enum choice_rule rule)
{
    const char *s = json_string_value(choice);
    size_t n = json_string_length(choice), characters = 0;
    if (rule == CHOICE_ACC_BYTES)
        return (double)n;
    for (size_t i = 0; i < n; i++)
        characters += ((unsigned char)s[i] & 0xC0) != 0x80;
    return (double)characters;
}

static double worth(const preference *p, const json_t *choices, enum choice_rule rule, size_t i)
{
    return rule == CHOICE_ACC || rule == CHOICE_ACC_PAIR ? p->loglik[i] : p->loglik[i] / length_of(json_array_get(choices, i), rule);
}

size_t preference_pick(const preference *p, const json_t *choices, enum choice_rule rule)
{
    size_t best = 0;
    for (size_t i = 1; i < p->n; i++) {
        double x = worth(p, choices, rule, i), y = worth(p, choices, rule, best);
        if (x > y || (rule == CHOICE_ACC_PAIR && x >= y && p->greedy[i] && !p->greedy[best]))
            best = i;
    }
    return best;
}

double preference_margin(const preference *p)
{
    double best = -INFINITY, second = -INFINITY;
    for (size_t i = 0; i < p->n; i++) {
        double x = p->loglik[i];
        second = x > best ? best : x > second ? x : second;
        best = x > best ? x : best;
    }
    return isfinite(second) ? best - second : INFINITY;
}

/* Nothing else is as good as i. */
static bool stands_alone(const preference *p, size_t i)
{
    for (size_t k = 0; k < p->n; k++)
        if (k != i && !(p->loglik[i] > p->loglik[k]) && !(p->loglik[i] >= p->loglik[k] && p->greedy[i] && !p->greedy[k]))
            return false;
    return true;
}

bool preference_right(const preference *p, const json_t *choices, const json_t *gold, enum choice_rule rule)
{
    size_t picked = preference_pick(p, choices, rule);
    if (rule == CHOICE_ACC_PAIR && !stands_alone(p, picked))
        return false;
    if (!json_is_array(gold))
        return wording_gold_index(gold, choices) == (long)picked;
    for (size_t i = 0; i < json_array_size(gold); i++)
        if (wording_gold_index(json_array_get(gold, i), choices) == (long)picked)
            return true;
    return false;
}

/* lm-eval's way: no white space is taken off. */
static int score_as_it_is(const scorer *s, const char *answer, const json_t *gold, judgement *out, error *err)
{
    size_t n = json_is_array(gold) ? json_array_size(gold) : 1;
    *out = (judgement){.language_ok = true};
    for (size_t i = 0; i < n; i++) {
        double raw;
        if (s->metric->score(s, answer, json_is_array(gold) ? json_array_get(gold, i) : gold, &raw, err) != 0)
            return -1;
        out->raw = raw > out->raw ? raw : out->raw;
    }
    out->score = out->raw;
    return 0;
}

int measure_text(const measure *m, const char *answer, const json_t *gold, const language_model *lid, judgement *out, error *err)
{
    return m->as_it_is ? score_as_it_is(m->scorer, answer, gold, out, err) : scorer_judge(m->scorer, answer, gold, lid, out, err);
}

double measure_value(const measure *m, const double *scores, const int *gold, const int *picked, size_t n)
{
    switch (m->summary) {
    case SUMMARY_BOOTSTRAP: return aggregate_bootstrap_median(scores, n, BOOTSTRAP_SEED);
    case SUMMARY_BALANCED_ACC: return aggregate_balanced_accuracy(gold, picked, n);
    case SUMMARY_MCC: return aggregate_mcc(gold, picked, n);
    case SUMMARY_MACRO_F1: return aggregate_macro_f1(gold, picked, n);
    default: return aggregate_mean(scores, n);
    }
}

double measure_error(const measure *m, const double *scores, size_t n)
{
    return m->summary == SUMMARY_MEAN ? aggregate_standard_error(scores, n) : NAN;
}

const char *measure_summary_name(const measure *m)
{
    static const char *const names[] = {"mean", "bootstrap", "balanced_acc", "mcc", "macro_f1"};
    return names[m->summary];
}
