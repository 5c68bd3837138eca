/* The walk over a group of tensors: strips are loaded, reduced as often as the method asks, combined, applied and handed out.
 *
 *     walk_begin(&jobs[i], kernel, recipe, tensor, err);       // reads parameters only
 *     jobs[i].out = ...;  or  jobs[i].sink = ...;
 *     walk_group(kernel, jobs, n, &options, err);
 *     walk_end(&jobs[i]);                                      // also after a failed walk_begin
 */
#ifndef MERGE_WALK_H
#define MERGE_WALK_H

#include "base/threads.h"
#include "merge/kernel.h"

typedef struct walk_options {
    threads *pool;             /* borrowed; NULL: this thread */
    int64_t block_rows;        /* of a piece (or columns, where a reduction goes by columns); 0: chosen */
    bool check_finite;         /* a NaN or infinity in a source or in the result is an error: the first of the first tensor that has one */
} walk_options;

int walk_begin(merge_job *j, const method_kernel *k, const recipe *r, const merge_tensor *t, error *err);
void walk_end(merge_job *j);
int walk_group(const method_kernel *k, merge_job *jobs, size_t n, const walk_options *options, error *err);

#endif
