/* A model from strangers' files. What is judged here is the folder: which files make up the model, and
 * that index and shards tell the same. What stands in one file is judged by safetensors_parse and torch_zip_parse. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "tensor/adapter.h"
#include "tensor/checkpoint.h"
#include "tensor/gguf.h"
#include "tensor/gguf_model.h"
#include "tensor/safetensors.h"
#include "tensor/torch_zip.h"

#define MAX_SHARDS 10000
#define MAX_ADAPTERS 16

/* What a folder may hold its weights as; the first that is there counts. */
typedef struct layout {
    const char *single, *index, *ending;
    bool states_size;      /* the index's total_size counts every tensor (of PyTorch's files it counts shared ones once) */
} layout;
static const layout layouts[] = {
    {"model.safetensors", "model.safetensors.index.json", ".safetensors", true},
    {"diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors.index.json", ".safetensors", true},
    {"pytorch_model.bin", "pytorch_model.bin.index.json", ".bin", false},
    {"diffusion_pytorch_model.bin", "diffusion_pytorch_model.bin.index.json", ".bin", false},
};

static int add_file(checkpoint *c, const char *path, error *err)
{
    buffer *file = buffer_map(path, err);
    if (!file)
        return -1;
    c->buffers = memory_grow(c->buffers, c->n_buffers + 1, sizeof *c->buffers);
    c->buffers[c->n_buffers++] = file;
    return torch_zip_is(file) ? torch_zip_parse(c, file, path, err) : safetensors_parse(file, path, &c->items, &c->count, err);
}

/* The name itself is judged, not where a symlink leads: caches are made of symlinks. */
static int check_shard_name(const char *shard, const char *name, const char *index, const char *ending, error *err)
{
    if (strchr(shard, '/') || strchr(shard, '\\') || strcmp(shard, ".") == 0 || strcmp(shard, "..") == 0 || !shard[0])
        return fail(err, ERROR_FORMAT, "%s: '%s' is said to lie in '%.200s', which is not a plain file name", index, name, shard);
    if (!text_ends_with(shard, ending))
        return fail(err, ERROR_FORMAT, "%s: '%s' is said to lie in '%.200s', which is not a %s file", index, name, shard, ending);
    return 0;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The shards the index names, sorted, each once; borrowed from the index. */
static int list_shards(const json_t *map, const char *index, const char *ending, const char ***shards, size_t *n, error *err)
{
    const char *name;
    json_t *value;
    size_t count = 0, kept = 0;
    const char **all = memory_new(json_object_size(map), sizeof *all);
    *shards = all;
    json_object_foreach((json_t *)map, name, value) {
        const char *shard = json_string_value(value);
        if (!shard)
            return fail(err, ERROR_FORMAT, "%s: '%.200s' should name a file", index, name);
        if (check_shard_name(shard, name, index, ending, err) != 0)
            return -1;
        all[count++] = shard;
    }
    if (count)
        qsort(all, count, sizeof *all, by_text);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || strcmp(all[i], all[kept - 1]) != 0)
            all[kept++] = all[i];
    if (kept > MAX_SHARDS)
        return fail(err, ERROR_LIMIT, "%s: names %zu shards, more than the limit of %d", index, kept, MAX_SHARDS);
    *n = kept;
    return 0;
}

static int add_shard(checkpoint *c, const char *folder, const char *shard, const json_t *map, const char *index, error *err)
{
    size_t before = c->count;
    char *path = file_join(folder, shard);
    int status = -1;
    if (!file_exists(path)) {
        fail(err, ERROR_IO, "%s: is missing; %s needs it", path, file_name(index));
        goto done;
    }
    if (add_file(c, path, err) != 0)
        goto done;
    for (size_t i = before; i < c->count; i++) {
        const char *place = json_string_value(json_object_get(map, c->items[i].name));
        if (!place) {
            fail(err, ERROR_FORMAT, "%s: holds '%s', which %s does not list", path, c->items[i].name, file_name(index));
            goto done;
        }
        if (strcmp(place, shard) != 0) {
            fail(err, ERROR_FORMAT, "%s: holds '%s', which %s puts in '%s'", path, c->items[i].name, file_name(index), place);
            goto done;
        }
    }
    status = 0;
done:
    free(path);
    return status;
}

static int check_complete(const checkpoint *c, const json_t *index, const json_t *map, const char *path, const layout *l, error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)map, name, value)
        if (!checkpoint_find(c, name))
            return fail(err, ERROR_FORMAT, "%s: '%s' should be in '%s' and is not there", path, name, json_string_value(value));
    const json_t *total = json_object_get(json_object_get(index, "metadata"), "total_size");
    if (l->states_size && json_is_integer(total) && (uint64_t)json_integer_value(total) != checkpoint_bytes(c))
        return fail(err, ERROR_FORMAT, "%s: total_size is %lld, the shards hold %llu bytes of tensors; a shard of another model?", path,
                    (long long)json_integer_value(total), (unsigned long long)checkpoint_bytes(c));
    return 0;
}

static int open_shards(checkpoint *c, const char *folder, const char *path, const layout *l, error *err)
{
    const char **shards = NULL;
    size_t n = 0;
    int status = -1;
    json_t *index = json_read(path, 0, err);
    if (!index)
        return -1;
    const json_t *map = json_object_get(index, "weight_map");
    if (!json_is_object(map) || json_object_size(map) == 0) {
        fail(err, ERROR_FORMAT, "%s: has no weight_map", path);
        goto done;
    }
    if (list_shards(map, path, l->ending, &shards, &n, err) != 0)
        goto done;
    char *single = file_join(folder, l->single);
    bool ambiguous = file_exists(single) && (n != 1 || strcmp(shards[0], l->single) != 0);
    free(single);
    if (ambiguous) {
        fail(err, ERROR_FORMAT, "%s: holds both %s and %s, which does not name it; remove the one that is not meant", folder, l->single, l->index);
        goto done;
    }
    for (size_t i = 0; i < n; i++)
        if (add_shard(c, folder, shards[i], map, path, err) != 0)
            goto done;
    if (checkpoint_sort(c, err) == 0)
        status = check_complete(c, index, map, path, l, err);
done:
    free(shards);
    json_decref(index);
    return status;
}

/* Why a folder is no model: what lies in it instead. */
static int refuse_folder(const char *folder, error *err)
{
    static const char *const endings[] = {".safetensors", ".bin", ".pt", ".pth"};
    char *other = NULL;
    DIR *listing = opendir(folder);
    if (!listing)
        return fail_errno(err, "%s", folder);
    for (struct dirent *entry; (entry = readdir(listing));)
        for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
            if (text_ends_with(entry->d_name, endings[i]) && (!other || strcmp(entry->d_name, other) < 0)) {
                free(other);
                other = memory_text(entry->d_name);
            }
    closedir(listing);
    if (other)
        fail(err, ERROR_FORMAT, "%s: has no %s and no %s; to open '%s' alone, name that file", folder, layouts[0].single, layouts[0].index, other);
    else
        fail(err, ERROR_FORMAT, "%s: has no %s and no %s", folder, layouts[0].single, layouts[0].index);
    free(other);
    return -1;
}

/* 1 where the folder is not laid out so. */
static int open_layout(checkpoint *c, const char *folder, const layout *l, error *err)
{
    char *single = file_join(folder, l->single), *index = file_join(folder, l->index);
    int status = 1;
    if (file_exists(index))
        status = open_shards(c, folder, index, l, err);
    else if (file_exists(single))
        status = add_file(c, single, err) == 0 ? checkpoint_sort(c, err) : -1;
    free(single);
    free(index);
    return status;
}

static int open_folder(checkpoint *c, const char *folder, error *err)
{
    int status = 1;
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts && status == 1; i++)
        status = open_layout(c, folder, &layouts[i], err);
    return status == 1 ? refuse_folder(folder, err) : status;
}

static int read_config(checkpoint *c, error *err)
{
    char *path = file_join(c->folder, "config.json");
    int status = 0;
    if (file_exists(path)) {
        c->config = json_read(path, 0, err);
        status = c->config ? 0 : -1;
        if (c->config && !json_is_object(c->config))
            status = fail(err, ERROR_FORMAT, "%s: should be a JSON object", path);
    }
    free(path);
    return status;
}

static checkpoint *open_plain(const char *path, error *err)
{
    checkpoint *c = memory_new(1, sizeof *c);
    c->name = memory_text(path);
    for (size_t n = strlen(c->name); n > 1 && c->name[n - 1] == '/'; n--)
        c->name[n - 1] = '\0';
    bool folder = file_is_folder(path);
    c->folder = folder ? memory_text(c->name) : file_folder(path);
    int status;
    if (folder)
        status = open_folder(c, c->folder, err);
    else if (!file_exists(path))
        status = fail(err, ERROR_IO, "%s: no such folder or file (models are local folders; nothing is downloaded)", path);
    else if (gguf_is(path))
        status = gguf_open(c, path, err);
    else
        status = add_file(c, path, err) == 0 ? checkpoint_sort(c, err) : -1;
    if (status == 0 && !c->config)
        status = read_config(c, err);
    if (status != 0) {
        checkpoint_free(c);
        c = NULL;
    }
    return c;
}

/* BASE+ADAPTER, where BASE may have adapters of its own. */
static checkpoint *open_adapted(const char *path, int adapters, error *err)
{
    const char *plus = adapter_split(path);
    if (!plus)
        return open_plain(path, err);
    if (adapters == MAX_ADAPTERS) {
        fail(err, ERROR_LIMIT, "%.200s: more than the limit of %d adapters", path, MAX_ADAPTERS);
        return NULL;
    }
    char *base = memory_text_n(path, (size_t)(plus - path));
    checkpoint *c = open_adapted(base, adapters + 1, err);
    free(base);
    if (c && adapter_apply(c, plus + 1, err) != 0) {
        checkpoint_free(c);
        return NULL;
    }
    if (c) {
        free(c->name);
        c->name = memory_text(path);
    }
    return c;
}

checkpoint *checkpoint_open_lazy(const char *path, error *err)
{
    return open_adapted(path, 0, err);
}

checkpoint *checkpoint_open(const char *path, error *err)
{
    checkpoint *c = checkpoint_open_lazy(path, err);
    if (c && checkpoint_make(c, NULL, err) == 0)
        return c;
    checkpoint_free(c);
    return NULL;
}
