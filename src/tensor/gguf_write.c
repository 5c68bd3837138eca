/* Invariants
 * 1. OUT appears complete or not at all: everything is written into OUT.partial, which any failure removes.
 * 2. Memory holds the metadata and a block of rows, never a whole tensor that is not there already. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "tensor/gguf_config.h"
#include "tensor/gguf_model.h"
#include "tensor/gguf_tokenizer.h"

#define BLOCK ((int64_t)1 << 20)   /* elements */

typedef struct output {
    char *name;                /* owned */
    const char *from;          /* the model's name for it; borrowed */
    const tensor *tensor;      /* borrowed */
    const quant_type *type;
    int64_t head_rows;         /* rows of a head whose halves are interleaved; 0: none */
    uint64_t bytes;
} output;

typedef struct writing {
    const checkpoint *c;
    const char *out;
    const gguf_architecture *a;
    const quant_type *type;
    json_t *config;            /* owned */
    gguf_sizes sizes;
    float *factors;            /* [1] Llama 3's factors of the rotation, or NULL; owned */
    tensor factors_tensor;
    output *outputs;           /* [n] owned */
    size_t n;
} writing;

static void free_writing(writing *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->outputs[i].name);
    free(w->outputs);
    free(w->factors);
    json_decref(w->config);
}

/* ---- what is written */

/* Vectors, norms and what is no weight are F32, as ggml wants them; a row that blocks do not fill is F16. */
static const quant_type *type_of(const output *o, const quant_type *wanted)
{
    if (o->tensor->rank < 2 || text_ends_with(o->name, "_norm.weight") || !text_ends_with(o->name, ".weight"))
        return quant_named("F32");
    return o->tensor->shape[o->tensor->rank - 1] % wanted->block == 0 ? wanted : quant_named("F16");
}

static int add_output(writing *w, const char *from, const tensor *t, char *name, error *err)
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

static void add_factors(writing *w)
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
static bool is_left_out(const writing *w, const char *name)
{
    return text_ends_with(name, ".rotary_emb.inv_freq") || (strcmp(name, "lm_head.weight") == 0 && json_is_true(json_object_get(w->config, "tie_word_embeddings")));
}

static int list_outputs(writing *w, error *err)
{
    w->outputs = memory_new(w->c->count + 1, sizeof *w->outputs);
    add_factors(w);
    for (size_t i = 0; i < w->c->count; i++) {
        const checkpoint_item *item = &w->c->items[i];
        if (is_left_out(w, item->name))
            continue;
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

static int prepare(writing *w, const gguf_options *o, error *err)
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
static void put_size_label(const writing *w, string *out, uint64_t *n)
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

static void put_name(const writing *w, const char *name, string *out, uint64_t *n)
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

static int put_metadata(const writing *w, const gguf_options *o, string *out, uint64_t *n, error *err)
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

static void put_infos(const writing *w, string *out)
{
    uint64_t at = 0;
    for (size_t i = 0; i < w->n; i++) {
        const output *o = &w->outputs[i];
        gguf_add_text(out, o->name, strlen(o->name));
        put_number(out, (uint64_t)o->tensor->rank, 4);
        for (int d = o->tensor->rank; d-- > 0;)
            put_number(out, (uint64_t)o->tensor->shape[d], 8);
        put_number(out, o->type->id, 4);
        put_number(out, at, 8);
        at += o->bytes + padding(o->bytes);
    }
}

static int make_header(const writing *w, const gguf_options *o, string *out, error *err)
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
    return status;
}

/* ---- the tensors */

/* The model's rows [first, first + count) of t, where they lie or made into `made`. */
static const char *rows_of(const tensor *t, int64_t first, int64_t count, void *made, error *err)
{
    size_t row = (size_t)tensor_columns(t) * dtype_size(t->dtype);
    if (t->data)
        return (const char *)t->data + (size_t)first * row;
    return t->maker->make(t->maker, t, first, count, made, err) == 0 ? made : NULL;
}

/* Which of the model's rows is row r of the file: (pair, pair, ...) is (first half, second half). */
static int64_t model_row(int64_t head_rows, int64_t r)
{
    if (!head_rows)
        return r;
    int64_t in = r % head_rows;
    return r - in + in % 2 * (head_rows / 2) + in / 2;
}

/* One row in its type; row: [n] floats of room. -1 where a number is not finite, there or in the type. */
static int convert_row(enum dtype from, const char *data, const quant_type *type, float *row, unsigned char *to, size_t n)
{
    dtype_to_f32(from, data, row, n);
    if (dtype_first_not_finite(DTYPE_F32, row, n) < n)
        return -1;
    if (type->read) {
        quant_write_q8_0(row, to, n);
        return 0;
    }
    dtype_from_f32(type->dtype, row, to, n);
    return dtype_first_not_finite(type->dtype, to, n) < n ? -1 : 0;
}

typedef struct block {
    float *row;                /* [columns] */
    unsigned char *out;        /* [rows] in the output's type */
    char *made;                /* [rows] of a tensor that is made when it is read */
    int64_t rows, columns;     /* of a vector: its elements are its rows, so that those of a head can be put in their places */
    size_t from_bytes, to_bytes;   /* a row */
} block;

static int write_rows(const writing *w, int fd, const output *o, const block *b, int64_t first, int64_t count, error *err)
{
    const tensor *t = o->tensor;
    bool vector = t->rank < 2;
    const char *rows = vector ? rows_of(t, 0, 1, b->made, err) : rows_of(t, first, count, b->made, err);
    if (!rows)
        return -1;
    for (int64_t i = 0; i < count; i++)
        if (convert_row(t->dtype, rows + (size_t)model_row(o->head_rows, i) * b->from_bytes, o->type, b->row, b->out + (size_t)i * b->to_bytes, (size_t)b->columns) != 0)
            return fail(err, ERROR_NOT_FINITE, "%s: '%s' holds a number in row %lld that %s cannot hold", w->c->name, o->from,
                        (long long)(first + model_row(o->head_rows, i)), o->type->name);
    return file_write_all(fd, b->out, (size_t)count * b->to_bytes) == 0 ? 0 : fail_errno(err, "%s: writing '%s'", w->out, o->name);
}

/* Blocks hold whole heads; a vector is one block. */
static block new_block(const output *o, error *err)
{
    const tensor *t = o->tensor;
    bool vector = t->rank < 2;
    block b = {.columns = vector && o->head_rows ? 1 : tensor_columns(t)};
    int64_t all = b.columns ? tensor_count(t) / b.columns : 0, unit = o->head_rows ? o->head_rows : 1;
    b.rows = b.columns && BLOCK / b.columns > unit ? BLOCK / b.columns / unit * unit : unit;
    b.rows = vector || b.rows > all ? all : b.rows;
    b.from_bytes = (size_t)b.columns * dtype_size(t->dtype);
    b.to_bytes = (size_t)(b.columns / o->type->block) * (size_t)o->type->bytes;
    b.row = memory_try((size_t)b.columns * sizeof *b.row, o->name, err);
    b.out = b.row ? memory_try((size_t)b.rows * b.to_bytes, o->name, err) : NULL;
    b.made = b.out ? memory_try(t->data ? 1 : (size_t)b.rows * b.from_bytes, o->name, err) : NULL;
    return b;
}

static int write_tensor(const writing *w, int fd, const output *o, error *err)
{
    static const char zeros[GGUF_ALIGNMENT];
    block b = new_block(o, err);
    int status = b.made ? 0 : -1;
    int64_t all = b.columns ? tensor_count(o->tensor) / b.columns : 0;
    for (int64_t first = 0; first < all && status == 0; first += b.rows)
        status = write_rows(w, fd, o, &b, first, all - first < b.rows ? all - first : b.rows, err);
    if (status == 0 && file_write_all(fd, zeros, padding(o->bytes)) != 0)
        status = fail_errno(err, "%s: writing '%s'", w->out, o->name);
    if (o->tensor->owner && buffer_check(o->tensor->owner, err) != 0)
        status = -1;
    free(b.row);
    free(b.out);
    free(b.made);
    return status;
}

/* ---- the file */

static void say_narrow(const writing *w)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++)
        n += w->type->block > 1 && strcmp(w->outputs[i].type->name, "F16") == 0;
    if (n)
        progress_say("%zu matrices are written as F16: their rows are no multiple of %d, which %s needs", n, w->type->block, w->type->name);
}

static void show(uint64_t done, uint64_t total)
{
    char text[32];
    progress_bar("write", done, total, progress_bytes(text, (double)done));
}

static int write_tensors(const writing *w, int fd, uint64_t total, error *err)
{
    uint64_t done = 0;
    for (size_t i = 0; i < w->n; i++) {
        if (progress_interrupted())
            return fail(err, ERROR_INTERRUPTED, "interrupted");
        if (write_tensor(w, fd, &w->outputs[i], err) != 0)
            return -1;
        show(done += w->outputs[i].bytes, total);
    }
    return 0;
}

static int write_file(const writing *w, const string *header, const char *partial, uint64_t total, error *err)
{
    int fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail_errno(err, "%s", partial);
    int status = file_write_all(fd, header->text, header->length) == 0 ? 0 : fail_errno(err, "%s", partial);
    if (status == 0)
        status = write_tensors(w, fd, total, err);
    progress_clear();
    if (status == 0 && fsync(fd) != 0)
        status = fail_errno(err, "%s", partial);
    if (close(fd) != 0 && status == 0)
        status = fail_errno(err, "%s", partial);
    return status;
}

static int publish(const char *partial, const char *out, error *err)
{
    char *folder = file_folder(out);
    int status = rename(partial, out) == 0 ? file_sync_folder(folder, err) : fail_errno(err, "%s", out);
    free(folder);
    return status;
}

static int check_out(const writing *w, bool replace, uint64_t bytes, error *err)
{
    uint64_t free_bytes;
    if (file_is_folder(w->out))
        return fail(err, ERROR_USAGE, "%s: is a folder; give a file's name that ends in .gguf", w->out);
    if (file_exists(w->out) && !replace)
        return fail(err, ERROR_USAGE, "%s: exists already; give another name or --force", w->out);
    for (size_t i = 0; i < w->c->n_buffers; i++)
        if (buffer_path(w->c->buffers[i]) && file_same(buffer_path(w->c->buffers[i]), w->out))
            return fail(err, ERROR_USAGE, "%s: the output would replace the input; give another output", w->out);
    if (w->c->folder && file_same(w->c->folder, w->out))
        return fail(err, ERROR_USAGE, "%s: the output would replace the input; give another output", w->out);
    if (file_free_bytes(w->out, &free_bytes, err) != 0)
        return -1;
    return free_bytes < bytes ? fail(err, ERROR_IO, "%s: needs %llu bytes, the file system has %llu free", w->out, (unsigned long long)bytes,
                                     (unsigned long long)free_bytes)
                              : 0;
}

int gguf_write(const checkpoint *c, const char *out, const gguf_options *options, error *err)
{
    const gguf_options none = {0}, *o = options ? options : &none;
    writing w = {.c = c, .out = out};
    string header = {0};
    char *partial = file_partial(out);
    int status = prepare(&w, o, err);
    if (status == 0)
        status = make_header(&w, o, &header, err);
    uint64_t bytes = 0;
    for (size_t i = 0; i < w.n; i++)
        bytes += w.outputs[i].bytes;
    if (status == 0)
        status = check_out(&w, o->replace, header.length + bytes + w.n * GGUF_ALIGNMENT, err);
    if (status == 0) {
        say_narrow(&w);
        status = write_file(&w, &header, partial, bytes, err);
        if (status == 0)
            status = publish(partial, out, err);
        if (status != 0)
            unlink(partial);
    }
    free(header.text);
    free(partial);
    free_writing(&w);
    return status;
}
