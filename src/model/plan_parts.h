/* Binding the tensors of one model's layers. */
#ifndef MODEL_PLAN_PARTS_H
#define MODEL_PLAN_PARTS_H

#include "model/plan.h"

typedef struct builder {
    plan *plan;                        /* being built */
    const checkpoint *checkpoint;
    const model_config *config;
    const architecture *architecture;
    error *err;
} builder;

/* The tensor of that pattern with rank 2 [n][k], or rank 1 [n] when k is 0; NULL and *err where there is none. */
const tensor *builder_find(const builder *b, const char *pattern, int layer, int64_t n, int64_t k);
int builder_norm(const builder *b, const char *pattern, int layer, plan_norm *out);   /* pattern NULL: none */
/* By the tensor's full name. */
const tensor *builder_tensor(const builder *b, const char *name, int64_t n, int64_t k);
int builder_vector(const builder *b, const char *name, int64_t n, plan_vector *out);
int builder_bias(const builder *b, const char *weight, int64_t n, plan_vector *out);      /* the bias of a weight of that name */
int builder_matrix(const builder *b, const char *name, int64_t n, int64_t k, bool has_bias, matrix *out, plan_vector *bias);

int builder_hop(const builder *b, const path_hop *h, plan_hop *out);

#endif
