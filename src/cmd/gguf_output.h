/* Commands whose OUT may be a GGUF file. */
#ifndef CMD_GGUF_OUTPUT_H
#define CMD_GGUF_OUTPUT_H

#include "tensor/gguf_model.h"

#define GGUF_TYPE_OPTION "of a .gguf: f32, f16, bf16 or q8_0 (default: the model's)"

bool gguf_is_output(const char *out);   /* as its name says */

/* --gguf-type's word (NULL: none given); an error where OUT is no GGUF file or the type is none that is written. */
int gguf_read_type(const char *text, const char *out, const quant_type **type, error *err);

#endif
