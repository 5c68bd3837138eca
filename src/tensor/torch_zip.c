#include "tensor/torch_zip.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tensor/pickle.h"
#include "tensor/safetensors.h"
#include "tensor/strided.h"
#include "tensor/zip.h"

/* Tied weights share a storage. More sharing than this is a small file that asks for much memory. */
#define MAX_SHARING 64u
#define MAX_KEY 64u

struct torch_file {
    buffer *file;
    const char *path;
    zip_archive zip;
    char *prefix;          /* "archive/": the folder that all entries lie in; owned */
};

bool torch_zip_is(const buffer *file)
{
    return zip_is(file);
}

static const zip_entry *find_entry(const struct torch_file *f, const char *name)
{
    char *path = memory_print("%s%s", f->prefix, name);
    const zip_entry *e = zip_find(&f->zip, path);
    free(path);
    return e;
}

static int find_prefix(struct torch_file *f, error *err)
{
    static const char tail[] = "/data.pkl";
    const size_t n = sizeof tail - 1;
    for (size_t i = 0; i < f->zip.count; i++) {
        const zip_entry *e = &f->zip.entries[i];
        if (e->name_bytes <= n || memcmp(e->name + e->name_bytes - n, tail, n) != 0 || memchr(e->name, '\0', e->name_bytes))
            continue;
        if (f->prefix)
            return fail(err, ERROR_FORMAT, "%s: holds more than one data.pkl ('%sdata.pkl' and '%.*s')", f->path, f->prefix, (int)e->name_bytes, e->name);
        f->prefix = memory_text_n(e->name, e->name_bytes - n + 1);
    }
    return f->prefix ? 0 : fail(err, ERROR_UNSUPPORTED, "%s: is a zip archive without a data.pkl, not a checkpoint that torch.save wrote", f->path);
}

static int check_byte_order(const struct torch_file *f, error *err)
{
    const zip_entry *e = find_entry(f, "byteorder");
    if (!e || (e->bytes == 6 && memcmp(e->data, "little", 6) == 0))
        return 0;
    return fail(err, ERROR_UNSUPPORTED, "%s: its byte order is '%.*s', not little", f->path, (int)(e->bytes < 20 ? e->bytes : 20), (const char *)e->data);
}

static const zip_entry *find_storage(const struct torch_file *f, const pickle_item *item, error *err)
{
    const pickle_tensor *t = &item->tensor;
    if (t->key_bytes > MAX_KEY || memchr(t->key, '\0', t->key_bytes)) {
        fail(err, ERROR_FORMAT, "%s: '%s' lies in a storage with a name of %zu bytes", f->path, item->name, t->key_bytes);
        return NULL;
    }
    char *name = memory_print("data/%.*s", (int)t->key_bytes, t->key);
    const zip_entry *e = find_entry(f, name);
    if (!e)
        fail(err, ERROR_FORMAT, "%s: '%s' lies in the storage '%s', which is not in the archive", f->path, item->name, name);
    else if (t->storage_bytes > e->bytes)
        fail(err, ERROR_FORMAT, "%s: '%s' lies in the storage '%s' of %llu bytes, the archive has %zu of them", f->path, item->name, name,
             (unsigned long long)t->storage_bytes, e->bytes);
    free(name);
    return e && t->storage_bytes <= e->bytes ? e : NULL;
}

/* One past the last element that the strides reach, 0 where there are no elements; -1 on overflow. */
static int reach(const pickle_tensor *t, uint64_t *end)
{
    *end = t->offset;
    for (int i = 0; i < t->rank; i++) {
        uint64_t span;
        if (t->shape[i] == 0) {
            *end = 0;
            return 0;
        }
        if (__builtin_mul_overflow((uint64_t)t->shape[i] - 1, (uint64_t)t->stride[i], &span) || __builtin_add_overflow(*end, span, end))
            return -1;
    }
    return __builtin_add_overflow(*end, 1, end) ? -1 : 0;
}

static int check_bounds(const struct torch_file *f, const pickle_item *item, const tensor *t, error *err)
{
    uint64_t elements = item->tensor.storage_bytes / dtype_size(t->dtype), end;
    char shape[128];
    if (reach(&item->tensor, &end) != 0 || end > elements)
        return fail(err, ERROR_FORMAT, "%s: '%s' %s reaches outside its storage of %llu elements (it begins at element %llu)", f->path, item->name,
                    tensor_shape_text(t, shape), (unsigned long long)elements, (unsigned long long)item->tensor.offset);
    if ((uint64_t)tensor_count(t) > elements)
        return fail(err, ERROR_FORMAT, "%s: '%s' %s has more elements than its storage (%llu): it was expanded, and has to be saved as it is", f->path,
                    item->name, tensor_shape_text(t, shape), (unsigned long long)elements);
    return 0;
}

static int add_tensor(checkpoint *c, const struct torch_file *f, const pickle_item *item, checkpoint_item *out, error *err)
{
    const pickle_tensor *p = &item->tensor;
    tensor *t = &out->tensor;
    *t = (tensor){.owner = f->file, .dtype = p->dtype, .rank = p->rank};
    memcpy(t->shape, p->shape, sizeof t->shape);
    const zip_entry *e = find_storage(f, item, err);
    if (!e || safetensors_check_name(item->name, f->path, err) != 0 || check_bounds(f, item, t, err) != 0)
        return -1;
    const unsigned char *first = tensor_count(t) ? e->data + (size_t)p->offset * dtype_size(t->dtype) : e->data;
    if (strided_is_contiguous(t, p->stride))
        t->data = (void *)first;
    else
        checkpoint_add_maker(c, strided_new(t, first, p->stride));
    out->name = memory_text(item->name);
    return 0;
}

static int add_tensors(checkpoint *c, const struct torch_file *f, const pickle_item *items, size_t count, error *err)
{
    uint64_t total = 0, limit = (uint64_t)buffer_size(f->file) * MAX_SHARING;
    size_t added = 0;
    c->items = memory_grow(c->items, c->count + count, sizeof *c->items);
    for (; added < count; added++) {
        checkpoint_item *out = &c->items[c->count + added];
        if (add_tensor(c, f, &items[added], out, err) != 0)
            break;
        total += tensor_bytes(&out->tensor);
        if (total > limit) {
            free(out->name);
            fail(err, ERROR_LIMIT, "%s: the tensors share their storages until they take more than %u times the file's %zu bytes", f->path, MAX_SHARING,
                 buffer_size(f->file));
            break;
        }
    }
    if (added == count) {
        c->count += count;
        return 0;
    }
    while (added)
        free(c->items[c->count + --added].name);
    return -1;
}

int torch_zip_parse(checkpoint *c, buffer *file, const char *path, error *err)
{
    struct torch_file f = {.file = file, .path = path};
    pickle_item *items = NULL;
    size_t count = 0;
    int status = -1;
    if (zip_read(file, path, &f.zip, err) != 0)
        return -1;
    if (find_prefix(&f, err) != 0 || check_byte_order(&f, err) != 0)
        goto done;
    const zip_entry *pickle = find_entry(&f, "data.pkl");
    if (pickle_read(pickle->data, pickle->bytes, path, &items, &count, err) == 0 && add_tensors(c, &f, items, count, err) == 0)
        status = buffer_check(file, err);
done:
    pickle_free(items, count);
    zip_free(&f.zip);
    free(f.prefix);
    return status;
}

size_t torch_zip_directory(const buffer *file, const void **bytes)
{
    zip_archive z;
    *bytes = buffer_bytes(file);
    if (zip_read(file, "", &z, NULL) != 0)
        return buffer_size(file);
    size_t begin = z.directory;
    zip_free(&z);
    *bytes = (const char *)buffer_bytes(file) + begin;
    return buffer_size(file) - begin;
}
