/* Prompt templates: "{field}" is replaced by a question's field, "{{" and "}}" are literal braces.
 *
 *     prompt_template *p = template_parse("### 指示:\n{question}\n\n### 応答:\n", "mgsm-ja.yml", err);
 *     char *text = template_fill(p, question, "train.jsonl line 3", err);     // question: a JSON object; free() the text
 */
#ifndef TEXT_TEMPLATE_H
#define TEXT_TEMPLATE_H

#include <jansson.h>

#include "base/error.h"

typedef struct prompt_template prompt_template;

prompt_template *template_parse(const char *text, const char *name, error *err);
void template_free(prompt_template *t);

/* Strings stand as they are, numbers as JSON writes them; a missing field is an error that names it and `name`. */
char *template_fill(const prompt_template *t, const json_t *fields, const char *name, error *err);

#endif
