/* What config.json says of a model that also sees: a vision tower of CLIP's kind, and a projector from what it gives to the language
 * model's embeddings. LLaVA and LLaVA-NeXT as transformers writes them (vision_config beside text_config), and as their authors' code does
 * (mm_vision_tower and other mm_ keys beside the language model's own). Models of other class names with the same keys are read the same. */
#ifndef MODEL_VISION_CONFIG_H
#define MODEL_VISION_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "compute/backend.h"

typedef struct vision_config {
    int64_t layers, hidden, intermediate, heads;
    int64_t image_size, patch_size;       /* of a square view of three colours, in pixels */
    enum activation activation;
    double norm_eps;
    int64_t feature_layer;                /* 0: the features are what goes into the first layer; -1: what comes out of the last */
    int64_t used_layers;                  /* that run, by that */
    bool keeps_class;                     /* the class token is a feature, the first */
    enum activation projector_activation;
    bool projector_bias;
    bool tiled;                           /* LLaVA-NeXT: a picture is one whole view, and tiles */
    int32_t image_token;                  /* that stands for a feature in a prompt's ids; -1: there is none */
    char tower[512];                      /* mm_vision_tower: the name or folder of the CLIP model whose tower this is; "" : not said */
} vision_config;

/* Whether the model sees at all. */
bool vision_config_is(const json_t *json);

/* Reads a parsed config.json; `name` is what errors call it. A tower, projector or strategy that is not built in: ERROR_UNSUPPORTED. */
int vision_config_read(const json_t *json, const char *name, vision_config *out, error *err);

/* Takes the tower's sizes from the config.json of the CLIP model that c->tower names. */
int vision_config_read_tower(const json_t *json, const char *name, vision_config *c, error *err);

/* Features of one view: its patches, and the class token where that is kept. */
int64_t vision_config_features(const vision_config *c);

#endif
