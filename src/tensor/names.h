/* What the names of a checkpoint's tensors tell: where its numbered layers are.
 *
 *     tensor_names *n = names_read(checkpoint, NULL);
 *     const tensor_family *main = names_main(n);                 // "model.layers." with 32 layers; NULL: no numbered layers
 *     int64_t layer;
 *     const char *rest;
 *     const tensor_family *f = names_layer(n, "model.layers.3.mlp.up_proj.weight", &layer, &rest);   // 3, "mlp.up_proj.weight"
 *     names_free(n);
 *
 * A family of layers is a name up to its first number, where what stands before the number is called layers, layer, h, blocks or
 * block. The main one has the most bytes of those that are not a vision tower's: of a model that also sees, the language model's. A UNet's
 * blocks, which differ from each other, are no family. */
#ifndef TENSOR_NAMES_H
#define TENSOR_NAMES_H

#include "tensor/checkpoint.h"

typedef struct tensor_family {
    char *prefix;          /* "model.layers."; owned */
    int64_t layers;        /* largest number + 1 */
    uint64_t bytes;
} tensor_family;

typedef struct tensor_names tensor_names;

/* prefix: of the main family, where the names do not tell it ("down_blocks."); NULL: found. */
tensor_names *names_read(const checkpoint *c, const char *prefix);
void names_free(tensor_names *n);

const tensor_family *names_main(const tensor_names *n);
const tensor_family *names_layer(const tensor_names *n, const char *name, int64_t *layer, const char **rest);   /* NULL: outside the layers */
size_t names_families(const tensor_names *n, const tensor_family **families);   /* [count] in order of prefix */

/* "model." of "model.layers.": what the tensors around the main family begin with; borrowed, length into *n. "" without layers. */
const char *names_stem(const tensor_names *n, size_t *length);
size_t names_stem_of(const char *prefix);   /* its length in a family's prefix */

/* Which part of a model that also sees a tensor belongs to. Of a model that only sees, nothing is NAMES_LANGUAGE but what is named otherwise. */
enum names_part { NAMES_LANGUAGE, NAMES_VISION, NAMES_PROJECTOR };     /* the projector's: image_newline too */
enum names_part names_part_of(const char *name);
bool names_sees(const checkpoint *c);                                  /* whether any of its tensors is of the eyes */
bool names_has_part(const char *name, const char *part);               /* whether `part` is a run of whole components of the name */

/* Whether a tensor has a row for every word: token embeddings and language-model heads. */
bool names_is_vocabulary(const char *name);
bool names_is_head(const char *name);

/* The token embeddings and the head, by the ends of their names; NULL: none. */
const checkpoint_item *names_embedding(const checkpoint *c);
const checkpoint_item *names_head(const checkpoint *c);

#endif
