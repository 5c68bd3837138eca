/* For the fuzz targets of task readers: whatever loads is asked and judged as well. */
#ifndef FUZZ_TASK_EXERCISE_H
#define FUZZ_TASK_EXERCISE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "task/asking.h"

static void exercise_text(const task *t, const question *q)
{
    static const char *const answers[] = {"", "答えは1,000です。", "#### -\\boxed{12", "\xff９9.9", "[1, 'a']", "ｶ゛ー〜 😀a b", "３-294,"};
    judgement j;
    error err;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        task_judge(t, q, answers[i], NULL, &j, &err);
    task_judge(t, q, task_question_text(t, q), NULL, &j, &err);
}

static void exercise_choices(const task *t, const asking *a)
{
    preference p = {memory_new(a->n, sizeof(double)), memory_new(a->n, sizeof(bool)), a->n};
    double *scores = memory_new(t->n_measures, sizeof *scores);
    judgement j;
    for (size_t i = 0; i < a->n; i++)
        p.loglik[i] = -(double)strlen(a->continuations[i]);
    task_judge_choices(t, a->choices, a->gold, &p, scores, &j);
    if (!(j.score >= 0 && j.score <= 1) || preference_pick(&p, a->choices, t->measures[0].rule) >= a->n)
        abort();
    preference_clear(&p);
    free(scores);
}

static void exercise_split(const task *t, const task_split *s)
{
    shot_plan shown;
    asking a;
    error err;
    if (asking_plan(t, s, NULL, 0, &shown, &err) != 0)
        return;
    for (size_t i = 0; i < s->count; i++) {
        const task_split *own;
        size_t at;
        if (task_place(t, s->questions[i], &own, &at) != 0)
            abort();
        if (asking_make(t, s->questions[i], shown.shown + i * shown.most, shown.n[i], &a, &err) != 0)
            continue;
        if (t->kind == TASK_CHOICE)
            exercise_choices(t, &a);
        else if (t->n_measures && !t->measures[0].scorer->language)
            exercise_text(t, s->questions[i]);
        asking_clear(&a);
    }
    shot_plan_clear(&shown);
}

/* The input is YAML, optionally followed by a line "%%" and the JSONL that the YAML may name as q.jsonl. */
static void exercise_task(const uint8_t *data, size_t size, const char *folder)
{
    char *questions = file_join(folder, "q.jsonl"), *file = file_join(folder, "task.yml");
    const char *text = (const char *)data, *mark = memmem(text, size, "\n%%\n", 4);
    size_t n = mark ? (size_t)(mark - text) + 1 : size;
    error err;
    FILE *f = fopen(questions, "wb");
    if (!f)
        abort();
    if (mark)
        fwrite(mark + 4, 1, size - n - 3, f);
    fclose(f);
    task *t = task_parse(text, n, file, size, &err);
    for (size_t s = 0; t && !t->command && s < t->n_splits; s++)
        exercise_split(t, &t->splits[s]);
    task_free(t);
    unlink(questions);
    free(questions);
    free(file);
}

#endif
