/* What the tests of image share. */
#ifndef TESTS_UNIT_IMAGE_CHECK_H
#define TESTS_UNIT_IMAGE_CHECK_H

#include "../base/check.h"
#include "image/image.h"

#define PICTURES SOURCE_DIR "/tests/goldens/golden/pictures"

static inline uint8_t *read_bytes(const char *name, size_t *n)
{
    error err;
    char *path = file_join(PICTURES, name), *bytes = file_read(path, 1 << 20, n, &err);
    assert_non_null(bytes);
    free(path);
    return (uint8_t *)bytes;
}

static inline void put_32(uint8_t *at, uint32_t v)
{
    at[0] = (uint8_t)(v >> 24), at[1] = (uint8_t)(v >> 16), at[2] = (uint8_t)(v >> 8), at[3] = (uint8_t)v;
}

/* Where a chunk of a PNG begins, at its length. */
static inline size_t find_chunk(const uint8_t *png, size_t n, const char *kind)
{
    for (size_t i = 8; i + 12 <= n; i++)
        if (!memcmp(png + i + 4, kind, 4))
            return i;
    fail_msg("no %s", kind);
    return 0;
}

/* Makes a chunk's checksum right again. */
static inline void mend_chunk(uint8_t *png, size_t at)
{
    uint32_t crc = 0xFFFFFFFFu, length = (uint32_t)png[at] << 24 | (uint32_t)png[at + 1] << 16 | (uint32_t)png[at + 2] << 8 | png[at + 3];
    for (size_t i = at + 4; i < at + 8 + length; i++) {
        crc ^= png[i];
        for (int k = 0; k < 8; k++)
            crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
    }
    put_32(png + at + 8 + length, ~crc);
}

#endif
