/* What stands behind a method: reductions over a whole tensor, then apply, each on strips of at most
 * STRIP elements held as f64. merge.c walks the tensors; a kernel never sees blocks or threads.
 *
 * begin looks at a tensor's parameters and asks for the first reduction by setting job->pass to
 * something but 0. While it is not 0, merge.c hands every strip of the tensor to reduce and then calls
 * combine, which sets job->pass to the next reduction or to 0. Then apply is handed every strip.
 *
 * So that no block size and no number of threads changes a bit, a reduction may
 *   - add into `sums`, the job->n_sums f64 sums of the strip's row (a row's strips come in order, each
 *     from one thread; combine finds them as job->sums [rows][n_sums] and adds them in row order), or
 *   - count into piece memory (job->piece_bytes, zeroed), which flush adds to the job's state by
 *     operations that commute (atomic integer sums, or).
 *
 * Both modes run the same code: values stand in f64, and `rounding` says to what the mode rounds after
 * each operation (nothing in exact mode). An f64 operation on two f32 numbers, rounded to f32, is the f32
 * operation (53 >= 2 * 24 + 2 bits), so compat mode loses nothing by it; only fma needs care. */
#ifndef MERGE_KERNEL_H
#define MERGE_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "merge/mask.h"
#include "merge/recipe.h"
#include "tensor/tensor.h"

#define STRIP 512

enum rounding { ROUND_NONE, ROUND_F32, ROUND_F16, ROUND_BF16 };

/* One tensor of the output and where it comes from. */
typedef struct merge_tensor {
    const char *name;             /* of the output; borrowed */
    const char *drawn_as;         /* the largest name among the source tensors read: mergekit draws masks in this order */
    int n_models, base;           /* base: an index below n_models, -1: none */
    const tensor **sources;       /* [n_models] borrowed from the checkpoints; data may be NULL where there is a maker */
    const char **source_names;    /* [n_models] as each model calls it */
    int slice;                    /* of the recipe, whose parameters apply; -1: the recipe is written as models */
    tensor shape;                 /* of the output: dtype, rank, shape; no data */
    int64_t rows, columns, count;
    enum rounding work;           /* of compat mode: the type that mergekit computes in */
    double place;                 /* t of its layer, 0 outside the layers */
    bool copy;                    /* carried from the first source as it is */
} merge_tensor;

/* Where results go, block after block, from any thread, in no order. A sink remembers its failure; its owner asks after the walk. */
typedef struct merge_sink merge_sink;
struct merge_sink {
    void (*put)(merge_sink *self, const merge_tensor *t, int64_t first, int64_t n, const void *bytes);   /* elements [first, first + n) */
};

typedef struct merge_job merge_job;
struct merge_job {
    const merge_tensor *tensor;
    const recipe *recipe;
    int n_models, base;           /* the tensor's */
    tensor *sources;              /* [n_models] with data; owned */
    void **made;                  /* [n_models] memory of sources that had to be made, or NULL; owned */
    enum rounding rounding;       /* of this run: tensor->work in compat mode, else none */
    uint64_t mask_key;            /* of the native masks of this tensor */
    bool *draws;                  /* [n_models] begin sets it where a random mask is needed: count numbers are drawn; owned */
    const mask_stream *stream;    /* mergekit's, standing at this tensor's first number; NULL: native masks. Borrowed */
    uint8_t **drawn;              /* [n_models] masks drawn mergekit's way, one bit an element, or NULL; owned */

    void *state;                  /* the method's, made by begin, one block of memory; freed with the job */
    int pass;
    int n_sums;
    double *sums;                 /* [rows][n_sums] after a reduction that asked for them */
    size_t piece_bytes;
    void *out;                    /* the output's data; NULL: it goes to the sink */
    merge_sink *sink;             /* borrowed */
};

typedef struct merge_strip {
    int64_t begin, row;           /* first element; its row (reductions only: strips of apply may span rows) */
    int n;
    double *x;                    /* [n_models][STRIP] the sources, rounded to the work type in compat mode */
    double *scratch;              /* [n_models + 4][STRIP] */
    void *piece;
} merge_strip;

typedef struct method_kernel {
    int (*begin)(merge_job *j, error *err);
    void (*reduce)(const merge_job *j, const merge_strip *s, double *sums);
    void (*flush)(const merge_job *j, const void *piece);
    void (*combine)(merge_job *j);
    void (*apply)(const merge_job *j, const merge_strip *s, double *out);
} method_kernel;

extern const method_kernel kernel_linear, kernel_slerp, kernel_task_arithmetic, kernel_ties, kernel_dare_linear, kernel_dare_ties;

/* A parameter of this job's tensor: given, else the default; an error where it is required and missing, not finite or out of range. */
int kernel_parameter(const merge_job *j, int model, const char *name, double *out, error *err);

/* What messages call a model of this job: its path in the recipe. */
const char *kernel_model(const merge_job *j, int model);

/* A loop that the compiler should make once for each kind of CPU. Without contraction and without reordering every
 * version gives the same bits. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define CPU_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CPU_CLONES
#endif

#endif
