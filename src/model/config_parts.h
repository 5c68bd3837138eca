/* What the files that read config.json share. */
#ifndef MODEL_CONFIG_PARTS_H
#define MODEL_CONFIG_PARTS_H

#include "model/architecture.h"
#include "model/config.h"

#define MAX_POSITIONS ((int64_t)1 << 30)

int config_read_activation(const json_t *json, const char *key, const char *name, enum activation *out, error *err);

int config_read_rope(const json_t *json, const char *name, const architecture *a, model_config *c, error *err);

/* Which layers have the sliding window, and how wide it is. */
int config_read_window(const json_t *json, const char *name, const architecture *a, model_config *c, error *err);

#endif
