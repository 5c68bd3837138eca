/* A prompt with its pictures in: ids with one for every row of features, and the rows.
 *
 *     shown s = {0};
 *     shown_make(&s, store, paths, n, FEATURES_AS_CONFIGURED, &marked, token, err);      // marked: of picture_encode
 *     request r = {.ids = s.ids.id, .n_ids = s.ids.count, .pictures = s.pictures, .n_pictures = s.n};
 *     shown_free(&s);
 */
#ifndef TASK_SHOWN_H
#define TASK_SHOWN_H

#include "engine/engine.h"
#include "engine/feature_store.h"
#include "text/tokenizer.h"

typedef struct shown {
    token_list ids;
    request_picture *pictures; int n;      /* owned; their rows are the store's */
} shown;

/* paths [n]: as many as `marked` has PICTURE_PLACE. token: the id that stands for every feature. */
int shown_make(shown *out, feature_store *store, const char *const *paths, int n, enum feature_views views, const token_list *marked, int32_t token, error *err);
void shown_free(shown *s);

#endif
