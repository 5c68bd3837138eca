/* Merging: recipe x checkpoints -> checkpoint, tensor by tensor, block of rows by block of rows.
 * The same recipe gives the same bytes for any block size and any number of threads.
 *
 *     merger *m = merge_prepare(recipe, models, &options, err);    // checks every tensor, shape, dtype, parameter
 *     checkpoint *out = merge_allocate(m, err);
 *     merge_run(m, recipe, out, err);                              // again and again with other parameters, into the same memory
 *     checkpoint_free(out);
 *     merge_free(m);
 */
#ifndef MERGE_MERGE_H
#define MERGE_MERGE_H

#include "base/error.h"
#include "base/threads.h"
#include "merge/recipe.h"
#include "tensor/checkpoint.h"
#include "tensor/folder_writer.h"
#include "tensor/gguf_writer.h"

typedef struct merger merger;

/* merge_in_memory and merge_to_folder check for finite numbers always. */
typedef struct merge_options {
    threads *pool;             /* borrowed; NULL: this thread */
    int64_t block_rows;        /* 0: chosen; tests set 1, 7, all */
    bool check_finite;         /* NaN or infinity in the sources or in the result is an error */
    uint64_t memory;           /* most bytes beside the models' files; what is merged in memory is among them; 0: no limit */
} merge_options;

/* Recipe and models [recipe->n_models] are borrowed and to outlive the merger. Mismatched shapes, vocabularies (both counts and the
 * fix), missing tensors, parameters out of range: one clear error. */
merger *merge_prepare(const recipe *r, checkpoint *const *models, const merge_options *options, error *err);
void merge_free(merger *m);

/* The output without its data: names, shapes, types, config. checkpoint_free it. */
checkpoint *merge_outline(const merger *m, error *err);

/* An output checkpoint with all tensors allocated, config from the base (else the first model) with dtype and vocabulary corrected. */
checkpoint *merge_allocate(const merger *m, error *err);

/* Fills `out`, whose memory counts, and which holds nothing of use after a failure. `r` has the prepared recipe's method and models; its parameters, seed and mode may differ. */
int merge_run(merger *m, const recipe *r, checkpoint *out, error *err);

/* The same into the shards of a folder that was begun with the merger's outline; those that are done already are left alone. */
int merge_write(merger *m, const recipe *r, folder_writer *w, error *err);

/* The same into a GGUF file. */
int merge_write_gguf(merger *m, const recipe *r, gguf_writer *w, error *err);

/* Merges some of the plan's tensors (places [n]) and keeps nothing: to see how long it takes. */
int merge_sample(merger *m, const recipe *r, const size_t *places, size_t n, error *err);

/* Bytes that a run needs beside the models' files and the output; after merge_sample. */
uint64_t merge_memory(const merger *m);

/* Lines that the user should see before the run: configs that differ and whose value wins, tensors that are dropped. free() it; "" when none. */
char *merge_notes(const merger *m);

/* The recipe's models [n_models]; tensors that have to be computed are left to the merge. NULL and *err on failure. */
checkpoint **merge_open_models(const recipe *r, error *err);
void merge_close_models(const recipe *r, checkpoint **models);   /* models may be NULL */

/* Opens the recipe's models and merges them in memory, saying the notes on stderr. Weights that are not finite, in a model or in the
 * merge, are errors. NULL and *err on failure; checkpoint_free it. */
checkpoint *merge_in_memory(const recipe *r, const merge_options *options, error *err);

typedef struct merge_output {
    const char *path;
    bool replace;              /* what is there */
    bool resume;               /* go on behind the shards that a run of the same merge finished before it was cut short */
    uint64_t shard_bytes;      /* 0: 5 GB */
} merge_output;

/* The same into a model folder, block by block as it is computed, with recipe.yml and a model card beside the tensors. An output that is one
 * of the sources is an error. */
int merge_to_folder(const recipe *r, const merge_output *output, const merge_options *options, error *err);

/* The same into one GGUF file; its inputs are the merge's. */
int merge_to_gguf(const recipe *r, const char *out, const gguf_options *gguf, const merge_options *options, error *err);

/* The files and folders that models [n] were read from, and `file` (a recipe, a path; NULL: none): [*count] borrowed, free() the array. */
const char **merge_inputs(checkpoint *const *models, size_t n, const char *file, size_t *count);

/* Whether a model may be written to OUT that was made of sources [n] (folders): not over one of them, nor over anything unless `replace`. */
int merge_check_out(const char *const *sources, size_t n, const char *out, bool replace, error *err);

#endif
