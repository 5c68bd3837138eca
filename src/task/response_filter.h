/* What answers go through before they are judged, as lm-eval's filter_list has it: a name and steps, one after the other. */
#ifndef TASK_RESPONSE_FILTER_H
#define TASK_RESPONSE_FILTER_H

#include "base/error.h"
#include "base/yaml.h"

typedef struct response_filter response_filter;

/* One entry of a filter_list, {name: N, filter: [{function: F, ...}]}; unknown functions are refused by name. */
response_filter *response_filter_read(const yaml_value *v, error *err);
response_filter *response_filter_none(void);        /* "none": the text as it is */
void response_filter_free(response_filter *f);
const char *response_filter_name(const response_filter *f);

/* free() it; NULL and *err on failure (an expression that backtracks without end). */
char *response_filter_apply(const response_filter *f, const char *text, error *err);

#endif
