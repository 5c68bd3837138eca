/* A task: questions in disjoint splits, how they are asked, what an answer is worth; or the user's own command.
 *
 *     name: mini-math-ja
 *     data: questions.jsonl            # or splits: {search: {file: F, range: [0, 800]}, select: ..., test: F}
 *     id: id                           # the field with a question's id; without one it is the line number
 *     prompt: "### 指示:\n{question}\n\n### 応答:\n"
 *     answer: answer                   # the field that holds the gold answer
 *     max_new_tokens: 80
 *     stop: ["指示:"]
 *     truncate: left                   # else a prompt that does not fit is an error; left_with_bos: the first token goes too
 *     temperature: 0                   # and top_p, repetition_penalty; 0 is greedy
 *     chat: true                       # the prompt is the user's message; system: "..." before it (message.h)
 *     beams: 5                         # beam search; and min_new_tokens
 *     special_tokens: true             # what the tokenizer adds, BOS
 *     image: image                     # the field with a picture's file; <image> in the prompt is where it stands
 *     metric: {name: number_paper, language: ja}   # scorer.h has the other options; a list: the first one counts
 *     aggregate: mean                  # or bootstrap: the median of 1000 resampled means
 * or, where the likeliest of several texts is the answer,
 *     choices: [含意, 矛盾, 中立]        # each with {field} places; or {field: F}, {jinja: TEXT}
 *     answer: label                    # the right one's place, from 0, or its text
 *     target_delimiter: ""             # between prompt and choice
 *     encoding: joint                  # or separate (seam.h)
 *     metric: [acc, acc_norm, mcc]     # measure.h
 * each with examples in front:
 *     description: "..."
 *     shots: {count: 3, from: train.jsonl, draw: lm-eval, seed: 1234}
 * or
 *     command: {run: "python score.py {model}", seconds: 600}      # prints one JSON line {"score": 0.7}
 * With `data` or `splits` too, {questions} in the command is a JSONL file of those to be asked, and the line may carry
 * their own scores: {"score": 0.5, "scores": [1, 0]}. Without, the task has the splits search, select and test of one
 * question, which is the score itself.
 *
 * prompt, answer, target and description are phrases (phrase.h): text with {field} places, {field: F} or {jinja: TEXT}; `answer` in plain
 * words is a field's name. With `data` alone the file is cut into search, select and test (60 / 20 / 20 %), drawn by the study's seed.
 * File names are relative to the current folder, else to the task file. */
#ifndef TASK_TASK_H
#define TASK_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/yaml.h"
#include "task/dataset.h"
#include "task/measure.h"
#include "task/message.h"
#include "task/response_filter.h"
#include "task/seam.h"
#include "task/shorten.h"
#include "task/shots.h"
#include "task/wording.h"
#include "text/tokenizer.h"

typedef struct task_split {
    char *name;                    /* owned */
    const question **questions;    /* [count] borrowed from the task's datasets */
    size_t count;
} task_split;

enum task_kind { TASK_GENERATE, TASK_CHOICE };

/* What becomes of a prompt without room: an error, or its beginning goes, behind BOS or with it. */
enum truncation { TRUNCATE_NEVER, TRUNCATE_LEFT, TRUNCATE_LEFT_WITH_BOS };

typedef struct task {
    char *name, *file;             /* file: the YAML, for relative paths and messages; owned */
    char *text;                    /* the YAML as read, kept in the study; owned */
    enum task_kind kind;
    phrase *description;           /* before everything else; NULL: nothing; owned */
    wording wording;
    message message;
    shots shots;
    enum encoding encoding;
    shortening shortening;         /* articles that are too long are cut; `from` NULL: not */
    char **stops; int n_stops;     /* stop strings */
    bool stops_in_turn;            /* the text is split at each stop string in turn (lm-eval), not at the first that comes */
    int max_new;
    bool max_new_beyond_gold;      /* so many more than the longest right answer has */
    enum truncation truncation;
    int min_new, beams;            /* 0: none */
    char *image_field;             /* that names a question's picture, a file beside the question's; NULL: questions without pictures; owned */
    bool no_special;               /* the prompt is encoded without BOS and the like */
    bool one_view;                 /* a picture is one view, whatever the model's files say of tiles */
    float temperature, top_p, repetition_penalty;
    response_filter **filters; size_t n_filters;   /* what answers go through before they are judged; owned */
    measure *measures; size_t n_measures;          /* the first one is the score; none for commands, which judge by themselves; owned */
    bool gold_is_list;             /* every right answer is a list of them, else one that stands in brackets is text; by `gold_by_first` */
    bool gold_by_first;            /* lm-eval: the first question decides it for all */
    char *command; double command_seconds;   /* NULL for tasks that the engine runs */
    dataset **datasets; size_t n_datasets;
    task_split *splits; size_t n_splits;
    bool splits_made;              /* cut by us, not named in the file */
    bool test_is_whole;            /* `test` holds what search and select were cut of: nothing to be held out by itself */
    bool has_questions;            /* false: a command without a question file */
    json_t *config;                /* lm-eval's settings as it records them, of a task file in its language; else NULL; owned */
} task;

/* `seed` is used only where the file leaves the splits to us. Overlap between splits, by question text after
 * white space is folded, is an error naming both lines. */
task *task_read(const char *path, uint64_t seed, error *err);
/* The same from text; path is for messages and relative names. */
task *task_parse(const char *text, size_t n, const char *path, uint64_t seed, error *err);
void task_free(task *t);
const task_split *task_split_find(const task *t, const char *name, error *err);

/* Fails, naming both lines, where split x of task a and y of b share a question (compared under a's prompt). */
int task_splits_disjoint(const task *a, const task_split *x, const task *b, const task_split *y, error *err);

/* What a person reads as the question: its field "question", "input", "problem" or "text", else its first other text that
 * is neither id nor answer; "" where it has none. Borrowed. */
const char *task_question_text(const task *t, const question *q);

/* A question's picture; free() it. Questions of a task with image_field all have one. */
char *task_picture(const task *t, const question *q);

/* What distinguishes a question from others: what the model is asked, without examples, and the choices; free() it. */
char *task_question_key(const task *t, const question *q, error *err);

/* The name of the measure that counts; "score" of a command. */
const char *task_metric_name(const task *t);
const char *task_language(const task *t);   /* that answers should be in; NULL: any */

/* Where a question stands: its split, and its place there. -1 where it is none of the task's. */
int task_place(const task *t, const question *q, const task_split **split, size_t *index);

/* An answer's text, split at each stop string in turn and at last at `end` (may be NULL): of each what stands before it. In place. */
void task_cut_in_turn(const task *t, const char *end, char *text);

/* An answer's text [n bytes] without NULs: those at the end go where lm-eval's measures ask (numpy drops them), others are U+FFFD; free() it. */
char *task_answer_text(const task *t, const char *text, size_t n);

/* Every measure of one answer into scores [n_measures], and the first one's judgement. `lid` may be NULL for tasks without a language. */
int task_judge_text(const task *t, const json_t *gold, const char *answer, const language_model *lid, double *scores, judgement *out, error *err);
/* The same of a question whose right answer has yet to be read; only the judgement. */
int task_judge(const task *t, const question *q, const char *answer, const language_model *lid, judgement *out, error *err);
void task_judge_choices(const task *t, const json_t *choices, const json_t *gold, const preference *p, double *scores, judgement *out);

/* Whether every measure makes sense of every right answer; for the readers of tasks. */
int task_check_gold(const task *t, error *err);

#endif
