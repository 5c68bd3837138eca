/* The GGUF container: entries of metadata and tensors, as a stranger's file holds them. What they mean to a model is
 * gguf_model.h's matter. Everything is checked here once: what an entry or a tensor points at lies inside the file.
 *
 *     gguf *g = gguf_parse(file, path, err);
 *     const gguf_entry *e = gguf_find(g, "general.architecture");
 *     char *text = gguf_text(e);            // free() it
 *     gguf_free(g);
 *
 * A gguf borrows the buffer: it must not outlive it. */
#ifndef TENSOR_GGUF_H
#define TENSOR_GGUF_H

#include "base/memory.h"
#include "tensor/quant.h"
#include "tensor/tensor.h"

/* The kinds of values, by the numbers that stand in the file. */
enum gguf_kind { GGUF_U8, GGUF_I8, GGUF_U16, GGUF_I16, GGUF_U32, GGUF_I32, GGUF_F32, GGUF_BOOL, GGUF_TEXT, GGUF_ARRAY, GGUF_U64, GGUF_I64,
                 GGUF_F64, GGUF_KINDS };

typedef struct gguf_entry {
    char *key;                    /* owned */
    enum gguf_kind kind;          /* of an array: of its elements, never GGUF_ARRAY */
    bool array;
    uint64_t count;               /* elements; 1 where it is no array */
    const unsigned char *data;    /* [bytes] in the file; texts stand with their length of 8 bytes before them */
    size_t bytes;
} gguf_entry;

typedef struct gguf_tensor {
    char *name;                   /* owned */
    const quant_type *type;
    int rank;
    int64_t shape[TENSOR_MAX_RANK];   /* rows first, the reverse of the file's order */
    const unsigned char *data;    /* [bytes] in the file */
    size_t bytes;
} gguf_tensor;

typedef struct gguf {
    char *path;                   /* what messages call it; owned */
    buffer *file;                 /* borrowed */
    gguf_entry *entries;          /* [n_entries] sorted by key; owned */
    size_t n_entries;
    gguf_tensor *tensors;         /* [n_tensors] in the file's order; owned */
    size_t n_tensors;
    size_t header_bytes;          /* where the tensors' data begins */
} gguf;

bool gguf_is(const char *path);                     /* whether a regular file begins as GGUF files do */
gguf *gguf_parse(buffer *file, const char *path, error *err);
void gguf_free(gguf *g);

const gguf_entry *gguf_find(const gguf *g, const char *key);      /* borrowed; NULL when absent */
char *gguf_text(const gguf_entry *e);                             /* NUL-terminated, free() it; NULL where e is NULL or no single text */
bool gguf_is_text(const gguf_entry *e, const char *text);         /* a single text, this one */

/* Values by key. A missing entry leaves *out as it is and returns 0; one of another kind or outside [low, high] is an error. */
int gguf_want_int(const gguf *g, const char *key, int64_t low, int64_t high, int64_t *out, error *err);
int gguf_want_real(const gguf *g, const char *key, double *out, error *err);
int gguf_want_bool(const gguf *g, const char *key, bool *out, error *err);

/* An array of one kind; *out is NULL where there is none. Another kind is an error. */
int gguf_want_array(const gguf *g, const char *key, enum gguf_kind kind, const gguf_entry **out, error *err);

/* The text at *at, [n] bytes, borrowed; moves *at to the next one. For arrays of texts: begin at e->data. */
const char *gguf_next_text(const unsigned char **at, size_t *n);

/* Writing an entry: appended to *out as it stands in a file. */
void gguf_put_text(string *out, const char *key, const char *text, size_t n);
void gguf_put_u32(string *out, const char *key, uint32_t value);
void gguf_put_f32(string *out, const char *key, float value);
void gguf_put_bool(string *out, const char *key, bool value);
void gguf_put_array(string *out, const char *key, enum gguf_kind kind, uint64_t count, const void *data, size_t bytes);
void gguf_put_entry(string *out, const gguf_entry *e);
void gguf_add_text(string *out, const char *text, size_t n);      /* the length and the text: an element of an array */

#define GGUF_MAGIC "GGUF"
#define GGUF_ALIGNMENT 32u

#endif
