/* What recipes of every kind are made of: the parts of mergekit's YAML that merges and passthrough share. */
#ifndef MERGE_RECIPE_PARTS_H
#define MERGE_RECIPE_PARTS_H

#include <stdint.h>

#include "base/error.h"
#include "base/yaml.h"
#include "merge/method.h"
#include "merge/recipe.h"

/* yaml_fail with ERROR_UNSUPPORTED: what mergekit has and this program has not. */
int recipe_unsupported(error *err, const yaml_value *at, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* NULL for a key that is absent or null. */
const yaml_value *recipe_member(const yaml_value *map, const char *key);

/* The index of v among `words` (NULL-terminated); a v of NULL leaves *index alone. */
int recipe_one_of(const yaml_value *v, const char *const *words, int *index, error *err);

/* A model reference as text, PATH[@REVISION][+ADAPTER[@REVISION]], also where it is written as a map {model: {path, revision}, lora}.
 * Never empty; free() it. */
int recipe_model_name(const yaml_value *map, const char *key, char **out, error *err);
int recipe_range(const yaml_value *source, int64_t range[2], error *err);                      /* its layer_range */
int recipe_dtype(const yaml_value *v, int *out, error *err);                                   /* an enum dtype; NULL leaves *out alone */
int recipe_component(const yaml_value *root, bool *language_only, error *err);                 /* its component, false where it has none */

/* Appends a map of parameters to what the list has of the same names: values that come first win. `of_model`: only those of models. */
int recipe_parameters_read(const yaml_value *map, recipe *r, const method *m, bool of_model, recipe_parameters *list, error *err);

/* models, slices or modules, base_model and the global parameters: complete, or an error with its place. */
int recipe_sources_read(const yaml_value *root, recipe *r, const method *m, error *err);
int recipe_find_model(const recipe *r, const char *path);   /* -1: none */

#endif
