/* adapter_config.json: what of it decides how a LoRA adapter is merged. */
#ifndef TENSOR_ADAPTER_CONFIG_H
#define TENSOR_ADAPTER_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define ADAPTER_MAX_RANK 65536

typedef struct adapter_config {
    const char *path;          /* borrowed */
    int64_t rank;
    double alpha;
    bool root;                 /* rslora: alpha / sqrt(rank) in place of alpha / rank */
    bool fan_in_fan_out;       /* weights stand as [in, out] */
    bool dora;
    const json_t *ranks, *alphas;   /* pattern of a module's name -> its own number; borrowed from the JSON, may be NULL */
} adapter_config;

/* Options that would change the result and are not known are errors; those that only matter for training are passed over. */
int adapter_config_read(const json_t *json, const char *path, adapter_config *out, error *err);

/* The rank and the factor of one module's product. */
int adapter_config_module(const adapter_config *c, const char *module, int64_t *rank, double *scale, error *err);

#endif
