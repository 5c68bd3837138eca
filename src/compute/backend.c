#include "compute/backend.h"

#include <string.h>

#include "compute/families.h"

static const backend *const families[] = {
#if defined(__x86_64__)
    &backend_avx512, &backend_avx2,
#endif
    &backend_reference, NULL,
};

const backend *const *backend_all(void)
{
    return families;
}

const backend *backend_best(void)
{
    for (const backend *const *b = families; *b; b++)
        if ((*b)->available())
            return *b;
    return &backend_reference;
}

const backend *backend_find(const char *name, error *err)
{
    char names[128] = "";
    for (const backend *const *b = families; *b; b++) {
        bool available = (*b)->available();
        if (strcmp((*b)->name, name) == 0) {
            if (available)
                return *b;
            fail(err, ERROR_UNSUPPORTED, "this CPU cannot run the kernel family '%s'; choose another with --backend", name);
            return NULL;
        }
        if (available) {
            strcat(names, names[0] ? ", " : "");
            strcat(names, (*b)->name);
        }
    }
    fail(err, ERROR_USAGE, "unknown kernel family '%s'; --backend takes one of: %s", name, names);
    return NULL;
}
