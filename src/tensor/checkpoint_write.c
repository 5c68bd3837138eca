#include <string.h>

#include "tensor/checkpoint.h"
#include "tensor/folder_writer.h"

#define BLOCK ((size_t)64 << 20)

/* The kernel reads a hole in a mapping as EFAULT: the source's error tells more than the output's. */
static int write_shard(const checkpoint *c, folder_writer *w, size_t shard, error *err)
{
    size_t n;
    const size_t *items = folder_items(w, shard, &n);
    if (folder_open_shard(w, shard, err) != 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const tensor *t = &c->items[items[i]].tensor;
        size_t bytes = tensor_bytes(t);
        for (size_t at = 0; at < bytes; at += BLOCK)
            folder_put(w, items[i], at, (const char *)t->data + at, bytes - at < BLOCK ? bytes - at : BLOCK);
        folder_start_writing(w);
    }
    int status = folder_close_shard(w, err);
    return checkpoint_check(c, err) != 0 ? -1 : status;
}

int checkpoint_write(const checkpoint *c, const char *out, const checkpoint_write_options *options, error *err)
{
    folder_writer *w = folder_begin(c, out, options, err);
    int status = w ? 0 : -1;
    for (size_t s = 0; status == 0 && s < folder_shards(w); s++)
        status = write_shard(c, w, s, err);
    if (status == 0)
        status = folder_finish(w, err);
    folder_free(w);
    return status;
}
