#include "engine/angles.h"

#include <stdlib.h>

#include "base/memory.h"
#include "model/rope.h"

void angles_open(angles *a, const rope_config *rope)
{
    *a = (angles){.rope = rope, .half = rope->dims / 2};
    a->frequency = memory_new((size_t)a->half, sizeof *a->frequency);
    a->factor = rope_frequencies(rope, 0, a->frequency);
}

void angles_close(angles *a)
{
    free(a->frequency);
    free(a->cosine);
    free(a->sine);
    *a = (angles){0};
}

bool angles_are_dynamic(const angles *a)
{
    return a->rope->kind == ROPE_DYNAMIC;
}

static void reserve(angles *a, int64_t positions)
{
    if (positions <= a->positions)
        return;
    a->cosine = memory_grow(a->cosine, (size_t)(positions * a->half), sizeof *a->cosine);
    a->sine = memory_grow(a->sine, (size_t)(positions * a->half), sizeof *a->sine);
    a->positions = positions;
}

void angles_grow(angles *a, int64_t positions)
{
    int64_t old = a->positions;
    reserve(a, positions);
    for (int64_t i = old; i < a->positions; i++)
        rope_rotate(a->frequency, a->factor, a->half, i, a->cosine + i * a->half, a->sine + i * a->half);
}

void angles_of_rows(angles *a, const int64_t *position, const int64_t *length, int64_t rows)
{
    int64_t known = -1;
    reserve(a, rows);
    for (int64_t i = 0; i < rows; i++) {
        if (length[i] != known)
            a->factor = rope_frequencies(a->rope, length[i], a->frequency);
        known = length[i];
        rope_rotate(a->frequency, a->factor, a->half, position[i], a->cosine + i * a->half, a->sine + i * a->half);
    }
}
