#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "task/asking.h"
#include "text/utf8.h"

void task_cut_in_turn(const task *t, const char *end, char *text)
{
    for (int i = 0; i <= t->n_stops; i++) {
        const char *stop = i < t->n_stops ? t->stops[i] : end;
        char *found = stop && *stop ? strstr(text, stop) : NULL;
        if (found)
            *found = '\0';
    }
}

char *task_answer_text(const task *t, const char *text, size_t n)
{
    string out = {0};
    string_puts(&out, "");
    while (n > 0 && text[n - 1] == '\0' && t->n_measures && t->measures[0].as_it_is)
        n--;
    for (size_t i = 0; i < n; i++)
        if (text[i])
            string_add(&out, &text[i], 1);
        else
            string_puts(&out, "\xEF\xBF\xBD");
    return out.text;
}

static int judge_valid(const task *t, const json_t *gold, const char *answer, const language_model *lid, double *scores, judgement *out, error *err)
{
    int status = 0;
    for (size_t f = 0; f < t->n_filters && status == 0; f++) {
        char *text = response_filter_apply(t->filters[f], answer, err);
        if (!text)
            return -1;
        for (size_t i = 0; i < t->n_measures && status == 0; i++) {
            judgement one;
            if (t->measures[i].filter != f)
                continue;
            status = measure_text(&t->measures[i], text, gold, lid, &one, err);
            scores[i] = one.score;
            if (i == 0)
                *out = one;
        }
        free(text);
    }
    return status;
}

/* Expressions are searched in well-formed text only. */
int task_judge_text(const task *t, const json_t *gold, const char *answer, const language_model *lid, double *scores, judgement *out, error *err)
{
    string repaired = {0};
    size_t n = strlen(answer);
    if (!utf8_valid(answer, n))
        utf8_repair(&repaired, answer, n);
    int status = judge_valid(t, gold, repaired.text ? repaired.text : answer, lid, scores, out, err);
    free(repaired.text);
    return status;
}

int task_judge(const task *t, const question *q, const char *answer, const language_model *lid, judgement *out, error *err)
{
    json_t *gold = asking_gold(t, q, err);
    if (!gold)
        return -1;
    double *scores = memory_new(t->n_measures, sizeof *scores);
    int status = task_judge_text(t, gold, answer, lid, scores, out, err);
    free(scores);
    json_decref(gold);
    return status == 0 ? 0 : fail_in(err, "%s line %zu", q->file, q->line);
}

void task_judge_choices(const task *t, const json_t *choices, const json_t *gold, const preference *p, double *scores, judgement *out)
{
    for (size_t i = 0; i < t->n_measures; i++)
        scores[i] = preference_right(p, choices, gold, t->measures[i].rule);
    *out = (judgement){scores[0], scores[0], true};
}
