/* PyTorch checkpoints (.bin, .pt, .pth) as torch.save writes them since PyTorch 1.6: a zip archive that holds a pickle, which tells names,
 * shapes and strides, and one entry for each storage. */
#ifndef TENSOR_TORCH_ZIP_H
#define TENSOR_TORCH_ZIP_H

#include "base/error.h"
#include "tensor/checkpoint.h"

bool torch_zip_is(const buffer *file);   /* by its first bytes */

/* Appends the tensors of one file to c->items: views of `file` where their elements lie side by side, with a maker that gathers them where
 * they do not. No code is run (see pickle.h). On failure c->count has not changed. */
int torch_zip_parse(checkpoint *c, buffer *file, const char *path, error *err);

/* What lists the file's entries with a checksum of each, at its end; the whole file where it is not readable. */
size_t torch_zip_directory(const buffer *file, const void **bytes);

#endif
