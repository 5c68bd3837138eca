/* Element types of GGUF files: plain ones, and blocks of a few bits an element under a common scale.
 * What a block stands for is bit for bit what gguf-py's dequantize gives; Q8_0 is written as its quantize (and ggml) writes it. */
#ifndef TENSOR_QUANT_H
#define TENSOR_QUANT_H

#include <stdint.h>

#include "tensor/dtype.h"

typedef struct quant_type {
    uint32_t id;              /* ggml's number, as the file holds it */
    const char *name;         /* "Q4_K" */
    int block, bytes;         /* elements a block, and its bytes */
    enum dtype dtype;         /* what its elements are read as: F16 and BF16 stay what they are, blocks become F32 */
    void (*read)(const unsigned char *from, float *out);   /* one block; NULL for a plain type */
    bool known;               /* read by this program; the others have only a name and a size */
} quant_type;

const quant_type *quant_find(uint32_t id);              /* NULL: no type of ggml's, or one that was withdrawn */
const quant_type *quant_named(const char *name);        /* any case; NULL when unknown */

/* n elements [a multiple of the type's block], as its dtype. */
void quant_read(const quant_type *type, const unsigned char *from, void *out, size_t n);

/* n floats [a multiple of 32] as Q8_0, 34 bytes a block. */
int quant_write_q8_0(const float *from, unsigned char *out, size_t n);   /* -1 where a block's scale is more than F16 holds */

#define QUANT_Q8_0_BLOCK 32
#define QUANT_Q8_0_BYTES 34

#endif
