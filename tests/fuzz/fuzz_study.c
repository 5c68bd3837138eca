/* Study files from strangers. */
#include <stdint.h>

#include "study/study_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    error err;
    study_file_free(study_file_parse((const char *)data, size, "input", &err));
    return 0;
}
