/* A Hugging Face folder as it is written: shard after shard, each block of a tensor when it is ready, by any thread.
 *
 *     folder_writer *w = folder_begin(outline, "merged", &options, err);      // names, shapes, config; no data needed
 *     for (size_t s = 0; s < folder_shards(w); s++) {
 *         if (folder_is_done(w, s))                                            // by a run before this one
 *             continue;
 *         folder_open_shard(w, s, err);
 *         for each i of folder_items(w, s, &n):                                // places in outline->items
 *             folder_put(w, i, offset, bytes, n);
 *         folder_close_shard(w, err);
 *     }
 *     folder_finish(w, err);                                                   // index, config, tokenizer; OUT appears
 *     folder_free(w);                                                          // without folder_finish: nothing of OUT stays
 *
 * Everything goes into OUT.partial, a shard under another name until it is complete and on disk. After a failure OUT.partial is removed,
 * unless it holds complete shards and the options carry a key: then the next run with `resume` and the same key goes on behind them. */
#ifndef TENSOR_FOLDER_WRITER_H
#define TENSOR_FOLDER_WRITER_H

#include "tensor/checkpoint.h"

typedef struct folder_writer folder_writer;

folder_writer *folder_begin(const checkpoint *outline, const char *out, const checkpoint_write_options *options, error *err);
void folder_free(folder_writer *w);

size_t folder_shards(const folder_writer *w);
const size_t *folder_items(const folder_writer *w, size_t shard, size_t *n);   /* in the order of the file; borrowed */
uint64_t folder_shard_bytes(const folder_writer *w, size_t shard);              /* of its tensors */
bool folder_is_done(const folder_writer *w, size_t shard);

int folder_open_shard(folder_writer *w, size_t shard, error *err);
void folder_put(folder_writer *w, size_t item, uint64_t offset, const void *bytes, size_t n);   /* a failure is told by folder_close_shard */
void folder_start_writing(folder_writer *w);   /* lets the disk begin with what was put so far */
int folder_close_shard(folder_writer *w, error *err);
int folder_finish(folder_writer *w, error *err);

/* Whether a failure now would leave complete shards to go on from. */
bool folder_can_resume(const folder_writer *w);

#endif
