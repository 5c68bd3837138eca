/* What the tests of this folder share: a folder of their own, where task files and questions lie. */
#ifndef TESTS_UNIT_TASK_SCENE_H
#define TESTS_UNIT_TASK_SCENE_H

#include "../base/check.h"

#include "task/task.h"

static char *scene;

static inline int scene_open(void **state)
{
    (void)state;
    scene = new_folder();
    return 0;
}

static inline int scene_close(void **state)
{
    (void)state;
    remove_folder(scene);
    scene = NULL;
    return 0;
}

/* Writes SCENE/name and gives its path: free() it. */
static inline char *scene_write(const char *name, const char *text)
{
    error err = {0};
    char *path = file_join(scene, name);
    if (file_write(path, text, strlen(text), &err) != 0)
        fail_msg("%s", err.text);
    return path;
}

/* Lines {"id": "PREFIX-i", "question": "PREFIX what is i?", "answer": i}, i in [first, first + n). */
static inline void scene_questions(const char *name, const char *prefix, int first, int n)
{
    string s = {0};
    for (int i = first; i < first + n; i++)
        string_print(&s, "{\"id\": \"%s-%d\", \"question\": \"%s what is %d?\", \"answer\": %d}\n", prefix, i, prefix, i, i);
    free(scene_write(name, s.text));
    free(s.text);
}

static inline task *scene_task(const char *yaml, uint64_t seed, error *err)
{
    char *path = scene_write("task.yml", yaml);
    *err = (error){0};
    task *t = task_read(path, seed, err);
    free(path);
    return t;
}

static inline task *scene_good_task(const char *yaml, uint64_t seed)
{
    error err;
    task *t = scene_task(yaml, seed, &err);
    if (!t)
        fail_msg("%s", err.text);
    return t;
}

#endif
