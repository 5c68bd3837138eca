/* A vision tower and the projector behind it, bound to a checkpoint's tensors: what turns a picture's pixels into rows that stand where a
 * prompt's embeddings do (engine/features.h runs it).
 *
 *     tower *t = tower_build(checkpoint, hidden size of the language model, err);
 *     tower_free(t);
 *
 * Names: "...embeddings.class_embedding" and the like behind any prefix, and multi_modal_projector.linear_1 or mm_projector.0. Where the
 * checkpoint has no tower but its config.json names one (LLaVA 1.5 of its authors), it is read from that folder.
 * Matrices point at the stored bytes; the checkpoint must outlive the tower. */
#ifndef MODEL_TOWER_H
#define MODEL_TOWER_H

#include "model/plan.h"
#include "model/vision_config.h"

typedef struct tower_layer {
    plan_norm norm, mlp_norm;                      /* LayerNorm, [hidden] */
    matrix q, k, v, o, up, down;
    plan_vector q_bias, k_bias, v_bias, o_bias, up_bias, down_bias;
} tower_layer;

typedef struct tower {
    vision_config config;
    int64_t width;                                 /* of the features: the language model's hidden size */
    matrix patch;                                  /* [hidden][3 * patch * patch], as a convolution's weight is stored */
    plan_vector class_token;                       /* [hidden] */
    plan_vector positions;                         /* [1 + patches of a view][hidden], the class token's first */
    plan_norm first_norm;
    tower_layer *layers;                           /* [config.used_layers], owned */
    matrix projector[2];                           /* [width][hidden], [width][width] */
    plan_vector projector_bias[2];
    plan_vector newline;                           /* [width] behind each row of tiles' features; no source: there is none */
    checkpoint *own;                               /* the folder that config.tower names; owned; NULL: the tower is in the model's checkpoint */
} tower;

tower *tower_build(const checkpoint *c, error *err);
void tower_free(tower *t);

/* A digest of everything that decides what features a picture gets but the pixels: of every tensor its shape and a sample of its bytes, and
 * the settings. Hexadecimal SHA-256. */
void tower_digest(const tower *t, char hex[65]);

#endif
