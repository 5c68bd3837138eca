#include "engine/kv.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void kv_open(kv_cache *kv, const plan *p)
{
    *kv = (kv_cache){.n_hops = p->n_hops};
    kv->width = memory_new((size_t)p->n_hops, sizeof *kv->width);
    kv->head_dim = memory_new((size_t)p->n_hops, sizeof *kv->head_dim);
    kv->offset = memory_new((size_t)p->n_hops, sizeof *kv->offset);
    for (int h = 0; h < p->n_hops; h++) {
        kv->width[h] = p->hops[h].config->kv_heads * p->hops[h].config->head_dim;
        kv->head_dim[h] = p->hops[h].config->head_dim;
        kv->offset[h] = kv->block_floats;
        kv->block_floats += 2 * (size_t)kv->width[h] * KV_BLOCK;
    }
}

void kv_close(kv_cache *kv)
{
    free(kv->width);
    free(kv->head_dim);
    free(kv->offset);
    free(kv->memory);
    free(kv->references);
    free(kv->free_block);
    *kv = (kv_cache){0};
}

size_t kv_block_bytes(const kv_cache *kv)
{
    return kv->block_floats * sizeof(float);
}

void kv_drop(kv_cache *kv)
{
    free(kv->memory);
    kv->memory = NULL;
    kv->n_blocks = kv->n_free = 0;
}

int kv_size(kv_cache *kv, int64_t n, error *err)
{
    if (n > kv->n_blocks) {
        if (n > INT_MAX || (size_t)n > SIZE_MAX / kv_block_bytes(kv))
            return fail(err, ERROR_MEMORY, "%lld KV blocks of %zu bytes are more than can be addressed", (long long)n,
                        kv_block_bytes(kv));
        kv_drop(kv);
        kv->memory = memory_try((size_t)n * kv_block_bytes(kv), "the KV cache", err);
        if (!kv->memory)
            return -1;
        kv->references = memory_grow(kv->references, (size_t)n, sizeof *kv->references);
        kv->free_block = memory_grow(kv->free_block, (size_t)n, sizeof *kv->free_block);
        kv->n_blocks = n;
    }
    memset(kv->references, 0, (size_t)kv->n_blocks * sizeof *kv->references);
    for (int64_t i = 0; i < kv->n_blocks; i++)
        kv->free_block[i] = (int)(kv->n_blocks - 1 - i);   /* low blocks first, so that little memory is touched */
    kv->n_free = kv->n_blocks;
    kv->promised = 0;
    return 0;
}

bool kv_promise(kv_cache *kv, int64_t n)
{
    if (n > kv->n_blocks - kv->promised)
        return false;
    kv->promised += n;
    return true;
}

void kv_unpromise(kv_cache *kv, int64_t n)
{
    kv->promised -= n;
}

static int take_block(kv_cache *kv)
{
    assert(kv->n_free > 0);
    int block = kv->free_block[--kv->n_free];
    kv->references[block] = 1;
    return block;
}

static void drop_block(kv_cache *kv, int block)
{
    if (--kv->references[block] == 0)
        kv->free_block[kv->n_free++] = block;
}

static void push_block(kv_table *t, int block)
{
    if (t->n == t->capacity) {
        t->capacity = t->capacity ? 2 * t->capacity : 8;
        t->block = memory_grow(t->block, (size_t)t->capacity, sizeof *t->block);
    }
    t->block[t->n++] = block;
}

/* A block of its own with what another holds, of this cache or of one for the same plan. */
static int copy_block(kv_cache *kv, const kv_cache *other, int from)
{
    int to = take_block(kv);
    memcpy(kv_keys(kv, to, 0), kv_keys(other, from, 0), kv_block_bytes(kv));
    return to;
}

void kv_write(const kv_cache *kv, int block, int hop, int inside, const float *keys, const float *values)
{
    int64_t head_dim = kv->head_dim[hop];
    float *k = kv_keys(kv, block, hop) + inside, *v = kv_values(kv, block, hop) + inside * head_dim;
    for (int64_t head = 0; head < kv->width[hop]; head += head_dim, v += KV_BLOCK * head_dim) {
        for (int64_t d = 0; d < head_dim; d++)
            k[(head + d) * KV_BLOCK] = keys[head + d];
        memcpy(v, values + head, (size_t)head_dim * sizeof *v);
    }
}

void kv_extend(kv_cache *kv, kv_table *t, int64_t to)
{
    int64_t used = t->length % KV_BLOCK;
    if (to > t->length && used != 0) {
        int *last = &t->block[t->length / KV_BLOCK];
        if (kv->references[*last] > 1) {
            int copy = copy_block(kv, kv, *last);
            drop_block(kv, *last);
            *last = copy;
        }
    }
    while (t->n < kv_blocks(to))
        push_block(t, take_block(kv));
    t->length = to;
}

void kv_share(kv_cache *kv, kv_table *t, const kv_table *from, int64_t positions)
{
    int whole = (int)(positions / KV_BLOCK);
    for (int i = 0; i < whole; i++) {
        kv->references[from->block[i]]++;
        push_block(t, from->block[i]);
    }
    if (positions % KV_BLOCK)
        push_block(t, copy_block(kv, kv, from->block[whole]));
    t->length = positions;
}

void kv_copy(kv_cache *kv, kv_table *t, const kv_cache *from, const kv_table *table)
{
    for (int i = 0; i < table->n; i++)
        push_block(t, copy_block(kv, from, table->block[i]));
    t->length = table->length;
}

void kv_fork(kv_cache *kv, kv_table *t, const kv_table *from)
{
    for (int i = 0; i < from->n; i++) {
        kv->references[from->block[i]]++;
        push_block(t, from->block[i]);
    }
    t->length = from->length;
}

void kv_release(kv_cache *kv, kv_table *t)
{
    for (int i = 0; i < t->n; i++)
        drop_block(kv, t->block[i]);
    t->n = 0;
    t->length = 0;
}

void kv_table_free(kv_cache *kv, kv_table *t)
{
    kv_release(kv, t);
    free(t->block);
    *t = (kv_table){0};
}
