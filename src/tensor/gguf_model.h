/* A GGUF file as a model, and a model as a GGUF file.
 *
 * Reading: checkpoint_open does it, by the file's first bytes. Tensors have their Hugging Face names and shapes, the config is made
 * from the metadata, and the checkpoint's folder is the file itself: tokenizer_open and checkpoint_write take the tokenizer from it.
 * F32, F16 and BF16 stand as they are mapped; blocks of quants become F32 and Llama's interleaved rows are put back when they are read.
 *
 *     checkpoint *c = checkpoint_open("model.gguf", err);
 *     gguf_write(c, "merged.gguf", &(gguf_options){.type = quant_named("q8_0")}, err);
 */
#ifndef TENSOR_GGUF_MODEL_H
#define TENSOR_GGUF_MODEL_H

#include "tensor/checkpoint.h"
#include "tensor/quant.h"

/* Fills an empty checkpoint from the file at path. Architectures without a row in gguf_names.c are refused by name. */
int gguf_open(checkpoint *c, const char *path, error *err);
int gguf_open_buffer(checkpoint *c, buffer *file, const char *path, error *err);   /* takes the file over; path is what messages call it */

/* The text of "tokenizer.json" or "tokenizer_config.json" (a chat template in it), made from the metadata. *text is NULL for another name
 * and where the file has no tokenizer; free() it. A tokenizer that is not known here is ERROR_UNSUPPORTED. */
int gguf_companion(const char *path, const char *name, char **text, error *err);

/* The same of a checkpoint's folder of either kind: the file of that name in it, of at most `limit` bytes, [*n] and a NUL. */
int companion_read(const char *folder, const char *name, size_t limit, char **text, size_t *n, error *err);

/* The same of a model: what it holds in memory, else what its folder holds. */
int companion_of(const checkpoint *c, const char *name, size_t limit, char **text, size_t *n, error *err);

/* Those of a checkpoint whose folder is a GGUF file, into the folder `to`, but for the ones that it holds in memory. A tokenizer that is
 * not known here is said on stderr and does not keep the model from being written. */
int gguf_write_companions(const checkpoint *c, const char *to, error *err);

bool gguf_is_written(const quant_type *type);   /* F32, F16, BF16, Q8_0 */

typedef struct gguf_options {
    const quant_type *type;   /* of the matrices; NULL: the checkpoint's own; vectors are F32 always */
    bool replace;             /* replace an existing OUT */
    const char *name;         /* general.name; NULL: OUT's */
    const char *const *inputs;   /* [n_inputs] files that went into the model beside those that it was read from: not to be written over; borrowed */
    size_t n_inputs;
} gguf_options;

/* Writes one GGUF file (gguf_writer.h does so row by row) with tensors and metadata as llama.cpp's converter has them, the tokenizer from the checkpoint's
 * folder among it. Into OUT.partial, then renamed: a failure leaves nothing. Tensors are written one by one; those with a maker
 * and no data are made as they are written. */
int gguf_write(const checkpoint *c, const char *out, const gguf_options *options, error *err);

#endif
