/* Lists as Python writes them, which lm-eval reads out of rendered templates (ast.literal_eval) and prints again (str). */
#ifndef TASK_LITERAL_H
#define TASK_LITERAL_H

#include <jansson.h>

/* A list of texts, numbers, True, False, None and lists; NULL where the text is anything else (tuples, sets, dicts, b"" and r"" among it). */
json_t *literal_list(const char *text);

/* What Python's str prints of such a value: ['a', 1, 1.5]; free() it. */
char *literal_print(const json_t *value);

#endif
