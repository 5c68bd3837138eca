/* Questions: JSONL files, and the disjoint splits made of them. */
#ifndef TASK_DATASET_H
#define TASK_DATASET_H

#include <jansson.h>
#include <stddef.h>

#include "base/error.h"

typedef struct question {
    json_t *fields;     /* the line's object; owned */
    char *id;           /* its id field as text, else the line number; owned */
    const char *file;   /* borrowed from the dataset */
    size_t line;
} question;

typedef struct dataset {
    char *path;         /* owned */
    question *items;    /* [count], owned */
    size_t count;
} dataset;

/* Every line must be an object; duplicate ids are an error. */
dataset *dataset_read(const char *path, const char *id_field, error *err);
void dataset_free(dataset *d);

#endif
