/* What a question's fields make: a text with "{field}" places, a field as it is, or a Jinja template as lm-eval has them.
 *
 *     prompt: "質問:{question}\n回答:"
 *     choices: {field: options}
 *     answer: {jinja: "{{ 1 - label }}"} */
#ifndef TASK_PHRASE_H
#define TASK_PHRASE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/yaml.h"

typedef struct phrase phrase;

/* `name` is what errors call it, "FILE:LINE: prompt". */
phrase *phrase_template(const char *text, const char *name, error *err);
phrase *phrase_field(const char *field);
phrase *phrase_jinja(const char *text, const char *name, error *err);
void phrase_free(phrase *p);

/* A value of a task file: text, {field: NAME} or {jinja: TEXT}; `what` is its key. */
phrase *phrase_read(const yaml_value *v, const char *what, error *err);

/* The value (a new reference): a field's own, else text. `name` tells the question. */
json_t *phrase_value(const phrase *p, const json_t *fields, const char *name, error *err);

/* As text: strings as they stand, numbers as JSON writes them; anything else is an error. free() it. */
char *phrase_text(const phrase *p, const json_t *fields, const char *name, error *err);

bool phrase_is_field(const phrase *p);

/* The phrase as the file has it (for records of how a task asks); borrowed. */
const char *phrase_source(const phrase *p);

#endif
