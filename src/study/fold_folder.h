/* A path folded into a model folder or a GGUF file, and what rounding its scaled weights to 16 bits costs: the logits of the path as it runs, its scales in f32, beside
 * those of the folded model, said on stderr. */
#ifndef STUDY_FOLD_FOLDER_H
#define STUDY_FOLD_FOLDER_H

#include "compute/backend.h"
#include "merge/fold.h"
#include "tensor/gguf_model.h"

/* fold_path, then fold_write. sources [p->n_sources]; further files [n_more]; the backend of the comparison is `family`. */
int fold_folder(checkpoint *const *sources, const layer_path *p, const fold_options *options, const backend *family, const struct checkpoint_file *more,
                size_t n_more, const char *out, bool replace, error *err);

/* fold_path, then gguf_write. */
int fold_gguf(checkpoint *const *sources, const layer_path *p, const fold_options *options, const backend *family, const char *out, const gguf_options *gguf, error *err);

#endif
