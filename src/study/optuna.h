/* Studies as Optuna wrote them, ours or anybody's: read-only, everything distrusted, pickled attributes left alone. */
#ifndef STUDY_OPTUNA_H
#define STUDY_OPTUNA_H

#include <jansson.h>

#include "base/error.h"

/* [{name, directions, user_attrs, metric_names, best: [numbers], trials: [{number, state, values, params, intermediate, user_attrs,
 * system_attrs, start, complete}]}] in order of their ids. Values that JSON lacks are the texts "nan", "inf", "-inf"; times are
 * texts, "None" where there is none. NULL and *err for what is not an Optuna study of the version that store_schema.h names. */
json_t *optuna_read(const char *path, error *err);

#endif
