#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "tensor/checkpoint.h"
#include "tensor/gguf.h"
#include "tensor/safetensors.h"
#include "tensor/torch_zip.h"

#define SAMPLES 64u
#define SAMPLE ((size_t)4096)
#define CHUNK ((size_t)16 << 20)

/* Every part is preceded by its length: no two models give the same stream of bytes. */
static void add(EVP_MD_CTX *hash, const void *bytes, size_t n)
{
    unsigned char length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)n >> 8 * i);
    EVP_DigestUpdate(hash, length, 8);
    EVP_DigestUpdate(hash, bytes, n);
}

/* Memory beside files holds what was computed from them, and says nothing of its own. */
static bool from_disk(const checkpoint *c)
{
    for (size_t i = 0; i < c->n_buffers; i++)
        if (buffer_is_mapped(c->buffers[i]))
            return true;
    return false;
}

static int add_config(EVP_MD_CTX *hash, const checkpoint *c, error *err)
{
    char *path = c->folder && from_disk(c) ? file_join(c->folder, "config.json") : NULL;
    char *text = NULL;
    size_t n = 0;
    int status = 0;
    if (path && c->config && file_exists(path))
        text = file_read(path, (size_t)256 << 20, &n, err);
    else
        text = json_print(json_incref(c->config), -1), n = strlen(text);
    if (text)
        add(hash, text, n);
    else
        status = -1;
    free(text);
    free(path);
    return status;
}

/* A checkpoint in memory has no headers: names, dtypes and shapes stand for them. */
static void add_names(EVP_MD_CTX *hash, const checkpoint *c)
{
    for (size_t i = 0; i < c->count; i++) {
        const tensor *t = &c->items[i].tensor;
        add(hash, c->items[i].name, strlen(c->items[i].name));
        add(hash, dtype_name(t->dtype), strlen(dtype_name(t->dtype)));
        add(hash, t->shape, (size_t)t->rank * sizeof *t->shape);
    }
}

static void add_whole(EVP_MD_CTX *hash, const buffer *b)
{
    size_t size = buffer_size(b);
    for (size_t begin = 0; begin < size; begin += CHUNK) {
        size_t end = size - begin < CHUNK ? size : begin + CHUNK;
        EVP_DigestUpdate(hash, (const char *)buffer_bytes(b) + begin, end - begin);
        buffer_release_pages(b, begin, end);
    }
}

/* The part of a file that says what it holds. */
static const void *directory(const buffer *b, size_t *n)
{
    const void *bytes = buffer_bytes(b);
    bool is_gguf = buffer_size(b) >= 4 && memcmp(bytes, GGUF_MAGIC, 4) == 0;
    gguf *g = is_gguf ? gguf_parse((buffer *)b, "the file", NULL) : NULL;
    if (torch_zip_is(b))
        *n = torch_zip_directory(b, &bytes);
    else
        *n = g ? g->header_bytes : safetensors_header_bytes(b);
    gguf_free(g);
    return bytes;
}

static void add_samples(EVP_MD_CTX *hash, const buffer *b)
{
    const char *bytes = buffer_bytes(b);
    size_t size = buffer_size(b);
    if (buffer_is_mapped(b)) {
        size_t n;
        const void *head = directory(b, &n);
        add(hash, head, n);
    }
    if (size <= SAMPLES * SAMPLE) {
        add(hash, bytes, size);
        return;
    }
    size_t last = size - SAMPLE, step = last / (SAMPLES - 1), rest = last % (SAMPLES - 1);
    for (size_t i = 0; i < SAMPLES; i++)
        add(hash, bytes + step * i + rest * i / (SAMPLES - 1), SAMPLE);
}

static int digest(const checkpoint *c, bool whole, char hex[65], error *err)
{
    unsigned char sum[EVP_MAX_MD_SIZE] = {0};
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    int status = -1;
    if (!hash || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1) {
        fail(err, ERROR_MEMORY, "%s: no SHA-256", c->name);
        goto done;
    }
    add(hash, whole ? "full" : "sampled", whole ? 4 : 7);
    if (add_config(hash, c, err) != 0)
        goto done;
    if (!from_disk(c))
        add_names(hash, c);
    for (size_t i = 0; i < c->n_buffers; i++) {
        if (from_disk(c) && !buffer_is_mapped(c->buffers[i]))
            continue;
        uint64_t size = buffer_size(c->buffers[i]);
        add(hash, &size, sizeof size);
        if (whole)
            add_whole(hash, c->buffers[i]);
        else
            add_samples(hash, c->buffers[i]);
    }
    EVP_DigestFinal_ex(hash, sum, NULL);
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
    status = checkpoint_check(c, err);
done:
    EVP_MD_CTX_free(hash);
    return status;
}

int checkpoint_digest_sampled(const checkpoint *c, char hex[65], error *err)
{
    return digest(c, false, hex, err);
}

int checkpoint_digest_full(const checkpoint *c, char hex[65], error *err)
{
    return digest(c, true, hex, err);
}
