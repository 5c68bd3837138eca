/* What the readers of a study's parts share: study_file.c reads the whole, study_step.c the steps of `search:`, evolve_file.c what a
 * mergekit-evolve file has in place of them. */
#ifndef STUDY_STUDY_READER_H
#define STUDY_STUDY_READER_H

#include "study/study_file.h"

int study_want_kind(const yaml_value *v, enum yaml_kind kind, const char *what, error *err);
int study_want_text(const yaml_value *map, const char *key, char **out, error *err);     /* replaces *out by an owned copy; "" is an error */
int study_fail_unknown_model(const study_file *f, const yaml_value *at, const char *name, error *err);

char *study_standard_name(const study_file *f, const study_step *s);   /* of a step; free() it */
void study_set_bound(study_step *s, const study_bound *b);            /* its parameter is copied */
void study_set_value(study_step *s, const char *parameter, double value);

int study_read_steps(study_file *f, const yaml_value *v, error *err);
void study_free_steps(study_file *f);

/* A mergekit-evolve file's models, step and tasks; then the task files by their names. */
int evolve_read(study_file *f, const yaml_value *root, error *err);
int evolve_find_tasks(study_file *f, const char *const *task_paths, size_t n, error *err);

#endif
