#include "task/shown.h"

#include <stdlib.h>

#include "base/memory.h"
#include "task/picture.h"

int shown_make(shown *out, feature_store *store, const char *const *paths, int n, enum feature_views views, const token_list *marked, int32_t token, error *err)
{
    *out = (shown){.pictures = memory_new((size_t)n, sizeof *out->pictures)};
    for (size_t i = 0; i < marked->count; i++) {
        if (marked->id[i] != PICTURE_PLACE || out->n == n) {
            token_list_add(&out->ids, marked->id[i]);
            continue;
        }
        const feature_rows *f = feature_store_get(store, paths[out->n], views, err);
        if (!f)
            return -1;
        out->pictures[out->n++] = (request_picture){.rows = f->rows, .first = out->ids.count, .n = (size_t)f->n};
        for (int64_t k = 0; k < f->n; k++)
            token_list_add(&out->ids, token);
    }
    return 0;
}

void shown_free(shown *s)
{
    token_list_free(&s->ids);
    free(s->pictures);
    *s = (shown){0};
}
