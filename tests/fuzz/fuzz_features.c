/* A file of a picture's features from a stranger: what is accepted lies within its bytes. */
#include <stdint.h>
#include <stdlib.h>

#include "engine/feature_store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    error err;
    feature_rows rows;
    if (feature_file_read(data, size, "x.features", &rows, &err) == 0) {
        const uint8_t *last = (const uint8_t *)(rows.rows + rows.n * rows.width);
        if (last != data + size || rows.n < 1 || rows.width < 1)
            abort();
    }
    return 0;
}
