/* A task file and its questions: the input is YAML, optionally followed by a line "%%" and the JSONL that the YAML may name as
 * q.jsonl. Whatever loads is judged as well: each question's own text and a few odd answers. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "task/command.h"
#include "task/task.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/fuzz-task-XXXXXX";

static void leave(void)
{
    rmdir(folder);
}

static void judge(const task *t, const question *q)
{
    static const char *const answers[] = {"", "答えは1,000です。", "#### -\\boxed{12", "\xff９9.9"};
    judgement j;
    error err;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        task_judge(t, q, answers[i], NULL, &j, &err);
    task_judge(t, q, task_question_text(t, q), NULL, &j, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *questions, *file;
    error err;
    if (!questions) {
        if (!mkdtemp(folder))
            abort();
        atexit(leave);
        questions = file_join(folder, "q.jsonl");
        file = file_join(folder, "task.yml");
    }
    const char *text = (const char *)data, *mark = memmem(text, size, "\n%%\n", 4);
    size_t n = mark ? (size_t)(mark - text) + 1 : size;
    FILE *f = fopen(questions, "wb");
    if (!f)
        abort();
    if (mark)
        fwrite(mark + 4, 1, size - n - 3, f);
    fclose(f);
    task *t = task_parse(text, n, file, size, &err);
    for (size_t s = 0; t && s < t->n_splits; s++)
        for (size_t i = 0; t->scorer && i < t->splits[s].count; i++)
            judge(t, t->splits[s].questions[i]);
    task_free(t);
    unlink(questions);
    command_result r = {0};
    command_read_output(text, size, &r);
    if (r.reason == NULL && !(r.score >= 0 && r.score <= 1))
        abort();
    command_result_clear(&r);
    return 0;
}
