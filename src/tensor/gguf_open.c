/* The makers hold no reference of their own: the mapped file stands among the checkpoint's buffers as long as they do. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "tensor/gguf_config.h"
#include "tensor/gguf_model.h"

/* Rows that are not in the file as they are wanted. */
typedef struct rows_maker {
    tensor_maker base;
    const quant_type *type;
    const unsigned char *data;
    const buffer *file;
    int64_t head_rows;        /* rows of a head whose halves the file interleaves; 0: none */
} rows_maker;

/* Which of the file's rows is row r: ggml has (first half, second half) as (pair, pair, ...). */
static int64_t source_row(const rows_maker *m, int64_t r)
{
    if (!m->head_rows)
        return r;
    int64_t head = r / m->head_rows, in = r % m->head_rows, half = m->head_rows / 2;
    return head * m->head_rows + in % half * 2 + in / half;
}

static int make_rows(const tensor_maker *self, const tensor *t, int64_t first, int64_t count, void *out, error *err)
{
    const rows_maker *m = (const rows_maker *)self;
    bool vector = t->rank < 2;   /* one row to its users; its elements are the rows that heads are made of */
    int64_t columns = vector && m->head_rows ? 1 : tensor_columns(t);
    if (vector && m->head_rows)
        count = tensor_count(t);
    size_t from_bytes = (size_t)(columns / m->type->block) * (size_t)m->type->bytes, to_bytes = (size_t)columns * dtype_size(t->dtype);
    for (int64_t i = 0; i < count; i++)
        quant_read(m->type, m->data + (size_t)source_row(m, first + i) * from_bytes, (char *)out + (size_t)i * to_bytes, (size_t)columns);
    return buffer_check(m->file, err);
}

static void free_rows(tensor_maker *self)
{
    free(self);
}

static void add_rows_maker(checkpoint *c, const gguf_tensor *from, buffer *file, int64_t head_rows, tensor *t)
{
    rows_maker *m = memory_new(1, sizeof *m);
    *m = (rows_maker){.base = {.make = make_rows, .free = free_rows}, .type = from->type, .data = from->data, .file = file, .head_rows = head_rows};
    checkpoint_add_maker(c, &m->base);
    t->maker = &m->base;
}

/* The rows of a head where the tensor's rows are interleaved, 0 where they are not. */
static int find_head_rows(const gguf_tensor *t, const char *name, const gguf_architecture *a, const gguf_sizes *s, const char *path, int64_t *out, error *err)
{
    char which = gguf_name_permuted(a, name);
    int64_t heads = which == 'q' ? s->heads : s->kv_heads;
    *out = which ? s->head_dim : 0;
    if (which && (t->rank < 1 || t->rank > 2 || t->shape[0] != heads * s->head_dim))
        return fail(err, ERROR_FORMAT, "%s: '%s' should have %lld rows, %lld heads of %lld", path, t->name, (long long)(heads * s->head_dim), (long long)heads,
                    (long long)s->head_dim);
    if (which && t->rank == 1 && t->type->read)
        return fail(err, ERROR_UNSUPPORTED, "%s: '%s' is a vector of %s; vectors are F32, F16 or BF16", path, t->name, t->type->name);
    return 0;
}

static int add_tensor(checkpoint *c, const gguf_tensor *from, buffer *file, const gguf_architecture *a, const gguf_sizes *s, error *err)
{
    if (strcmp(from->name, "rope_freqs.weight") == 0)   /* stands in the config, as rope scaling */
        return 0;
    char *name = gguf_name_read(a, from->name);
    int64_t head_rows;
    if (!name)
        return fail(err, ERROR_UNSUPPORTED, "%s: '%s' is no tensor that this program knows of '%s'", c->name, from->name, a->name);
    if (find_head_rows(from, name, a, s, c->name, &head_rows, err) != 0) {
        free(name);
        return -1;
    }
    checkpoint_item *item = &c->items[c->count++];
    *item = (checkpoint_item){.name = name, .tensor = {.dtype = from->type->dtype, .rank = from->rank}};
    memcpy(item->tensor.shape, from->shape, sizeof item->tensor.shape);
    if (from->type->read || head_rows) {
        add_rows_maker(c, from, file, head_rows, &item->tensor);
    } else {
        item->tensor.owner = file;
        item->tensor.data = (void *)from->data;
    }
    return 0;
}

/* A file of several, "model-00001-of-00003.gguf", holds a part of the tensors. */
static int check_whole(const gguf *g, error *err)
{
    int64_t parts = 1;
    if (gguf_want_int(g, "split.count", 0, UINT16_MAX, &parts, err) != 0)
        return -1;
    if (parts > 1)
        return fail(err, ERROR_UNSUPPORTED, "%s: is one of %lld files of a split model; put them together first (llama-gguf-split --merge)", g->path, (long long)parts);
    return 0;
}

static const gguf_architecture *find_architecture(const gguf *g, error *err)
{
    char *name = gguf_text(gguf_find(g, "general.architecture"));
    const gguf_architecture *a = name ? gguf_architecture_named(name) : NULL;
    if (!name)
        fail(err, ERROR_FORMAT, "%s: names no general.architecture", g->path);
    else if (!a)
        fail(err, ERROR_UNSUPPORTED, "%s: is of the architecture '%.60s'; GGUF files are read of %s", g->path, name, gguf_architecture_list());
    free(name);
    return a;
}

static int fill(checkpoint *c, const gguf *g, error *err)
{
    gguf_sizes sizes;
    const gguf_architecture *a = find_architecture(g, err);
    if (!a || check_whole(g, err) != 0)
        return -1;
    c->config = gguf_config_read(g, a, err);
    if (!c->config || gguf_sizes_read(c->config, g->path, &sizes, err) != 0)
        return -1;
    c->items = memory_new(g->n_tensors, sizeof *c->items);
    for (size_t i = 0; i < g->n_tensors; i++)
        if (add_tensor(c, &g->tensors[i], g->file, a, &sizes, err) != 0)
            return -1;
    return checkpoint_sort(c, err);
}

int gguf_open_buffer(checkpoint *c, buffer *file, const char *path, error *err)
{
    c->buffers = memory_grow(c->buffers, c->n_buffers + 1, sizeof *c->buffers);
    c->buffers[c->n_buffers++] = file;
    gguf *g = gguf_parse(file, path, err);
    int status = g ? fill(c, g, err) : -1;
    free(c->folder);
    c->folder = memory_text(path);
    gguf_free(g);
    return status;
}

int gguf_open(checkpoint *c, const char *path, error *err)
{
    buffer *file = buffer_map(path, err);
    return file ? gguf_open_buffer(c, file, path, err) : -1;
}
