/* YAML values as JSON, typed as YAML's plain scalars are: 1 is a number, "1" a text, yes a truth. */
#ifndef TASK_YAML_JSON_H
#define TASK_YAML_JSON_H

#include <jansson.h>

#include "base/yaml.h"

/* A new reference; NULL and *err for text that is not UTF-8. A `!function` becomes its name in a text. */
json_t *yaml_json(const yaml_value *v, error *err);

#endif
