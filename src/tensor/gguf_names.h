/* What GGUF calls the tensors of the architectures that are known here, and what Hugging Face calls them. One row an architecture. */
#ifndef TENSOR_GGUF_NAMES_H
#define TENSOR_GGUF_NAMES_H

#include <stdbool.h>

typedef struct gguf_architecture {
    const char *name;                       /* general.architecture */
    const char *model_type, *class_name;    /* config.json's model_type and architectures[0] */
    const char *windowed_type, *windowed_class;   /* the same where there is a sliding window; NULL: the type has none */
    bool permuted;                          /* q and k rows are interleaved for ggml's rotation */
    bool has_vocab_size;                    /* the converter writes vocab_size, rope.dimension_count and, always, the size of a head */
    bool has_head_norms;                    /* of q and k */
} gguf_architecture;

const gguf_architecture *gguf_architecture_named(const char *name);             /* NULL when unknown */
const gguf_architecture *gguf_architecture_of_type(const char *model_type);     /* by config.json's word */
const char *gguf_architecture_list(void);                                       /* "llama (Mistral too), qwen2, qwen3" */

/* "blk.3.attn_q.weight" -> "model.layers.3.self_attn.q_proj.weight", and back. free() it; NULL where the architecture has no such tensor. */
char *gguf_name_read(const gguf_architecture *a, const char *name);
char *gguf_name_write(const gguf_architecture *a, const char *name);

/* Whether the tensor of this Hugging Face name is one whose rows GGUF interleaves, and by which heads: 'q', 'k' or 0. */
char gguf_name_permuted(const gguf_architecture *a, const char *name);

#endif
