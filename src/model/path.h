/* A path: which layer runs after which, across models of one hidden size. Layers may repeat.
 *
 *     layer_path *p = path_new();
 *     path_add_source(p, "ja", "models/ja");           // the first source gives embeddings, final norm, head and tokenizer
 *     path_add_source(p, "math", "models/math");
 *     path_add_hop(p, 0, 0, 1);
 *     path_add_hop(p, 1, 5, 0.9);                      // layer 5 of math, what comes into it scaled
 *     char *yaml = path_yaml(p);                       // path.yml: what eval, generate, merge and inspect take
 *     path_free(p);
 *
 * A scale multiplies only the output of the previous hop's MLP, not the whole residual stream; the first hop's multiplies the
 * embeddings (the runtime of the 10B model that Akiba et al., arXiv 2403.13187, released). */
#ifndef MODEL_PATH_H
#define MODEL_PATH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/yaml.h"

#define PATH_MAX_SOURCES 256
#define PATH_MAX_HOPS 10000
#define PATH_MAX_SCALE 1e6

typedef struct path_hop {
    int source;                 /* index into the path's sources */
    int layer;
    double scale;
} path_hop;

typedef struct path_source {
    char *name;                 /* short, unique in the path; owned */
    char *model;                /* a folder, a recipe (.yml) or a study's trial (STUDY.db@17, @best, @mean), as written; owned */
    char *digest;               /* checkpoint_digest_sampled that it must have; owned; NULL: any */
} path_source;

typedef struct layer_path {
    path_source *sources; size_t n_sources;     /* owned */
    path_hop *hops; size_t n_hops;                   /* owned */
    char *file;                                 /* where it came from, for locating sources and for messages; owned, may be NULL */
} layer_path;

layer_path *path_new(void);
void path_free(layer_path *p);
layer_path *path_copy(const layer_path *p);
int path_add_source(layer_path *p, const char *name, const char *model);      /* returns its index */
int path_find_source(const layer_path *p, const char *name);             /* -1: none */
void path_add_hop(layer_path *p, int source, int layer, double scale);
void path_add_layers(layer_path *p, int source, int first, int end);          /* [first, end) with scale 1 */

/* path.yml: {sources: {NAME: MODEL}, hops: [[NAME, LAYER, SCALE]], digests: {NAME: SHA-256}}; a scale of 1 and the digests may be left out,
 * and `[NAME, FIRST-LAST]` stands for several hops. Unknown keys and names: errors with line and nearest name. */
layer_path *path_read(const char *file, error *err);
layer_path *path_from_yaml(const yaml_value *root, const char *file, error *err);
bool path_is_yaml(const yaml_value *root);      /* whether a document is meant to be one: it has hops */
char *path_yaml(const layer_path *p);                 /* free() it */

/* "ja 0-1, math 2-6, ja 7": as a person would say it, scales rounded ("math 2 x1.03"); free() it. */
char *path_text(const layer_path *p);

#endif
