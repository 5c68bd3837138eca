/* A small world for studies: a base of zeros and two sources that are one where the other is zero, so that a merge's
 * weights can be read off its tensors and scored in closed form; a task with three splits; and studies over them. */
#ifndef TESTS_UNIT_STUDY_WORLD_H
#define TESTS_UNIT_STUDY_WORLD_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/random.h"
#include "study/session.h"
#include "study/store.h"
#include "tensor/checkpoint.h"

#include <cmocka.h>     /* last: its macro hides our fail() */

#define WORLD_VOCABULARY 937

static char world_folder[64];
static error world_error;

static char *world_path(const char *name)
{
    return file_join(world_folder, name);
}

static void world_write(const char *name, const char *text)
{
    char *path = world_path(name);
    if (file_write(path, text, strlen(text), &world_error) != 0)
        fail_msg("%s", world_error.text);
    free(path);
}

/* `layer`: the one whose up_proj is all `value`; everything else is zero. */
static void world_write_model(const char *name, int layer, float value, double theta)
{
    checkpoint_item items[] = {
        {(char *)"lm_head.weight", {.dtype = DTYPE_F32, .rank = 2, .shape = {WORLD_VOCABULARY, 8}}},
        {(char *)"model.embed_tokens.weight", {.dtype = DTYPE_F32, .rank = 2, .shape = {WORLD_VOCABULARY, 8}}},
        {(char *)"model.layers.0.mlp.up_proj.weight", {.dtype = DTYPE_F32, .rank = 2, .shape = {8, 8}}},
        {(char *)"model.layers.1.mlp.up_proj.weight", {.dtype = DTYPE_F32, .rank = 2, .shape = {8, 8}}},
        {(char *)"model.norm.weight", {.dtype = DTYPE_F32, .rank = 1, .shape = {8}}},
    };
    json_t *config = json_pack("{s:[s], s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:b}", "architectures",
                               "MistralForCausalLM", "model_type", "mistral", "dtype", "float32", "num_hidden_layers", 2,
                               "hidden_size", 8, "intermediate_size", 8, "num_attention_heads", 1, "num_key_value_heads", 1,
                               "head_dim", 8, "vocab_size", WORLD_VOCABULARY, "max_position_embeddings", 512, "rms_norm_eps",
                               1e-5, "rope_theta", theta, "tie_word_embeddings", 0);
    checkpoint *c =
        checkpoint_new(name, SOURCE_DIR "/miniature/models/base", config, items, sizeof items / sizeof *items, &world_error);
    if (!c)
        fail_msg("%s", world_error.text);
    for (size_t i = 0; i < c->count; i++) {
        char tensor_name[64];
        snprintf(tensor_name, sizeof tensor_name, "model.layers.%d.mlp.up_proj.weight", layer);
        float *x = c->items[i].tensor.data;
        for (int64_t k = 0; k < tensor_count(&c->items[i].tensor); k++)
            x[k] = strcmp(c->items[i].name, tensor_name) == 0 ? value : 0;
    }
    char *path = world_path(name);
    if (checkpoint_write(c, path, &(checkpoint_write_options){.replace = true}, &world_error) != 0)
        fail_msg("%s", world_error.text);
    free(path);
    checkpoint_free(c);
    json_decref(config);
}

static void world_write_study(const char *name, const char *search, const char *rest)
{
    char *text = memory_print(
        "models: {base: %1$s/base, a: %1$s/a, b: %1$s/b}\n"
        "search:\n"
        "  - method: task_arithmetic\n"
        "    base_model: base\n"
        "    sources: [a, b]\n"
        "    optimizer: {%2$s}\n"
        "    bounds: {weight: {low: -1, high: 2, start: 0.2, spread: 0.4}}\n"
        "tasks: [{task: %1$s/task.yml, questions: 12}]\n"
        "%3$s", world_folder, search, rest);
    world_write(name, text);
    free(text);
}

static int world_open(void **state)
{
    (void)state;
    progress_set_level(0);
    strcpy(world_folder, "/tmp/merganser-world-XXXXXX");
    if (!mkdtemp(world_folder))
        return -1;
    world_write_model("base", 0, 0, 10000);
    world_write_model("a", 0, 1, 10000);
    world_write_model("b", 1, 1, 10000);
    string lines = {0};
    for (int i = 0; i < 60; i++)
        string_print(&lines, "{\"id\": %d, \"question\": \"What is %d + 1?\", \"answer\": %d}\n", i, i, i + 1);
    world_write("questions.jsonl", lines.text);
    free(lines.text);
    world_write("task.yml",
                "name: sums\nsplits:\n  search: {file: questions.jsonl, range: [0, 30]}\n  select: {file: questions.jsonl, "
                "range: [30, 45]}\n"
                "  test: {file: questions.jsonl, range: [45, 60]}\nprompt: \"{question}\"\nmax_new_tokens: 8\nmetric: number\n");
    return 0;
}

static int world_close(void **state)
{
    (void)state;
    return file_remove_tree(world_folder, NULL);
}

/* Scores exp(-distance^2) of the merge's weights from (0.7, 0.3), a little different for every question. */
typedef struct closed_form {
    evaluator self;
    int microseconds;       /* a candidate's time */
    int calls, stop_after;  /* fails as ^C does after that many calls; 0: never */
    bool flat;              /* every score the same */
    double invalid_above;   /* merges whose first weight is above this are invalid */
} closed_form;

static int closed_form_run(evaluator *self, const lineup *candidate, const question_set *sets, size_t n_sets, evaluation *out,
                           error *err)
{
    closed_form *f = self->context;
    const float *a = checkpoint_find(candidate->models[0], "model.layers.0.mlp.up_proj.weight")->data;
    const float *b = checkpoint_find(candidate->models[0], "model.layers.1.mlp.up_proj.weight")->data;
    if (f->microseconds)
        usleep((useconds_t)f->microseconds);
    *out = (evaluation){.n_sets = n_sets};
    if (f->stop_after && ++f->calls > f->stop_after) {
        err->code = ERROR_INTERRUPTED;
        strcpy(err->text, "interrupted while questions were answered");
        return -1;
    }
    if (a[0] > f->invalid_above) {
        *out = (evaluation){.outcome = OUTCOME_INVALID,
                            .reason = memory_text("logits are not finite on questions.jsonl line 3"),
                            .score = NAN};
        return 0;
    }
    double weight = 0;
    for (size_t s = 0; s < n_sets; s++)
        out->count += sets[s].count;
    out->results = memory_new(out->count, sizeof *out->results);
    out->set_scores = memory_new(n_sets, sizeof *out->set_scores);
    for (size_t s = 0, at = 0; s < n_sets; s++) {
        for (size_t i = 0; i < sets[s].count; i++, at++) {
            const question *q = sets[s].questions[i];
            double shift = 0.01 * (double)(q->line % 7), da = a[0] - 0.7 - shift, db = b[0] - 0.3 + shift;
            double score = f->flat ? 0 : exp(-da * da - db * db);
            out->results[at] = (result){.question = q, .judged = {score, score, true}, .answer = memory_print("%.6f", score)};
            out->set_scores[s] += score / (double)sets[s].count;
        }
        out->score += sets[s].weight * out->set_scores[s];
        weight += sets[s].weight;
    }
    out->score /= weight;
    return 0;
}

static void closed_form_free(evaluator *self)
{
    (void)self;
}

static closed_form closed_form_new(void)
{
    return (closed_form){.self = {.run = closed_form_run, .free = closed_form_free}, .invalid_above = INFINITY};
}

/* Not every test here needs all of the world. */
static int world_run(const char *study, closed_form *f, study_run_options o) __attribute__((unused));
static void world_write_study(const char *name, const char *search, const char *rest) __attribute__((unused));
static closed_form closed_form_new(void) __attribute__((unused));

/* Runs a study with stdout thrown away; returns what study_run does. */
static int world_run(const char *study, closed_form *f, study_run_options o)
{
    char *path = world_path(study);
    f->self.context = f;
    o.evaluator = &f->self;
    o.threads = 1;
    if (!o.seed)
        o.seed = -1;
    fflush(stdout);
    int kept = dup(STDOUT_FILENO);
    if (!freopen("/dev/null", "w", stdout))
        return -1;
    world_error = (error){0};
    int status = study_run(path, &o, &world_error);
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    free(path);
    return status;
}

#endif
