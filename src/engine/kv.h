/* The KV cache: blocks of KV_BLOCK positions that hold keys and values of every hop, laid out as attention_query has them, reference-counted so that
 * sequences share them (common prefixes) and fork (beams). A table is one sequence's list of blocks.
 *
 * Invariants
 * 1. A block of a table at or behind its write position is referenced by that table alone: kv_extend copies a
 *    shared block before anything is written to it.
 * 2. Whoever admits sequences promises blocks first (kv_promise) for the worst they may need; so taking a block
 *    never fails. */
#ifndef ENGINE_KV_H
#define ENGINE_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "model/plan.h"

#define KV_BLOCK 32

typedef struct kv_cache {
    int n_hops;
    int64_t *width;            /* [n_hops] floats of one position's keys (and values): kv_heads * head_dim; owned */
    int64_t *head_dim;         /* [n_hops], owned */
    size_t *offset;            /* [n_hops] of a hop's keys in a block; its values follow them; owned */
    size_t block_floats;
    float *memory;             /* [n_blocks][block_floats], owned */
    int64_t n_blocks, promised;
    int *references;           /* [n_blocks], owned */
    int *free_block;           /* [n_free] a stack; owned */
    int64_t n_free;
} kv_cache;

typedef struct kv_table {
    int *block;                /* [n], owned */
    int n, capacity;
    int64_t length;            /* positions held */
} kv_table;

void kv_open(kv_cache *kv, const plan *p);
void kv_close(kv_cache *kv);
size_t kv_block_bytes(const kv_cache *kv);

/* Memory for at least n blocks, kept from run to run. No table may be alive. */
int kv_size(kv_cache *kv, int64_t n, error *err);

/* Gives the memory back until the next kv_size. */
void kv_drop(kv_cache *kv);

/* Sets n blocks aside; false where there are not so many. */
bool kv_promise(kv_cache *kv, int64_t n);
void kv_unpromise(kv_cache *kv, int64_t n);

/* Makes positions [length, to) writable and counts them as held. */
void kv_extend(kv_cache *kv, kv_table *t, int64_t to);

/* One position's keys and values, [kv_heads][head_dim] each, at place `inside` of a block. */
void kv_write(const kv_cache *kv, int block, int hop, int inside, const float *keys, const float *values);

/* t (empty) begins with the first `positions` of `from`: whole blocks are shared, the last partial one is copied. */
void kv_share(kv_cache *kv, kv_table *t, const kv_table *from, int64_t positions);

/* t (empty) becomes a copy of a table in another cache for the same plan. */
void kv_copy(kv_cache *kv, kv_table *t, const kv_cache *from, const kv_table *table);

/* t (empty) becomes another `from`, all blocks shared. */
void kv_fork(kv_cache *kv, kv_table *t, const kv_table *from);

/* Gives the blocks back; the table is empty and may be used again. kv_table_free also frees its list. */
void kv_release(kv_cache *kv, kv_table *t);
void kv_table_free(kv_cache *kv, kv_table *t);

static inline int64_t kv_blocks(int64_t positions)
{
    return (positions + KV_BLOCK - 1) / KV_BLOCK;
}

static inline float *kv_keys(const kv_cache *kv, int block, int hop)
{
    return kv->memory + (size_t)block * kv->block_floats + kv->offset[hop];
}

static inline float *kv_values(const kv_cache *kv, int block, int hop)
{
    return kv_keys(kv, block, hop) + (size_t)kv->width[hop] * KV_BLOCK;
}

#endif
