/* What stands behind a method: reductions over a whole tensor, then apply, each on strips of elements held as f64.
 * walk.c walks the tensors; a kernel never sees blocks or threads.
 *
 * begin looks at a tensor's parameters and asks for the first reduction by setting job->pass to something but 0. While it
 * is not 0, the walk hands every strip of the tensor to reduce and then calls combine, which sets job->pass to the next
 * reduction or to 0. Then apply is handed every strip.
 *
 * So that no block size and no number of threads changes a bit, a reduction may
 *   - add into `sums`, the job->n_sums f64 sums of the strip's row (a row's strips come in order, each from one thread;
 *     combine finds them as job->sums [rows][n_sums] and adds them in row order; apply finds them as combine left them),
 *   - count into piece memory (job->piece_bytes, zeroed), which flush adds to the job's state by operations that commute
 *     (atomic integer sums, or), or
 *   - set bits of job->kept (mask_put).
 * job->walk says how the next reduction goes through the tensor; job->in_order asks for one thread from first to last.
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
#define SCRATCH 6   /* strips beside one for each model */

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
    int64_t rows, columns, count; /* that are merged: those of the shape, less `rest` */
    const tensor *rest;           /* whose rows behind those are the output's as they are; borrowed; NULL: there are none */
    enum rounding work;           /* of compat mode: the type that mergekit computes in */
    double place;                 /* t of its layer, 0 outside the layers */
    bool copy;                    /* carried from the first source as it is */
} merge_tensor;

/* Where results go, block after block, from any thread, in no order. A sink remembers its failure; its owner asks after the walk. */
typedef struct merge_sink merge_sink;
struct merge_sink {
    void (*put)(merge_sink *self, const merge_tensor *t, int64_t first, int64_t n, const void *bytes);   /* elements [first, first + n) */
};

enum walk {
    WALK_STRIPS,    /* strips of at most STRIP elements of a row */
    WALK_ROWS,      /* each strip is a whole row */
    WALK_COLUMNS,   /* each strip is a piece of a row, and `sums` are those of its columns: [n][n_sums], rows in order */
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
    bool *draws;                  /* [n_models] begin sets it where a mask is random: mergekit draws count numbers for it; owned */
    const mersenne *stream;    /* mergekit's, standing at this tensor's first number; NULL: native masks. Borrowed */

    void *state;                  /* the method's, made by begin, one block of memory; freed with the job */
    int64_t rows, columns;        /* the tensor's; begin may cut the same elements another way */
    bool by_row;                  /* begin: apply's strips keep to a row and know it; else they may span rows */
    int pass;
    enum walk walk;
    bool in_order;
    int every;                    /* the next reduction is only handed each so many-th strip: a sample. 0: all */
    int n_sums;
    bool keep_sums;               /* the next reduction goes on with the sums of the last, which it would else find zeroed */
    double *sums;                 /* [rows or columns][n_sums] of the last reduction that asked for them; owned */
    int n_kept;                   /* begin asks for so many masks of one bit an element */
    uint64_t *kept;               /* [n_kept][mask_words(count)], zeros before the first reduction; owned */
    size_t piece_bytes;
    void *out;                    /* the output's data; NULL: it goes to the sink */
    merge_sink *sink;             /* borrowed */
};

typedef struct merge_strip {
    int64_t begin, row;           /* first element; its row (not of apply's strips that may span rows) */
    int n;
    int64_t stride;               /* STRIP, more where a strip is a longer row */
    double *x;                    /* [n_models][stride] the sources, rounded to the work type in compat mode */
    double *scratch;              /* [n_models + SCRATCH][stride] */
    void *piece;
} merge_strip;

typedef struct method_kernel {
    int (*begin)(merge_job *j, error *err);
    void (*reduce)(const merge_job *j, const merge_strip *s, double *sums);
    void (*flush)(const merge_job *j, const void *piece);
    int (*combine)(merge_job *j, error *err);
    void (*apply)(const merge_job *j, const merge_strip *s, double *out);
} method_kernel;

extern const method_kernel kernel_linear, kernel_slerp, kernel_task_arithmetic, kernel_ties, kernel_dare_linear, kernel_dare_ties, kernel_breadcrumbs,
    kernel_breadcrumbs_ties, kernel_della, kernel_della_linear, kernel_nuslerp, kernel_multislerp, kernel_karcher, kernel_model_stock, kernel_sce,
    kernel_arcee_fusion, kernel_nearswap, kernel_ram, kernel_ramplus_tl, kernel_passthrough;

/* A parameter of this job's tensor: given, else the default; an error where it is required and missing, not finite or out of range. */
int kernel_parameter(const merge_job *j, int model, const char *name, double *out, error *err);

/* Fills s->x from s->begin and s->n, as the walk does. */
void kernel_load(const merge_job *j, merge_strip *s);

/* Sum number `which` over all rows (or columns), added in their order. */
double kernel_total(const merge_job *j, int which);

/* Number `which` of the models that are not the base, in their order; or the only one. */
int kernel_other(const merge_job *j, int which);

/* What messages call a model of this job: its path in the recipe. */
const char *kernel_model(const merge_job *j, int model);

/* A loop that the compiler should make once for each kind of CPU. Without contraction and without reordering every
 * version gives the same bits. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CPU_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CPU_CLONES
#endif

#endif
