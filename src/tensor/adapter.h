/* LoRA adapters as PEFT writes them (adapter_config.json beside adapter_model.safetensors or .bin), merged into their base.
 *
 * A model may be named BASE+ADAPTER, and so on with further adapters, which apply in order. What an adapter changes is computed when it is
 * read, as peft's merge_and_unload does but with exact sums and one rounding: W + scale * B A, in the base's dtype. */
#ifndef TENSOR_ADAPTER_H
#define TENSOR_ADAPTER_H

#include "base/error.h"
#include "tensor/checkpoint.h"

/* The '+' between base and (last) adapter; NULL where the whole path exists as it stands or has none. Of several that
 * could be meant, the last behind which something exists. */
const char *adapter_split(const char *path);

/* Merges the adapter in the folder `path` into c, which then holds its files too. What it cannot merge exactly is an error that names it;
 * c is then good for nothing but checkpoint_free. */
int adapter_apply(checkpoint *c, const char *path, error *err);

#endif
