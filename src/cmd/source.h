/* A source: whatever yields a checkpoint. A model folder or a .safetensors file is mapped; a recipe (.yml) is merged in memory. */
#ifndef CMD_SOURCE_H
#define CMD_SOURCE_H

#include "base/threads.h"
#include "tensor/checkpoint.h"

checkpoint *source_open(const char *path, threads *pool, error *err);   /* checkpoint_free it */

#endif
