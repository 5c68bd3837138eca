/* A checkpoint: named tensors, the model's config, and the folder where its tokenizer lies. From
 * disk (mapped, nothing copied) or merged in memory: the same type.
 *
 *     checkpoint *c = checkpoint_open("models/base", err);     // model.safetensors, or shards with their index
 *     const tensor *t = checkpoint_find(c, "lm_head.weight");
 *     checkpoint_free(c);
 *
 * checkpoint_open distrusts everything (see the checks in safetensors.c). Tensor names are unique
 * and kept in sorted order (byte order), so walking items is deterministic. */
#ifndef TENSOR_CHECKPOINT_H
#define TENSOR_CHECKPOINT_H

#include <jansson.h>

#include "base/error.h"
#include "base/threads.h"
#include "tensor/tensor.h"

typedef struct checkpoint_item {
    char *name;       /* owned by the checkpoint */
    tensor tensor;
} checkpoint_item;

struct checkpoint_file { const char *name, *text; };   /* of the folder, beside the tensors */

typedef struct checkpoint {
    char *folder;             /* where config and tokenizer lie, a folder or a .gguf file; owned, NULL for one with neither */
    char *name;               /* what messages call it; owned */
    json_t *config;           /* config.json as it stands; owned, may be NULL */
    checkpoint_item *items;   /* [count] sorted by name; owned */
    size_t count;
    buffer **buffers;         /* [n_buffers] references held */
    size_t n_buffers;
    tensor_maker **makers;    /* [n_makers] owned; tensors borrow them */
    size_t n_makers;
    struct checkpoint_file *files;   /* [n_files] that stand in memory in place of the folder's of that name; text NULL: there is none; owned */
    size_t n_files;
} checkpoint;

/* A model folder, one .safetensors, PyTorch or .gguf file (see gguf_model.h), or BASE+ADAPTER (see adapter.h). Without config.json beside a
 * file of tensors, config is NULL; a .gguf file holds its own. Tensors that have to be computed stand in memory. checkpoint_open_lazy leaves
 * those with a maker and no data: for merges, which take them tensor by tensor. */
checkpoint *checkpoint_open(const char *path, error *err);
checkpoint *checkpoint_open_lazy(const char *path, error *err);

/* Gives every tensor with a maker its data, in memory that the checkpoint holds. */
int checkpoint_make(checkpoint *c, threads *pool, error *err);
void checkpoint_add_maker(checkpoint *c, tensor_maker *m);   /* takes it over */
void checkpoint_put_file(checkpoint *c, const char *name, const char *text);      /* in place of one put before; copies both */
const struct checkpoint_file *checkpoint_file(const checkpoint *c, const char *name);   /* that stands in memory; NULL: the folder's counts */
void checkpoint_free(checkpoint *c);

/* Where a model (of BASE+ADAPTER: each half) lies that `file` (a recipe, a path; NULL: none) names: as it is, else beside the file, else
 * ORG/NAME[@REVISION] in the local Hugging Face cache, else as it is, for a message. free() it. */
char *checkpoint_locate(const char *path, const char *file);

/* Whether the model at `path`, or one of the halves that it is put together from, is this file or folder. */
bool checkpoint_reads(const char *path, const char *file);

const tensor *checkpoint_find(const checkpoint *c, const char *name);   /* borrowed; NULL when absent */
const checkpoint_item *checkpoint_find_item(const checkpoint *c, const char *name);
int checkpoint_check(const checkpoint *c, error *err);                  /* buffer_check of every buffer */
int checkpoint_sort(checkpoint *c, error *err);                         /* items by name; the same name twice is an error */
uint64_t checkpoint_bytes(const checkpoint *c);                         /* sum of tensor_bytes */

/* An empty checkpoint to be filled: memory for all tensors in one host buffer. Shapes and dtypes are
 * taken from items (names and shapes are copied). config: one more reference is taken. */
checkpoint *checkpoint_new(const char *name, const char *folder, json_t *config, const checkpoint_item *items, size_t count, error *err);

/* NaN or infinity anywhere in the float tensors that have data: an error naming tensor and index. Reads everything once. */
int checkpoint_check_finite(const checkpoint *c, threads *pool, error *err);

/* The digest that stands for a model in a study: SHA-256 over config, headers, file sizes and 64 sampled blocks of each file ("sampled"),
 * quick; and over whole files, once a study ("full"). Hexadecimal. */
int checkpoint_digest_sampled(const checkpoint *c, char hex[65], error *err);
int checkpoint_digest_full(const checkpoint *c, char hex[65], error *err);

/* A copy of the config with dtype, num_hidden_layers, vocab_size and tie_word_embeddings corrected to the tensors, and without
 * auto_map. json_decref it. An error where the config lists layers one by one and the tensors hold another number. */
json_t *checkpoint_config(const checkpoint *c, error *err);

typedef struct checkpoint_write_options {
    uint64_t shard_bytes;     /* 0: 5 GB */
    bool replace;             /* replace an existing OUT: a folder that holds a model, or an empty one */
    /* extra files of the folder, written beside the tensors, in place of copied ones of that name: [n_files]; borrowed */
    const struct checkpoint_file *files;
    size_t n_files;
    /* files and folders that went into c beside those that it was read from: OUT may be none of them and hold none; [n_inputs]; borrowed */
    const char *const *inputs;
    size_t n_inputs;
    /* what the tensors are made of; NULL: a failure leaves nothing to go on from. resume: go on behind the shards that a run with this key finished */
    const char *key;
    bool resume;
} checkpoint_write_options;

/* Writes a Hugging Face folder that transformers loads without a warning: model.safetensors or shards with an
 * index, config.json (dtype, num_hidden_layers, vocab_size, tie_word_embeddings corrected to the tensors),
 * tokenizer files, generation_config.json and chat template copied from c->folder. Into OUT.partial,
 * then renamed; a failure leaves neither. An OUT that is, or holds, what c was read from or one of the inputs is an error, and so is an OUT to be
 * replaced that is a folder of something else. */
int checkpoint_write(const checkpoint *c, const char *out, const checkpoint_write_options *options, error *err);

#endif
