/* Commands whose OUT may be a GGUF file. */
#ifndef CMD_GGUF_OUTPUT_H
#define CMD_GGUF_OUTPUT_H

#include "tensor/gguf_model.h"

#define GGUF_TYPE_OPTION "of a .gguf: f32, f16, bf16 or q8_0 (default: the model's)"

bool gguf_is_output(const char *out);   /* as its name says */

/* --gguf-type's word (NULL: none given); an error where OUT is no GGUF file or the type is none that is written. */
int gguf_read_type(const char *text, const char *out, const quant_type **type, error *err);

/* Where a merge is written before it becomes OUT: a folder beside it. free() it. An OUT that is there already is an error unless `replace`. */
char *gguf_begin(const char *out, bool replace, error *err);

/* Makes OUT of that folder and removes the folder; where that fails the folder stays, and the error says so. */
int gguf_finish(const char *folder, const char *out, const gguf_options *options, error *err);

#endif
