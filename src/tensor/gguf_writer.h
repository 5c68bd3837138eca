/* A GGUF file as it is written: rows of a tensor when they are ready, by any thread, in any order.
 *
 *     gguf_writer *w = gguf_begin(outline, "merged.gguf", &options, err);      // names, shapes, config, tokenizer; no data needed
 *     gguf_put(w, item, first, elements, n);                                    // of outline->items[item], whole rows, converted to the file's type
 *     gguf_finish(w, err);                                                      // OUT appears
 *     gguf_writer_free(w);                                                             // without gguf_finish: nothing of OUT stays
 *
 * Everything goes into OUT.partial, which has its whole length from the beginning. */
#ifndef TENSOR_GGUF_WRITER_H
#define TENSOR_GGUF_WRITER_H

#include "tensor/gguf_model.h"

typedef struct gguf_writer gguf_writer;

/* An OUT or OUT.partial that is one of the files which the outline was read from, or of options->inputs, is an error. */
gguf_writer *gguf_begin(const checkpoint *outline, const char *out, const gguf_options *options, error *err);
void gguf_writer_free(gguf_writer *w);

bool gguf_holds(const gguf_writer *w, size_t item);      /* a head that is tied, and tables that the config implies, are left out */

/* Elements [first, first + n) of an item, whole rows of a matrix, all of a vector; of an item that is left out: nothing. A failure is told by
 * gguf_check and gguf_finish. */
void gguf_put(gguf_writer *w, size_t item, int64_t first, const void *elements, int64_t n);
int gguf_check(gguf_writer *w, error *err);
int gguf_finish(gguf_writer *w, error *err);

#endif
