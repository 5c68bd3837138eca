/* What the readers of a study's parts share: study_file.c reads the whole, study_step.c the steps of `search:`. */
#ifndef STUDY_STUDY_READER_H
#define STUDY_STUDY_READER_H

#include "study/study_file.h"

int study_want_kind(const yaml_value *v, enum yaml_kind kind, const char *what, error *err);
int study_want_text(const yaml_value *map, const char *key, char **out, error *err);     /* replaces *out by an owned copy; "" is an error */
int study_fail_unknown_model(const study_file *f, const yaml_value *at, const char *name, error *err);

int study_read_steps(study_file *f, const yaml_value *v, error *err);
void study_free_steps(study_file *f);

#endif
