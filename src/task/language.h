/* Which language a text is in, by fastText's lid.176.ftz. The only C++ in the project is behind this header;
 * no exception leaves it. Safe to call from several threads. */
#ifndef TASK_LANGUAGE_H
#define TASK_LANGUAGE_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "base/error.h"

typedef struct language_model language_model;

/* NULL: environment variable MERGANSER_LID, else the installed copy, else data/lid.176.ftz of the source tree.
 * Only that very file is opened (by its SHA-256): fastText's reader believes whatever sizes a file states. */
language_model *language_open(const char *path, error *err);
void language_free(language_model *m);

typedef struct language_guess { char label[24]; float probability; } language_guess;   /* label without "__label__" */

/* The k likeliest labels of `text` with its newlines deleted, best first; returns how many. */
int language_guess_top(const language_model *m, const char *text, size_t n, language_guess *out, int k);

/* The paper's condition: the best label is `label` with probability > 0.5. */
bool language_is(const language_model *m, const char *text, const char *label);

/* Whether the model has such a label at all. */
bool language_knows(const language_model *m, const char *label);

#ifdef __cplusplus
}
#endif

#endif
