#include "task/command_sets.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/memory.h"
#include "merge/fold.h"
#include "task/command.h"

static int write_questions(const question_set *set, const char *path, error *err)
{
    string lines = {0};
    for (size_t i = 0; i < set->count; i++) {
        char *text = json_dumps(set->questions[i]->fields, JSON_COMPACT);
        string_print(&lines, "%s\n", text ? text : "{}");
        free(text);
    }
    int status = file_write(path, lines.text ? lines.text : "", lines.length, err);
    free(lines.text);
    return status;
}

/* Returns 1, with the reason in *err, where the command failed this candidate. */
static int run_command(const question_set *set, size_t index, size_t base, const char *model, const char *questions,
                       evaluation *out, error *err)
{
    const task *t = set->task;
    if (t->has_questions && write_questions(set, questions, err) != 0)
        return -1;
    char *line = command_line(t->command, model, t->has_questions ? questions : NULL);
    command_result r;
    int status = command_run(line, t->command_seconds, &r, err);
    free(line);
    if (status != 0)
        return -1;
    if (r.reason) {
        fail(err, ERROR_FORMAT, "task '%s': %s", t->name, r.reason);
        status = 1;
    } else if (t->has_questions && r.scores && r.n_scores != set->count) {
        fail(err, ERROR_FORMAT, "task '%s': the command gave %zu scores for %zu questions", t->name, r.n_scores, set->count);
        status = 1;
    }
    for (size_t i = 0; status == 0 && i < set->count; i++) {
        double score = t->has_questions && r.scores ? r.scores[i] : r.score;
        out->results[base + i] = (result){.question = set->questions[i], .judged = {score, score, true},
                                          .answer = memory_text("")};
    }
    if (status == 0)
        out->set_scores[index] = r.score;
    command_result_clear(&r);
    return status;
}

/* A path is folded: a command knows model folders only. */
static int save_candidate(const lineup *l, threads *pool, const char *folder, error *err)
{
    const checkpoint_write_options options = {.replace = true};
    if (!l->path)
        return checkpoint_write(l->models[0], folder, &options, err);
    checkpoint *plain = fold_path(l->models, l->path, &(fold_options){.dtype = -1, .pool = pool}, err);
    int status = plain ? checkpoint_write(plain, folder, &options, err) : fail_in(err, "a task with a command needs a model folder");
    checkpoint_free(plain);
    return status;
}

int command_sets_run(const evaluator_options *o, const lineup *c, const question_set *sets, size_t n_sets, evaluation *out, error *err)
{
    size_t commands = 0;
    for (size_t s = 0; s < n_sets; s++)
        commands += sets[s].task->command != NULL;
    if (commands == 0)
        return 0;
    if (!o->scratch)
        return fail(err, ERROR_STATE, "a task with a command needs a folder for the candidate");
    char *model = file_join(o->scratch, "candidate"), *questions = file_join(o->scratch, "questions.jsonl");
    int status = file_make_folders(o->scratch, err);
    if (status == 0)
        status = save_candidate(c, o->pool, model, err);
    for (size_t s = 0, base = 0; s < n_sets && status == 0; base += sets[s++].count)
        if (sets[s].task->command)
            status = run_command(&sets[s], s, base, model, questions, out, err);
    error ignored;   /* what is left behind is overwritten by the next candidate */
    file_remove_tree(model, &ignored);
    file_remove_tree(questions, &ignored);
    free(questions);
    free(model);
    return status;
}
