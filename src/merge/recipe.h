/* A recipe: a merge as data, in mergekit's YAML. Parameters resolve per tensor: model -> global -> default;
 * a value is a scalar, a gradient over the layers, or a list of {filter, value} (first match wins).
 *
 *     recipe *r = recipe_read("merge.yml", err);
 *     double w = 0;
 *     recipe_real(r, 1, "weight", "model.layers.3.mlp.up_proj.weight", 3.0 / 7, &w);
 *     char *yaml = recipe_yaml(r);        // the same recipe as text
 *     recipe_free(r);
 */
#ifndef MERGE_RECIPE_H
#define MERGE_RECIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/yaml.h"
#include "merge/recipe_tokenizer.h"

typedef struct recipe_value {       /* one value, possibly behind a filter */
    char *filter;                   /* substring of the tensor's name; NULL or "*": any; owned */
    double *gradient;               /* [n]; n == 1 is a scalar; owned */
    size_t n;
} recipe_value;

typedef struct recipe_parameter {
    char *name;                     /* owned */
    recipe_value *values;           /* [count], first match wins; owned */
    size_t count;
} recipe_parameter;

typedef struct recipe_parameters {
    recipe_parameter *items;
    size_t count;
} recipe_parameters;

typedef struct recipe_model {
    char *path;                     /* as written; owned */
    recipe_parameters parameters;
} recipe_model;

/* A run of output layers and the layers of the sources they are made of. The first slice also makes what stands before the layers, the
 * last what stands behind them. */
typedef struct recipe_source {
    int model;                      /* index into the recipe's models */
    int64_t first, end;             /* layers [first, end) of it; end -1: all */
    recipe_parameters parameters;
} recipe_source;

typedef struct recipe_slice {
    int module;                     /* index into the recipe's modules, -1: none */
    recipe_source *sources;         /* [n_sources] in YAML order; owned */
    size_t n_sources;
    int base;                       /* index into the recipe's models: the slice's own base_model, else the recipe's; -1: none among the sources */
    int own_base;                   /* the one that the slice names, a source or not; -1: none */
    recipe_parameters parameters;
} recipe_slice;

typedef struct recipe_module {
    char *name;                     /* owned */
    recipe_parameters parameters;
} recipe_module;

enum merge_mode { MERGE_EXACT, MERGE_COMPAT };
enum merge_mask { MERGE_MASK_PHILOX, MERGE_MASK_MT19937 };   /* ours, keyed by place; mergekit's, drawn in its order */

typedef struct recipe {
    char *method;                   /* "dare_ties"; owned */
    recipe_model *models;           /* [n_models] in YAML order, an unlisted base appended last */
    size_t n_models;
    int base;                       /* index into models, -1: none */
    bool base_listed;               /* the base stood among the models */
    recipe_parameters parameters;   /* global */
    recipe_slice *slices;           /* [n_slices] written as slices or modules, and then models have no parameters; 0: written as models */
    size_t n_slices;
    recipe_module *modules;         /* [n_modules] */
    size_t n_modules;
    int dtype, out_dtype;           /* enum dtype, -1: not given */
    recipe_tokenizer tokenizer;     /* of the merge, and its vocabulary */
    enum merge_mode mode;           /* merganser: {mode: exact | compat} */
    enum merge_mask mask;           /* merganser: {mask: philox | mt19937}; philox unless the mode is compat */
    uint64_t seed;                  /* merganser: {seed} ; of the masks */
    bool inverse_density;           /* merganser: {rescale: inverse_density}: what a true `rescale` means; else mergekit's l1 */
    bool language_only;             /* component: language_model: see merge/component.h */
    int config_from;                /* merganser: {config_from: MODEL}: whose config.json wins, an index; -1: the base's */
    char *layers;                   /* merganser: {layers: "model.layers.%d"}: the name up to the layer's number; NULL: found from the names; owned */
    char *file;                     /* where it came from, for paths and messages; owned, may be NULL */
} recipe;

/* Reads mergekit YAML. Unknown keys, wrong types, unknown methods or parameters are errors with line and nearest name. */
recipe *recipe_read(const char *path, error *err);
recipe *recipe_from_yaml(const yaml_value *root, const char *file, error *err);
recipe *recipe_new(const char *method);
void recipe_free(recipe *r);
recipe *recipe_copy(const recipe *r);

/* Building one in memory. recipe_add_model returns its index. recipe_set replaces a parameter's scalar (model -1: global);
 * recipe_set_filtered appends a value behind a filter, recipe_set_gradient values over the layers (filter NULL: any tensor). */
int recipe_add_model(recipe *r, const char *path);
void recipe_set(recipe *r, int model, const char *name, double value);
void recipe_set_filtered(recipe *r, int model, const char *name, const char *filter, double value);
void recipe_set_gradient(recipe *r, int model, const char *name, const char *filter, const double *values, size_t n);
void recipe_clear(recipe *r, int model, const char *name);

/* The value of a parameter for one tensor, first hit wins: source, output slice, module, the recipe's own. slice -1: of a recipe
 * written as models. source: a place in the slice's sources or the recipe's models, -1: a parameter of no model. A filter of the
 * source's own parameters is matched with `own`, the tensor's name in that model, any other with `name`, that of the output. */
bool recipe_find(const recipe *r, int slice, int source, const char *parameter, const char *own, const char *name, double t, double *out);

/* The value of a parameter for one tensor; t in [0, 1] is the layer's place (0 for tensors outside the layers).
 * Leaves *out alone and returns false where nothing is given. */
bool recipe_real(const recipe *r, int model, const char *name, const char *tensor, double t, double *out);

/* The recipe as mergekit YAML with the `merganser:` key (numbers with 17 significant digits); free() it. */
char *recipe_yaml(const recipe *r);

/* A model's path as a file name: as it is, else relative to the recipe's file. free() it. */
char *recipe_model_folder(const recipe *r, int model);

#endif
