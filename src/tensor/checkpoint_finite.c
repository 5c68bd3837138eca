#include <stdatomic.h>
#include <stdlib.h>

#include "base/memory.h"
#include "tensor/checkpoint.h"

#define BLOCK ((int64_t)1 << 20)

struct scan {
    const checkpoint *checkpoint;
    size_t *first;          /* [count + 1] the first piece of each tensor; owned */
    atomic_size_t worst;    /* the lowest piece that holds something not finite */
};

static const checkpoint_item *find_item(const struct scan *s, size_t piece, int64_t *begin, int64_t *end)
{
    size_t low = 0, high = s->checkpoint->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (s->first[middle] <= piece)
            low = middle;
        else
            high = middle;
    }
    const checkpoint_item *item = &s->checkpoint->items[low];
    int64_t n = tensor_count(&item->tensor);
    *begin = (int64_t)(piece - s->first[low]) * BLOCK;
    *end = n - *begin < BLOCK ? n : *begin + BLOCK;
    return item;
}

static int64_t first_bad(const checkpoint_item *item, int64_t begin, int64_t end)
{
    const tensor *t = &item->tensor;
    const char *data = (const char *)t->data + (size_t)begin * dtype_size(t->dtype);
    return begin + (int64_t)dtype_first_not_finite(t->dtype, data, (size_t)(end - begin));
}

static void scan_piece(void *context, size_t piece)
{
    struct scan *s = context;
    int64_t begin, end;
    size_t seen = atomic_load(&s->worst);
    if (piece > seen)
        return;
    const checkpoint_item *item = find_item(s, piece, &begin, &end);
    if (first_bad(item, begin, end) < end)
        while (piece < seen && !atomic_compare_exchange_weak(&s->worst, &seen, piece))
            ;
}

int checkpoint_check_finite(const checkpoint *c, threads *pool, error *err)
{
    struct scan s = {.checkpoint = c, .first = memory_new(c->count + 1, sizeof *s.first)};
    for (size_t i = 0; i < c->count; i++) {
        const tensor *t = &c->items[i].tensor;
        int64_t blocks = t->data && dtype_is_float(t->dtype) ? (tensor_count(t) + BLOCK - 1) / BLOCK : 0;
        s.first[i + 1] = s.first[i] + (size_t)blocks;
    }
    size_t pieces = s.first[c->count];
    atomic_init(&s.worst, SIZE_MAX);
    threads_run(pool, pieces, scan_piece, &s);
    int status = checkpoint_check(c, err);
    size_t worst = atomic_load(&s.worst);
    if (status == 0 && worst < pieces) {
        int64_t begin, end;
        const checkpoint_item *item = find_item(&s, worst, &begin, &end);
        int64_t at = first_bad(item, begin, end);
        const tensor *t = &item->tensor;
        float value;
        dtype_to_f32(t->dtype, (const char *)t->data + (size_t)at * dtype_size(t->dtype), &value, 1);
        status = fail(err, ERROR_NOT_FINITE, "%s: '%s' holds %s at element %lld", c->name, item->name, value != value ? "NaN" : "infinity",
                      (long long)at);
    }
    free(s.first);
    return status;
}
