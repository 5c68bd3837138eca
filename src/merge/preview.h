/* What a merge will do, before the hours of work: which layers of which models, what comes out, how long it takes and in how much memory.
 *
 *     json_t *what = merge_preview(recipe, &options, ".", err);     // opens and checks every file, shape, type, vocabulary and parameter
 *     char *text = merge_preview_text(what);
 */
#ifndef MERGE_PREVIEW_H
#define MERGE_PREVIEW_H

#include <jansson.h>

#include "base/error.h"
#include "merge/merge.h"

/* The speed is measured: the method runs over a sample of the tensors, and `folder`, where the output would go, takes a file without a name.
 * json_decref it. */
json_t *merge_preview(const recipe *r, const merge_options *options, const char *folder, error *err);
char *merge_preview_text(const json_t *preview);   /* free() it */

/* Seconds that a whole merge takes in memory, by a sample of its tensors; -1 and *err on failure. */
double merge_estimate(merger *m, const recipe *r, error *err);

#endif
