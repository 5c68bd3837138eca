/* Invariants
 * 1. OUT appears complete or not at all: everything is written into OUT.partial, which any failure removes.
 * 2. Memory holds the metadata, and of each thread a block of rows.
 * 3. Nothing that is still read from is written over: neither OUT nor OUT.partial is an input. */
#include "tensor/gguf_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "tensor/gguf_config.h"
#include "tensor/gguf_tokenizer.h"

#define BLOCK ((int64_t)1 << 16)   /* elements that a thread converts at once */

typedef struct output {
    char *name;                /* owned */
    const char *from;          /* the model's name for it; borrowed */
    const tensor *tensor;      /* shape and type; borrowed */
    const quant_type *type;
    int64_t head_rows;         /* rows of a head whose halves are interleaved; 0: none */
    uint64_t bytes, offset;    /* in the file */
} output;

struct gguf_writer {
    const checkpoint *c;
    const char *out;
    char *partial;             /* owned */
    const gguf_architecture *a;
    const quant_type *type;
    json_t *config;            /* owned */
    gguf_sizes sizes;
    float *factors;            /* [1] Llama 3's factors of the rotation, or NULL; owned */
    tensor factors_tensor;
    output *outputs;           /* [n] owned */
    size_t n;
    size_t *place;             /* [c->count] of each item among the outputs, SIZE_MAX: left out; owned */
    int fd;                    /* -1: not begun */
    pthread_mutex_t lock;
    error failure;             /* the first one; under the lock, which nobody holds while he writes */
    atomic_bool failed;
};

/* ---- what is written */

/* Vectors, norms and what is no weight are F32, as ggml wants them; a row that blocks do not fill is F16. */
static const quant_type *type_of(const output *o, const quant_type *wanted)
{
    if (o->tensor->rank < 2 || text_ends_with(o->name, "_norm.weight") || !text_ends_with(o->name, ".weight"))
        return quant_named("F32");
    return o->tensor->shape[o->tensor->rank - 1] % wanted->block == 0 ? wanted : quant_named("F16");
}

static int add_output(gguf_writer *w, const char *from, const tensor *t, char *name, error *err)
{
    output *o = &w->outputs[w->n++];
    *o = (output){.name = name, .from = from, .tensor = t};
    char which = gguf_name_permuted(w->a, from);
    int64_t rows = (which == 'q' ? w->sizes.heads : w->sizes.kv_heads) * w->sizes.head_dim;
    if (!dtype_is_float(t->dtype))
        return fail(err, ERROR_UNSUPPORTED, "%s: '%s' is of %s; a GGUF file of a model holds F32, F16 and BF16", w->c->name, from, dtype_name(t->dtype));
    if (t->rank < 1 || t->rank > 2)
        return fail(err, ERROR_UNSUPPORTED, "%s: '%s' has %d dimensions; vectors and matrices have a place in a GGUF file", w->c->name, from, t->rank);
    if (which && t->shape[0] != rows)
        return fail(err, ERROR_FORMAT, "%s: '%s' should have %lld rows for its heads, has %lld", w->c->name, from, (long long)rows, (long long)t->shape[0]);
    o->head_rows = which ? w->sizes.head_dim : 0;
    o->type = type_of(o, w->type);
    o->bytes = (uint64_t)(tensor_count(t) / o->type->block) * (uint64_t)o->type->bytes;
    return 0;
}

static void add_factors(gguf_writer *w)
{
    w->factors = gguf_rope_factors(w->config, &w->sizes);
    if (!w->factors)
        return;
    w->factors_tensor = (tensor){.data = w->factors, .dtype = DTYPE_F32, .rank = 1, .shape = {w->sizes.head_dim / 2}};
    output *o = &w->outputs[w->n++];
    *o = (output){.name = memory_text("rope_freqs.weight"), .from = "rope_freqs.weight", .tensor = &w->factors_tensor, .type = quant_named("F32")};
    o->bytes = tensor_bytes(&w->factors_tensor);
}

/* A head that is tied to the embeddings is not stored twice; llama.cpp takes the embeddings then. */
static bool is_left_out(const gguf_writer *w, const char *name)
{
    return text_ends_with(name, ".rotary_emb.inv_freq") || (strcmp(name, "lm_head.weight") == 0 && json_is_true(json_object_get(w->config, "tie_word_embeddings")));
}

static int list_outputs(gguf_writer *w, error *err)
{
    w->outputs = memory_new(w->c->count + 1, sizeof *w->outputs);
    w->place = memory_new(w->c->count, sizeof *w->place);
    add_factors(w);
    for (size_t i = 0; i < w->c->count; i++) {
        const checkpoint_item *item = &w->c->items[i];
        w->place[i] = SIZE_MAX;
        if (is_left_out(w, item->name))
            continue;
        w->place[i] = w->n;
        char *name = gguf_name_write(w->a, item->name);
        if (!name)
            return fail(err, ERROR_UNSUPPORTED, "%s: '%s' has no name in a GGUF file of the architecture %s", w->c->name, item->name, w->a->name);
        if (add_output(w, item->name, &item->tensor, name, err) != 0)
            return -1;
    }
    return 0;
}

static const quant_type *main_type(const checkpoint *c)
{
    uint64_t bytes[DTYPE_COUNT] = {0};
    enum dtype most = DTYPE_F32;
    for (size_t i = 0; i < c->count; i++)
        bytes[c->items[i].tensor.dtype] += tensor_bytes(&c->items[i].tensor);
    for (int d = 0; d < DTYPE_COUNT; d++)
        if (dtype_is_float((enum dtype)d) && bytes[d] > bytes[most])
            most = (enum dtype)d;
    return quant_named(dtype_name(most));
}

bool gguf_is_written(const quant_type *type)
{
    return type->known && (!type->read || strcmp(type->name, "Q8_0") == 0);
}

static int prepare(gguf_writer *w, const gguf_options *o, error *err)
{
    const char *type = json_string_value(json_object_get(w->c->config, "model_type"));
    if (!w->c->config || !type)
        return fail(err, ERROR_USAGE, "%s: has no config.json with a model_type, which a GGUF file needs", w->c->name);
    w->a = gguf_architecture_of_type(type);
    if (!w->a)
        return fail(err, ERROR_UNSUPPORTED, "%s: model type '%.60s' has no GGUF names here; known are %s", w->c->name, type, gguf_architecture_list());
    w->type = o->type ? o->type : main_type(w->c);
    if (!gguf_is_written(w->type))
        return fail(err, ERROR_USAGE, "%s: %s is not written; F32, F16, BF16 and Q8_0 are", w->out, w->type->name);
    w->config = checkpoint_config(w->c, err);
    return w->config && gguf_sizes_read(w->config, w->c->name, &w->sizes, err) == 0 ? list_outputs(w, err) : -1;
}

/* ---- the header */

/* "7B", "1.7M": two digits at least, as the converter labels sizes. */
static void put_size_label(const gguf_writer *w, string *out, uint64_t *n)
{
    static const struct { double of; char letter; } units[] = {{1e12, 'T'}, {1e9, 'B'}, {1e6, 'M'}, {1e3, 'K'}};
    double count = 0;
    for (size_t i = 0; i < w->n; i++)
        count += (double)tensor_count(w->outputs[i].tensor);
    size_t u = 0;
    while (u < 3 && count <= units[u].of)
        u++;
    double scaled = count / units[u].of;
    char *label = memory_print("%.*f%c", scaled < 0.5 ? 2 : scaled < 9.5 ? 1 : 0, scaled, units[u].letter);
    gguf_put_text(out, "general.size_label", label, strlen(label));
    ++*n;
    free(label);
}

static void put_name(const gguf_writer *w, const char *name, string *out, uint64_t *n)
{
    const char *file = file_name(w->out);
    size_t length = strlen(file) - (text_ends_with(file, ".gguf") ? 5 : 0);
    gguf_put_text(out, "general.name", name ? name : file, name ? strlen(name) : length);
    ++*n;
}

static uint32_t file_type(const quant_type *type)
{
    static const struct { const char *name; uint32_t number; } types[] = {{"F32", 0}, {"F16", 1}, {"Q8_0", 7}, {"BF16", 32}};
    size_t i = 0;
    while (strcmp(types[i].name, type->name) != 0)
        i++;
    return types[i].number;
}

static int put_metadata(const gguf_writer *w, const gguf_options *o, string *out, uint64_t *n, error *err)
{
    gguf_put_text(out, "general.architecture", w->a->name, strlen(w->a->name));
    gguf_put_text(out, "general.type", "model", 5);
    *n += 2;
    put_name(w, o->name, out, n);
    put_size_label(w, out, n);
    if (gguf_config_write(w->config, w->c->name, w->a, file_type(w->type), out, n, err) != 0)
        return -1;
    gguf_put_u32(out, "general.quantization_version", 2);
    ++*n;
    return gguf_tokenizer_write(w->c, w->config, w->sizes.vocabulary, out, n, err);
}

static void put_number(string *out, uint64_t x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char byte = (char)(x >> 8 * i);
        string_add(out, &byte, 1);
    }
}

static uint64_t padding(uint64_t n)
{
    return -n % GGUF_ALIGNMENT;
}

static void put_infos(gguf_writer *w, string *out)
{
    uint64_t at = 0;
    for (size_t i = 0; i < w->n; i++) {
        output *o = &w->outputs[i];
        gguf_add_text(out, o->name, strlen(o->name));
        put_number(out, (uint64_t)o->tensor->rank, 4);
        for (int d = o->tensor->rank; d-- > 0;)
            put_number(out, (uint64_t)o->tensor->shape[d], 8);
        put_number(out, o->type->id, 4);
        put_number(out, at, 8);
        o->offset = at;
        at += o->bytes + padding(o->bytes);
    }
}

static int make_header(gguf_writer *w, const gguf_options *o, string *out, error *err)
{
    string entries = {0};
    uint64_t n = 0;
    int status = put_metadata(w, o, &entries, &n, err);
    string_puts(out, GGUF_MAGIC);
    put_number(out, 3, 4);
    put_number(out, w->n, 8);
    put_number(out, n, 8);
    string_add(out, entries.text, entries.length);
    put_infos(w, out);
    static const char zeros[GGUF_ALIGNMENT];
    string_add(out, zeros, padding(out->length));
    free(entries.text);
    for (size_t i = 0; i < w->n; i++)
        w->outputs[i].offset += out->length;
    return status;
}

/* ---- rows */

/* Which of the file's rows is the model's row r: (first half, second half) becomes (pair, pair, ...). */
static int64_t file_row(int64_t head_rows, int64_t r)
{
    if (!head_rows)
        return r;
    int64_t in = r % head_rows, half = head_rows / 2;
    return r - in + in % half * 2 + in / half;
}

/* One row in its type; row: [n] floats of room. -1 where a number is not finite, there or in the type. */
static int convert_row(enum dtype from, const char *data, const quant_type *type, float *row, unsigned char *to, size_t n)
{
    dtype_to_f32(from, data, row, n);
    if (dtype_first_not_finite(DTYPE_F32, row, n) < n)
        return -1;
    if (type->read)
        return quant_write_q8_0(row, to, n);
    dtype_from_f32(type->dtype, row, to, n);
    return dtype_first_not_finite(type->dtype, to, n) < n ? -1 : 0;
}

/* -1 leaves errno. */
static int write_at(int fd, const unsigned char *bytes, size_t n, uint64_t offset)
{
    while (n) {
        ssize_t wrote = pwrite(fd, bytes, n, (off_t)offset);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0) {
            errno = wrote == 0 ? EIO : errno;
            return -1;
        }
        bytes += wrote;
        offset += (uint64_t)wrote;
        n -= (size_t)wrote;
    }
    return 0;
}

typedef struct block {
    float *row;                /* [columns] */
    unsigned char *bytes;      /* [rows] in the output's type */
    int64_t rows, columns;     /* of a vector whose halves are interleaved: its elements are its rows */
    size_t from_bytes, to_bytes;   /* a row */
} block;

/* The model's rows [first, first + count). Those of heads go each to its place, others stand together as they are. */
static int write_rows(const gguf_writer *w, const output *o, const block *b, int64_t first, int64_t count, const char *rows, error *err)
{
    uint64_t begin = o->offset + (uint64_t)first * b->to_bytes;
    for (int64_t i = 0; i < count; i++) {
        unsigned char *to = b->bytes + (size_t)i * b->to_bytes;
        if (convert_row(o->tensor->dtype, rows + (size_t)i * b->from_bytes, o->type, b->row, to, (size_t)b->columns) != 0)
            return fail(err, ERROR_NOT_FINITE, "%s: '%s' holds a number in row %lld that %s cannot hold", w->c->name, o->from, (long long)(first + i), o->type->name);
        if (o->head_rows && write_at(w->fd, to, b->to_bytes, o->offset + (uint64_t)file_row(o->head_rows, first + i) * b->to_bytes) != 0)
            return fail_errno(err, "%s: writing '%s'", w->out, o->name);
    }
    if (!o->head_rows && write_at(w->fd, b->bytes, (size_t)count * b->to_bytes, begin) != 0)
        return fail_errno(err, "%s: writing '%s'", w->out, o->name);
    return 0;
}

static int write_elements(const gguf_writer *w, const output *o, int64_t first, const char *elements, int64_t n, error *err)
{
    block b = {.columns = o->tensor->rank < 2 && o->head_rows ? 1 : tensor_columns(o->tensor)};
    int64_t begin = first / b.columns, rows = n / b.columns;
    b.rows = b.columns < BLOCK ? BLOCK / b.columns : 1;
    b.rows = b.rows < rows ? b.rows : rows;
    b.from_bytes = (size_t)b.columns * dtype_size(o->tensor->dtype);
    b.to_bytes = (size_t)(b.columns / o->type->block) * (size_t)o->type->bytes;
    b.row = memory_try((size_t)b.columns * sizeof *b.row, o->name, err);
    b.bytes = b.row ? memory_try((size_t)b.rows * b.to_bytes, o->name, err) : NULL;
    int status = b.bytes ? 0 : -1;
    for (int64_t at = 0; at < rows && status == 0; at += b.rows)
        status = write_rows(w, o, &b, begin + at, rows - at < b.rows ? rows - at : b.rows, elements + (size_t)at * b.from_bytes, err);
    free(b.row);
    free(b.bytes);
    return status;
}

bool gguf_holds(const gguf_writer *w, size_t item)
{
    return w->place[item] < w->n;
}

void gguf_put(gguf_writer *w, size_t item, int64_t first, const void *elements, int64_t n)
{
    error err = {0};
    if (n == 0 || !gguf_holds(w, item) || atomic_load(&w->failed) || write_elements(w, &w->outputs[w->place[item]], first, elements, n, &err) == 0)
        return;
    pthread_mutex_lock(&w->lock);
    if (!atomic_exchange(&w->failed, true))
        w->failure = err;
    pthread_mutex_unlock(&w->lock);
}

int gguf_check(gguf_writer *w, error *err)
{
    pthread_mutex_lock(&w->lock);
    bool failed = atomic_load(&w->failed);
    if (failed && err)
        *err = w->failure;
    pthread_mutex_unlock(&w->lock);
    return failed ? -1 : 0;
}

/* ---- the file */

static void say_narrow(const gguf_writer *w)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++)
        n += w->type->block > 1 && strcmp(w->outputs[i].type->name, "F16") == 0;
    if (n)
        progress_say("%zu matrices are written as F16: their rows are no multiple of %d, which %s needs", n, w->type->block, w->type->name);
}

static int check_input(const gguf_writer *w, const char *input, error *err)
{
    if (input && (file_same(input, w->out) || file_same(input, w->partial)))
        return fail(err, ERROR_USAGE, "%s: the output would replace the input %s; give another output", w->out, input);
    return 0;
}

static int check_out(const gguf_writer *w, const gguf_options *o, uint64_t bytes, error *err)
{
    uint64_t free_bytes;
    if (file_is_folder(w->out))
        return fail(err, ERROR_USAGE, "%s: is a folder; give a file's name that ends in .gguf", w->out);
    if (file_exists(w->out) && !o->replace)
        return fail(err, ERROR_USAGE, "%s: exists already; give another name or --force", w->out);
    for (size_t i = 0; i < w->c->n_buffers; i++)
        if (check_input(w, buffer_path(w->c->buffers[i]), err) != 0)
            return -1;
    for (size_t i = 0; i < o->n_inputs; i++)
        if (check_input(w, o->inputs[i], err) != 0)
            return -1;
    if (check_input(w, w->c->folder, err) != 0 || file_free_bytes(w->out, &free_bytes, err) != 0)
        return -1;
    return free_bytes < bytes ? fail(err, ERROR_IO, "%s: needs %llu bytes, the file system has %llu free", w->out, (unsigned long long)bytes,
                                     (unsigned long long)free_bytes)
                              : 0;
}

/* The header, and as many zeros as the tensors will take: their padding stays. */
static int begin_file(gguf_writer *w, const string *header, uint64_t bytes, error *err)
{
    w->fd = open(w->partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (w->fd < 0)
        return fail_errno(err, "%s", w->partial);
    return write_at(w->fd, (const unsigned char *)header->text, header->length, 0) == 0 && ftruncate(w->fd, (off_t)bytes) == 0 ? 0 : fail_errno(err, "%s", w->partial);
}

static int put_factors(gguf_writer *w, error *err)
{
    return w->factors ? write_elements(w, &w->outputs[0], 0, (const char *)w->factors, tensor_count(&w->factors_tensor), err) : 0;
}

gguf_writer *gguf_begin(const checkpoint *outline, const char *out, const gguf_options *options, error *err)
{
    const gguf_options none = {0}, *o = options ? options : &none;
    gguf_writer *w = memory_new(1, sizeof *w);
    string header = {0};
    *w = (gguf_writer){.c = outline, .out = out, .partial = file_partial(out), .fd = -1};
    pthread_mutex_init(&w->lock, NULL);
    int status = prepare(w, o, err) == 0 ? make_header(w, o, &header, err) : -1;
    uint64_t bytes = header.length;
    for (size_t i = 0; i < w->n; i++)
        bytes += w->outputs[i].bytes + padding(w->outputs[i].bytes);
    if (status == 0)
        status = check_out(w, o, bytes, err);
    if (status == 0) {
        say_narrow(w);
        status = begin_file(w, &header, bytes, err) == 0 ? put_factors(w, err) : -1;
    }
    free(header.text);
    if (status == 0)
        return w;
    gguf_writer_free(w);
    return NULL;
}

int gguf_finish(gguf_writer *w, error *err)
{
    if (gguf_check(w, err) != 0)
        return -1;
    char *folder = file_folder(w->out);
    int status = fsync(w->fd) == 0 ? 0 : fail_errno(err, "%s", w->partial);
    if (close(w->fd) != 0 && status == 0)
        status = fail_errno(err, "%s", w->partial);
    w->fd = -1;
    if (status == 0 && rename(w->partial, w->out) != 0)
        status = fail_errno(err, "%s", w->out);
    if (status != 0)
        unlink(w->partial);
    else
        status = file_sync_folder(folder, err);
    free(folder);
    return status;
}

void gguf_writer_free(gguf_writer *w)
{
    if (!w)
        return;
    if (w->fd >= 0) {
        close(w->fd);
        unlink(w->partial);
    }
    for (size_t i = 0; i < w->n; i++)
        free(w->outputs[i].name);
    pthread_mutex_destroy(&w->lock);
    free(w->outputs);
    free(w->place);
    free(w->factors);
    free(w->partial);
    json_decref(w->config);
    free(w);
}
