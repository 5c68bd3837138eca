/* Invariants
 * 1. OUT appears complete or not at all: everything is written into OUT.partial, and any failure removes that folder.
 * 2. Nothing that the checkpoint still reads from is written over or removed: OUT is none of its folders and holds none. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "tensor/checkpoint.h"
#include "tensor/safetensors.h"

#define SHARD_BYTES 5000000000u

/* Files of a model's folder that go with it as they are. */
static const char *const companions[] = {
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.model", "vocab.json", "merges.txt",
    "added_tokens.json", "generation_config.json", "chat_template.jinja", "chat_template.json", "preprocessor_config.json",
    "processor_config.json",
};
#define COUNT(a) (sizeof(a) / sizeof *(a))

/* Whether `path` is the folder `out` or lies below it, symlinks followed. */
static bool is_inside(const char *path, const char *out)
{
    char *inner = realpath(path, NULL), *outer = realpath(out, NULL);
    size_t n = outer ? strlen(outer) : 0;
    bool inside = inner && outer && strncmp(inner, outer, n) == 0 && (inner[n] == '\0' || inner[n] == '/' || strcmp(outer, "/") == 0);
    free(inner);
    free(outer);
    return inside;
}

static int check_input(const char *input, const char *out, const char *partial, error *err)
{
    if (input && (is_inside(input, out) || is_inside(input, partial)))
        return fail(err, ERROR_USAGE, "%s: the output would replace the input %s; give another output", out, input);
    return 0;
}

static int check_output(const checkpoint *c, const char *out, const char *partial, bool replace, error *err)
{
    if (!out[0])
        return fail(err, ERROR_USAGE, "the output folder has no name");
    if (check_input(c->folder, out, partial, err) != 0)
        return -1;
    for (size_t i = 0; i < c->n_buffers; i++)
        if (check_input(buffer_path(c->buffers[i]), out, partial, err) != 0)
            return -1;
    DIR *folder = file_exists(out) && !replace ? opendir(out) : NULL;
    bool empty = folder && !file_next_entry(folder);
    if (folder)
        closedir(folder);
    if (file_exists(out) && !replace && !empty)
        return fail(err, ERROR_USAGE, "%s: exists already and is not an empty folder; give another name or --force", out);
    uint64_t wanted = checkpoint_bytes(c), free_bytes;
    if (file_free_bytes(out, &free_bytes, err) != 0)
        return -1;
    if (free_bytes < wanted)
        return fail(err, ERROR_IO, "%s: needs %llu bytes, the file system has %llu free", out, (unsigned long long)wanted,
                    (unsigned long long)free_bytes);
    return 0;
}

/* Wider elements first, so that every tensor stands on a multiple of its element; then by name. */
static int by_width(const void *a, const void *b)
{
    const checkpoint_item *x = a, *y = b;
    size_t n = dtype_size(x->tensor.dtype), m = dtype_size(y->tensor.dtype);
    return n != m ? (n > m ? -1 : 1) : strcmp(x->name, y->name);
}

/* How many of items [count] go into the shard that begins with the first of them: at least one. */
static size_t shard_count(const checkpoint_item *items, size_t count, uint64_t limit)
{
    uint64_t bytes = 0;
    size_t n = 0;
    while (n < count && (n == 0 || bytes + tensor_bytes(&items[n].tensor) <= limit))
        bytes += tensor_bytes(&items[n++].tensor);
    return n;
}

static int write_shards(const char *folder, const checkpoint_item *items, size_t count, uint64_t limit, size_t shards, error *err)
{
    json_t *map = json_object(), *index = json_object();
    uint64_t total = 0;
    int status = 0;
    for (size_t begin = 0, shard = 1; begin < count && status == 0; shard++) {
        size_t n = shard_count(items + begin, count - begin, limit);
        char *name = memory_print("model-%05zu-of-%05zu.safetensors", shard, shards), *path = file_join(folder, name);
        status = safetensors_write(path, items + begin, n, err);
        for (size_t i = begin; i < begin + n; i++) {
            json_object_set_new(map, items[i].name, json_string(name));
            total += tensor_bytes(&items[i].tensor);
        }
        begin += n;
        free(path);
        free(name);
    }
    json_object_set_new(index, "metadata", json_pack("{s:I}", "total_size", (json_int_t)total));
    json_object_set_new(index, "weight_map", map);
    char *text = json_print(index, 2), *path = file_join(folder, "model.safetensors.index.json");
    if (status == 0)
        status = file_write(path, text, strlen(text), err);
    free(path);
    free(text);
    return status;
}

static int write_tensors(const checkpoint *c, const char *folder, uint64_t limit, error *err)
{
    checkpoint_item *items = memory_new(c->count, sizeof *items);
    if (c->count) {
        memcpy(items, c->items, c->count * sizeof *items);
        qsort(items, c->count, sizeof *items, by_width);
    }
    size_t shards = 0;
    for (size_t begin = 0; begin < c->count; shards++)
        begin += shard_count(items + begin, c->count - begin, limit);
    int status;
    if (shards > 1) {
        status = write_shards(folder, items, c->count, limit, shards, err);
    } else {
        char *path = file_join(folder, "model.safetensors");
        status = safetensors_write(path, items, c->count, err);
        free(path);
    }
    free(items);
    return status;
}

static int write_config(const checkpoint *c, const char *folder, error *err)
{
    if (!c->config)
        return 0;
    json_t *config = checkpoint_config(c, err);
    if (!config)
        return -1;
    char *text = json_print(config, 2), *line = memory_print("%s\n", text), *path = file_join(folder, "config.json");
    int status = file_write(path, line, strlen(line), err);
    free(path);
    free(line);
    free(text);
    return status;
}

static int copy_companions(const char *from, const char *to, error *err)
{
    int status = 0;
    for (size_t i = 0; i < COUNT(companions) && status == 0; i++) {
        char *source = file_join(from, companions[i]), *target = file_join(to, companions[i]);
        if (file_exists(source))
            status = file_copy(source, target, err);
        free(source);
        free(target);
    }
    return status;
}

static int write_extra(const char *folder, const checkpoint_write_options *o, error *err)
{
    int status = 0;
    for (size_t i = 0; i < o->n_files && status == 0; i++) {
        char *path = file_join(folder, o->files[i].name);
        status = file_write(path, o->files[i].text, strlen(o->files[i].text), err);
        free(path);
    }
    return status;
}

int checkpoint_write(const checkpoint *c, const char *out, const checkpoint_write_options *options, error *err)
{
    checkpoint_write_options none = {0};
    const checkpoint_write_options *o = options ? options : &none;
    char *partial = file_partial(out);
    int status = -1;
    if (check_output(c, out, partial, o->replace, err) != 0)
        goto done;
    if (file_remove_tree(partial, err) == 0 && file_make_folders(partial, err) == 0 &&
        write_tensors(c, partial, o->shard_bytes ? o->shard_bytes : SHARD_BYTES, err) == 0 && write_config(c, partial, err) == 0 &&
        (!c->folder || copy_companions(c->folder, partial, err) == 0) && write_extra(partial, o, err) == 0)
        status = file_publish(out, o->replace, err);
    /* The failure is told, not what tidying up behind it may find. */
    if (status != 0)
        file_remove_tree(partial, NULL);
done:
    free(partial);
    return status;
}
