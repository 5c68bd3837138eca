/* Zip archives as PyTorch writes them: entries stored as they are (never compressed), zip64 where they are large. */
#ifndef TENSOR_ZIP_H
#define TENSOR_ZIP_H

#include "base/error.h"
#include "tensor/tensor.h"

typedef struct zip_entry {
    const char *name;             /* [name_bytes] in the file, no NUL behind it */
    size_t name_bytes;
    const unsigned char *data;    /* [bytes] in the file */
    size_t bytes;
} zip_entry;

typedef struct zip_archive {
    zip_entry *entries;           /* [count] sorted by name; owned */
    size_t count;
    size_t directory;             /* where the central directory begins: it and what follows list every entry with its CRC */
} zip_archive;

bool zip_is(const buffer *file);  /* by its first bytes */

/* Entries view `file`. Compressed, encrypted, overlapping and duplicate entries are refused, and so is whatever does not lie inside the file. */
int zip_read(const buffer *file, const char *path, zip_archive *out, error *err);
void zip_free(zip_archive *z);
const zip_entry *zip_find(const zip_archive *z, const char *name);   /* NULL when absent */

#endif
