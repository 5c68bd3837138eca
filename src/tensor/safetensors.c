#include "tensor/safetensors.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

#define MAX_HEADER 100000000u
#define MAX_TENSORS 1000000u
#define MAX_NAME 1024
/* Values of the header's JSON: each costs some 50 bytes while it is read, so this bounds the memory a hostile header takes. */
#define MAX_VALUES (16u * MAX_TENSORS)
#define HEADER_DEPTH 3

struct span {
    uint64_t begin, end;
    const char *name;
};

static uint64_t header_length(const unsigned char *bytes)
{
    uint64_t n = 0;
    for (int i = 7; i >= 0; i--)
        n = n << 8 | bytes[i];
    return n;
}

/* What people hand over in place of a safetensors file, told by its first bytes. */
static int refuse_other_formats(const unsigned char *bytes, size_t size, const char *path, error *err)
{
    static const char lfs[] = "version https://git-lfs";
    if (size >= sizeof lfs - 1 && memcmp(bytes, lfs, sizeof lfs - 1) == 0)
        return fail(err, ERROR_FORMAT, "%s: is a Git LFS pointer of %zu bytes, not the weights themselves; fetch them with `git lfs pull`",
                    path, size);
    if (size >= 4 && memcmp(bytes, "GGUF", 4) == 0)
        return fail(err, ERROR_UNSUPPORTED, "%s: is a GGUF file, not a shard; name it alone", path);
    bool pickle = size >= 2 && bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5 && (size < 8 || header_length(bytes) > MAX_HEADER);
    if (pickle)
        return fail(err, ERROR_UNSUPPORTED, "%s: is a PyTorch pickle from before 1.6, which can run code when it is read, and is not opened; "
                    "convert it to safetensors (save_pretrained does)", path);
    return 0;
}

/* Limits that hold before a tree is built of the header: depth and number of values and of entries. Strings are skipped. */
static int scan_header(const char *text, size_t n, const char *path, error *err)
{
    size_t values = 0, entries = 0;
    int depth = 0;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        if (c == '"') {
            for (i++; i < n && text[i] != '"'; i++)
                i += text[i] == '\\';
        } else if (c == '{' || c == '[') {
            values++;
            if (++depth > HEADER_DEPTH)
                return fail(err, ERROR_FORMAT, "%s: header nested deeper than %d levels at byte %zu", path, HEADER_DEPTH, 8 + i);
            entries += depth == 2;
        } else if (c == '}' || c == ']') {
            depth--;
        } else if (c == ',') {
            values++;
        }
        if (values > MAX_VALUES)
            return fail(err, ERROR_LIMIT, "%s: header holds more than the limit of %u values", path, MAX_VALUES);
        if (entries > MAX_TENSORS + 1)     /* one may be __metadata__ */
            return fail(err, ERROR_LIMIT, "%s: header holds more than the limit of %u tensors", path, MAX_TENSORS);
    }
    return 0;
}

int safetensors_check_name(const char *name, const char *path, error *err)
{
    size_t n = strlen(name);
    if (n == 0)
        return fail(err, ERROR_FORMAT, "%s: a tensor's name is empty", path);
    if (n > MAX_NAME)
        return fail(err, ERROR_FORMAT, "%s: the tensor name '%.40s...' has %zu bytes, more than the limit of %d", path, name, n, MAX_NAME);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return fail(err, ERROR_FORMAT, "%s: the tensor name '%s' holds the control character %d at byte %zu", path, name, name[i], i);
    if (name[0] == '/' || strncmp(name, "../", 3) == 0 || strstr(name, "/../"))
        return fail(err, ERROR_FORMAT, "%s: the tensor name '%s' is a path", path, name);
    return 0;
}

static int check_metadata(const json_t *metadata, const char *path, error *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(metadata))
        return fail(err, ERROR_FORMAT, "%s: '__metadata__' should be an object", path);
    json_object_foreach((json_t *)metadata, key, value)
        if (!json_is_string(value))
            return fail(err, ERROR_FORMAT, "%s: '__metadata__' entry '%.200s' should be a string", path, key);
    return 0;
}

static int read_shape(const json_t *shape, const char *name, const char *path, tensor *t, error *err)
{
    if (!json_is_array(shape))
        return fail(err, ERROR_FORMAT, "%s: '%s' has no shape", path, name);
    size_t rank = json_array_size(shape);
    if (rank > TENSOR_MAX_RANK)
        return fail(err, ERROR_FORMAT, "%s: '%s' has %zu dimensions, more than the limit of %d", path, name, rank, TENSOR_MAX_RANK);
    t->rank = (int)rank;
    /* The product of the dimensions that are not zero must fit: views multiply some of them only. */
    int64_t product = (int64_t)dtype_size(t->dtype);
    for (size_t i = 0; i < rank; i++) {
        const json_t *dim = json_array_get(shape, i);
        if (!json_is_integer(dim))
            return fail(err, ERROR_FORMAT, "%s: '%s' has a dimension %zu that is not a whole number", path, name, i);
        int64_t d = json_integer_value(dim);
        if (d < 0)
            return fail(err, ERROR_FORMAT, "%s: '%s' has a dimension of %lld", path, name, (long long)d);
        if (d > 0 && __builtin_mul_overflow(product, d, &product))
            return fail(err, ERROR_FORMAT, "%s: '%s' has a shape whose size overflows at dimension %zu (%lld)", path, name, i, (long long)d);
        t->shape[i] = d;
    }
    return 0;
}

static int read_offset(const json_t *offsets, size_t i, const char *name, const char *path, uint64_t *out, error *err)
{
    const json_t *value = json_array_get(offsets, i);
    if (json_is_real(value))
        return fail(err, ERROR_FORMAT, "%s: '%s' has the data offset %g, which is not a whole number", path, name, json_real_value(value));
    if (!json_is_integer(value))
        return fail(err, ERROR_FORMAT, "%s: '%s' has a data offset that is not a number", path, name);
    if (json_integer_value(value) < 0)
        return fail(err, ERROR_FORMAT, "%s: '%s' has the data offset %lld", path, name, (long long)json_integer_value(value));
    *out = (uint64_t)json_integer_value(value);
    return 0;
}

static int read_entry(const json_t *entry, const char *name, const char *path, size_t data_bytes, tensor *t, struct span *span, error *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(entry))
        return fail(err, ERROR_FORMAT, "%s: '%s' should be an object with dtype, shape and data_offsets", path, name);
    json_object_foreach((json_t *)entry, key, value)
        if (strcmp(key, "dtype") != 0 && strcmp(key, "shape") != 0 && strcmp(key, "data_offsets") != 0)
            return fail(err, ERROR_FORMAT, "%s: '%s' has the unknown key '%.100s'", path, name, key);
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    if (!dtype)
        return fail(err, ERROR_FORMAT, "%s: '%s' has no dtype", path, name);
    int d = 0;
    while (d < DTYPE_COUNT && strcmp(dtype, dtype_name((enum dtype)d)) != 0)
        d++;
    if (d == DTYPE_COUNT)
        return fail(err, ERROR_UNSUPPORTED, "%s: '%s' has the unknown dtype '%.100s'", path, name, dtype);
    t->dtype = (enum dtype)d;
    if (read_shape(json_object_get(entry, "shape"), name, path, t, err) != 0)
        return -1;
    const json_t *offsets = json_object_get(entry, "data_offsets");
    if (!json_is_array(offsets) || json_array_size(offsets) != 2)
        return fail(err, ERROR_FORMAT, "%s: '%s' should have two data_offsets, has %zu", path, name, json_array_size(offsets));
    if (read_offset(offsets, 0, name, path, &span->begin, err) != 0 || read_offset(offsets, 1, name, path, &span->end, err) != 0)
        return -1;
    if (span->begin > span->end || span->end > data_bytes)
        return fail(err, ERROR_FORMAT, "%s: '%s' spans [%llu, %llu) of %zu bytes of data", path, name, (unsigned long long)span->begin,
                    (unsigned long long)span->end, data_bytes);
    if (span->end - span->begin != tensor_bytes(t)) {
        char shape[128];
        return fail(err, ERROR_FORMAT, "%s: '%s' is %s of %s and needs %zu bytes, its offsets span %llu", path, name, dtype,
                    tensor_shape_text(t, shape), tensor_bytes(t), (unsigned long long)(span->end - span->begin));
    }
    span->name = name;
    return 0;
}

static int by_begin(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/* Every byte of the data belongs to exactly one tensor. */
static int check_spans(struct span *spans, size_t n, size_t data_bytes, const char *path, error *err)
{
    uint64_t at = 0;
    if (n)
        qsort(spans, n, sizeof *spans, by_begin);
    for (size_t i = 0; i < n; i++) {
        if (spans[i].begin < at)
            return fail(err, ERROR_FORMAT, "%s: '%s' begins at byte %llu, inside '%s', which ends at %llu", path, spans[i].name,
                        (unsigned long long)spans[i].begin, spans[i - 1].name, (unsigned long long)at);
        if (spans[i].begin > at)
            return fail(err, ERROR_FORMAT, "%s: a gap of %llu bytes before '%s', which begins at byte %llu", path,
                        (unsigned long long)(spans[i].begin - at), spans[i].name, (unsigned long long)spans[i].begin);
        at = spans[i].end;
    }
    if (at != data_bytes)
        return fail(err, ERROR_FORMAT, "%s: %llu bytes behind the last tensor, which ends at %llu of %zu", path,
                    (unsigned long long)(data_bytes - at), (unsigned long long)at, data_bytes);
    return 0;
}

static int read_tensors(buffer *file, json_t *header, size_t data_begin, const char *path, checkpoint_item *out, size_t *n, error *err)
{
    size_t data_bytes = buffer_size(file) - data_begin;
    struct span *spans = memory_new(json_object_size(header), sizeof *spans);
    const char *name;
    json_t *entry;
    int status = 0;
    *n = 0;
    json_object_foreach(header, name, entry) {
        if (strcmp(name, "__metadata__") == 0) {
            status = check_metadata(entry, path, err);
        } else {
            tensor *t = &out[*n].tensor;
            status = safetensors_check_name(name, path, err);
            if (status == 0)
                status = read_entry(entry, name, path, data_bytes, t, &spans[*n], err);
            if (status == 0) {
                t->owner = file;
                t->data = (char *)buffer_bytes(file) + data_begin + spans[*n].begin;
                out[*n].name = memory_text(name);
                ++*n;
            }
        }
        if (status != 0)
            break;
    }
    if (status == 0)
        status = check_spans(spans, *n, data_bytes, path, err);
    free(spans);
    return status;
}

int safetensors_parse(buffer *file, const char *path, checkpoint_item **items, size_t *count, error *err)
{
    const unsigned char *bytes = buffer_bytes(file);
    size_t size = buffer_size(file), n = 0;
    if (refuse_other_formats(bytes, size, path, err) != 0)
        return -1;
    if (size < 8)
        return fail(err, ERROR_FORMAT, "%s: %zu bytes, too short for a safetensors file", path, size);
    uint64_t length = header_length(bytes);
    if (length > MAX_HEADER)
        return fail(err, ERROR_FORMAT, "%s: a header of %llu bytes, more than the limit of %u (not a safetensors file?)", path,
                    (unsigned long long)length, MAX_HEADER);
    if (length > size - 8)
        return fail(err, ERROR_FORMAT, "%s: a header of %llu bytes in a file of %zu; the file was cut short", path,
                    (unsigned long long)length, size);
    const char *text = (const char *)bytes + 8;
    if (scan_header(text, length, path, err) != 0)
        return -1;
    json_t *header = json_parse(text, length, path, err);
    if (!header)
        return -1;
    int status = -1;
    if (!json_is_object(header)) {
        fail(err, ERROR_FORMAT, "%s: the header should be a JSON object", path);
        goto done;
    }
    size_t wanted = json_object_size(header);
    if (wanted > MAX_TENSORS || *count > MAX_TENSORS - wanted) {
        fail(err, ERROR_LIMIT, "%s: %zu tensors, more than the limit of %u", path, *count + wanted, MAX_TENSORS);
        goto done;
    }
    *items = memory_grow(*items, *count + wanted, sizeof **items);
    memset(*items + *count, 0, wanted * sizeof **items);
    status = read_tensors(file, header, 8 + length, path, *items + *count, &n, err);
    if (status == 0)
        status = buffer_check(file, err);
    if (status == 0)
        *count += n;
    else
        while (n)
            free((*items)[*count + --n].name);
done:
    json_decref(header);
    return status;
}

size_t safetensors_header_bytes(const buffer *file)
{
    if (buffer_size(file) < 8)
        return buffer_size(file);
    uint64_t length = header_length(buffer_bytes(file));
    return length > buffer_size(file) - 8 ? buffer_size(file) : 8 + (size_t)length;
}

static char *header_text(const checkpoint_item *items, size_t count, size_t *n)
{
    string s = {0};
    uint64_t at = 0;
    string_puts(&s, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (size_t i = 0; i < count; i++) {
        const tensor *t = &items[i].tensor;
        char *name = json_print(json_stringn_nocheck(items[i].name, strlen(items[i].name)), -1);
        string_print(&s, ",%s:{\"dtype\":\"%s\",\"shape\":[", name, dtype_name(t->dtype));
        free(name);
        for (int k = 0; k < t->rank; k++)
            string_print(&s, "%s%lld", k ? "," : "", (long long)t->shape[k]);
        string_print(&s, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)at, (unsigned long long)(at + tensor_bytes(t)));
        at += tensor_bytes(t);
    }
    string_puts(&s, "}");
    while (s.length % 8)
        string_puts(&s, " ");
    *n = s.length;
    return s.text;
}

char *safetensors_header(const char *path, const checkpoint_item *items, size_t count, size_t *n, error *err)
{
    size_t length;
    char *text = header_text(items, count, &length), *header = NULL;
    if (count > MAX_TENSORS || length > MAX_HEADER) {
        fail(err, ERROR_LIMIT, "%s: %zu tensors need a header of %zu bytes, more than the format allows", path, count, length);
    } else {
        *n = length + 8;
        header = memory_new(*n, 1);
        for (int i = 0; i < 8; i++)
            header[i] = (char)((uint64_t)length >> 8 * i);
        memcpy(header + 8, text, length);
    }
    free(text);
    return header;
}
