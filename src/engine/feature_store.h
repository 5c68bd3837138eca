/* Features of pictures, each computed once. They are kept in the files of a folder (a study's OUT/features), where the next run finds
 * them, or in temporary files that are gone with the process. Either way the files are mapped, so that memory holds what is in use.
 *
 *     feature_store *s = feature_store_new("out/features");
 *     feature_store_take(s, model, backend, pool, err);            // its vision tower; NULL model: let go of it
 *     const feature_rows *f = feature_store_get(s, "cat.png", FEATURES_AS_CONFIGURED, err);
 *
 * A file's name is the digest of all that decides the rows: the picture's bytes, the weights of tower and projector, what is done to the
 * pixels, and the kernel family. What is found under that name is what would be computed.
 *
 * A .features file: 8 bytes "MGFEAT1\n", int64 rows, int64 width, zeros up to byte 64, f32 [rows][width]. */
#ifndef ENGINE_FEATURE_STORE_H
#define ENGINE_FEATURE_STORE_H

#include <stdbool.h>

#include "base/error.h"
#include "base/threads.h"
#include "compute/backend.h"
#include "tensor/checkpoint.h"

typedef struct feature_store feature_store;

typedef struct feature_rows {
    const float *rows;         /* [n][width]; of the store, until it takes another tower */
    int64_t n, width;
} feature_rows;

typedef struct feature_counts { uint64_t computed, found; } feature_counts;   /* pictures; found: in the folder, from before */

feature_store *feature_store_new(const char *folder);      /* NULL: temporary files; the folder is made with its first file */
void feature_store_free(feature_store *s);

/* The model whose features are asked for, borrowed until another is taken. Features of one with the same tower stay. A model that does not
 * see is an error that says so. */
int feature_store_take(feature_store *s, const checkpoint *model, const backend *b, threads *pool, error *err);
int32_t feature_store_image_token(const feature_store *s);      /* of the model taken last; -1: it has none */

/* FEATURES_ONE_VIEW: as plain LLaVA, whatever the model's files say of tiles. */
enum feature_views { FEATURES_AS_CONFIGURED, FEATURES_ONE_VIEW };

/* A picture's, the same pointer for the same features. NULL and *err: no file, no picture. */
const feature_rows *feature_store_get(feature_store *s, const char *path, enum feature_views views, error *err);

feature_counts feature_store_counts(const feature_store *s);     /* since it was made */
const char *feature_store_folder(const feature_store *s);        /* NULL: temporary files */

/* Reads a .features file's bytes; `name` is what errors call it. */
int feature_file_read(const void *bytes, size_t n, const char *name, feature_rows *out, error *err);

#endif
