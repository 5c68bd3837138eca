/* A task file and its questions (task_exercise.h). */
#include <stdio.h>

#include "task/command.h"
#include "task_exercise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/fuzz-task-XXXXXX";

static void leave(void)
{
    rmdir(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool made;
    if (!made && !mkdtemp(folder))
        abort();
    if (!made)
        atexit(leave);
    made = true;
    exercise_task(data, size, folder);
    command_result r = {0};
    command_read_output((const char *)data, size, &r);
    if (r.reason == NULL && !(r.score >= 0 && r.score <= 1))
        abort();
    command_result_clear(&r);
    return 0;
}
