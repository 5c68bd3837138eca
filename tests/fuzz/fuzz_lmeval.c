/* A task file of lm-eval and its questions, data_files: q.jsonl (task_exercise.h); groups as well. */
#include <stdio.h>

#include "task/group.h"
#include "task_exercise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/tmp/fuzz-lmeval-XXXXXX";

static void leave(void)
{
    rmdir(folder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char *path;
    task_group g;
    error err;
    if (!path) {
        if (!mkdtemp(folder))
            abort();
        path = file_join(folder, "group.yml");
        atexit(leave);
    }
    exercise_task(data, size, folder);
    if (file_write(path, data, size, &err) == 0 && group_read(path, &g, &err) == 1)
        group_clear(&g);
    unlink(path);
    return 0;
}
