/* A task: questions in disjoint splits, a prompt, generation settings, a metric; or the user's own command.
 *
 *     name: mini-math-ja
 *     data: questions.jsonl            # or splits: {search: {file: F, range: [0, 800]}, select: ..., test: F}
 *     id: id                           # the field with a question's id; without one it is the line number
 *     prompt: "### 指示:\n{question}\n\n### 応答:\n"
 *     answer: answer                   # the field that holds the gold answer
 *     max_new_tokens: 80
 *     stop: ["指示:"]
 *     truncate: left                   # else a prompt that does not fit is an error
 *     temperature: 0                   # and top_p, repetition_penalty; 0 is greedy
 *     beams: 5                         # beam search; and min_new_tokens
 *     special_tokens: true             # what the tokenizer adds, BOS
 *     image: image                     # the field with a picture's file; <image> in the prompt is where it stands
 *     metric: {name: number_paper, language: ja}   # scorer.h has the other options
 * or
 *     command: {run: "python score.py {model}", seconds: 600}      # prints one JSON line {"score": 0.7}
 * With `data` or `splits` too, {questions} in the command is a JSONL file of those to be asked, and the line may carry
 * their own scores: {"score": 0.5, "scores": [1, 0]}. Without, the task has the splits search, select and test of one
 * question, which is the score itself.
 *
 * With `data` alone the file is cut into search, select and test (60 / 20 / 20 %), drawn by the study's seed. File names
 * are relative to the current folder, else to the task file. */
#ifndef TASK_TASK_H
#define TASK_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/yaml.h"
#include "task/dataset.h"
#include "task/scorer.h"
#include "text/template.h"
#include "text/tokenizer.h"

typedef struct task_split {
    char *name;                    /* owned */
    const question **questions;    /* [count] borrowed from the task's datasets */
    size_t count;
} task_split;

typedef struct task {
    char *name, *file;             /* file: the YAML, for relative paths and messages; owned */
    char *text;                    /* the YAML as read, kept in the study; owned */
    prompt_template *prompt;
    char *answer_field;
    char **stops; int n_stops;     /* stop strings */
    int max_new;
    bool truncate_left;
    int min_new, beams;            /* 0: none */
    char *image_field;             /* that names a question's picture, a file beside the question's; NULL: questions without pictures; owned */
    bool no_special;               /* the prompt is encoded without BOS and the like */
    bool one_view;                 /* a picture is one view, whatever the model's files say of tiles */
    float temperature, top_p, repetition_penalty;
    scorer *scorer;                /* the metric with its options; NULL for commands, which judge by themselves; owned */
    char *command; double command_seconds;   /* NULL for tasks that the engine runs */
    dataset **datasets; size_t n_datasets;
    task_split *splits; size_t n_splits;
    bool splits_made;              /* cut by us, not named in the file */
    bool has_questions;            /* false: a command without a question file */
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

/* The prompt's tokens for one question, PICTURE_PLACE (picture.h) where its picture goes; appended to *out. */
int task_prompt(const task *t, const question *q, const tokenizer *tok, token_list *out, error *err);

/* Against the question's gold answer. `lid` may be NULL for tasks without a language. */
int task_judge(const task *t, const question *q, const char *answer, const language_model *lid, judgement *out, error *err);

#endif
