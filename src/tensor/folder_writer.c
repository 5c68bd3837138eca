/* Invariants
 * 1. OUT appears complete or not at all: everything is written into OUT.partial, and folder_finish renames it.
 * 2. Nothing that is still read from is written over or removed: OUT is none of the inputs and holds none.
 * 3. A file in OUT.partial that has a shard's name is complete and on disk: it had another name until then. */
#include "tensor/folder_writer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "tensor/gguf.h"
#include "tensor/gguf_model.h"
#include "tensor/safetensors.h"

#define SHARD_BYTES 5000000000u
#define STATE "merganser-resume.json"

/* Files of a model's folder that go with it as they are. */
static const char *const companions[] = {
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "tokenizer.model", "vocab.json", "merges.txt",
    "added_tokens.json", "generation_config.json", "chat_template.jinja", "chat_template.json", "preprocessor_config.json",
    "processor_config.json",
};
#define COUNT(a) (sizeof(a) / sizeof *(a))

typedef struct shard {
    char *name;              /* "model-00001-of-00003.safetensors"; owned */
    size_t first, n;         /* of `order` */
    uint64_t header, bytes;  /* of the file's head, and of the tensors behind it */
    bool done;
} shard;

struct folder_writer {
    const checkpoint *outline;
    checkpoint_write_options options;
    char *out, *partial;     /* owned */
    size_t *order;           /* [count] items in the order of the files; owned */
    uint64_t *offset;        /* [count] of each item in its file; owned */
    shard *shards;           /* [n_shards]; owned */
    size_t n_shards, open;
    char *path;              /* of the open shard, until it is complete; owned */
    int fd;                  /* -1: none open */
    atomic_int failed;       /* errno of the write that failed first, and its item */
    atomic_size_t failed_item;
    bool began, finished;
};

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

/* Where companion i of the checkpoint is copied from; NULL where it has none, or one of its own making. free() it. */
static char *companion_source(const checkpoint *c, size_t i)
{
    char *source = c->folder && !checkpoint_file(c, companions[i]) ? file_join(c->folder, companions[i]) : NULL;
    if (source && !file_exists(source)) {
        free(source);
        return NULL;
    }
    return source;
}

/* Before hours of merging, not after them: a FIFO or a device beside the weights cannot be copied. */
static int check_companions(const checkpoint *c, error *err)
{
    int status = 0;
    for (size_t i = 0; i < COUNT(companions) && status == 0; i++) {
        char *source = companion_source(c, i);
        int fd = source ? file_open(source, err) : -1;
        status = source && fd < 0 ? -1 : 0;
        if (fd >= 0)
            close(fd);
        free(source);
    }
    return status;
}

static int check_input(const char *input, const char *out, const char *partial, error *err)
{
    if (input && (is_inside(input, out) || is_inside(input, partial)))
        return fail(err, ERROR_USAGE, "%s: the output would replace the input %s; give another output", out, input);
    return 0;
}

static int check_inputs(const folder_writer *w, error *err)
{
    const checkpoint *c = w->outline;
    if (check_input(c->folder, w->out, w->partial, err) != 0)
        return -1;
    for (size_t i = 0; i < c->n_buffers; i++)
        if (check_input(buffer_path(c->buffers[i]), w->out, w->partial, err) != 0)
            return -1;
    for (size_t i = 0; i < w->options.n_inputs; i++)
        if (check_input(w->options.inputs[i], w->out, w->partial, err) != 0)
            return -1;
    return 0;
}

/* Whether a folder holds what a model's folder does, or nothing. */
static bool may_be_replaced(DIR *folder)
{
    static const char *const endings[] = {"config.json", ".safetensors", ".safetensors.index.json", ".bin", "recipe.yml", "path.yml"};
    bool empty = true, model = false;
    for (struct dirent *entry; !model && (entry = file_next_entry(folder)); empty = false)
        for (size_t i = 0; i < COUNT(endings); i++)
            model = model || text_ends_with(entry->d_name, endings[i]);
    return empty || model;
}

static int check_out(const folder_writer *w, error *err)
{
    if (!w->out[0])
        return fail(err, ERROR_USAGE, "the output folder has no name");
    if (!file_exists(w->out))
        return 0;
    if (is_inside(".", w->out))
        return fail(err, ERROR_USAGE, "%s: the current folder lies in it, so it cannot be replaced; give another output", w->out);
    DIR *folder = opendir(w->out);
    bool empty = folder && !file_next_entry(folder);
    if (folder)
        rewinddir(folder);
    bool model = folder && may_be_replaced(folder);
    if (folder)
        closedir(folder);
    if (!w->options.replace && !empty)
        return fail(err, ERROR_USAGE, "%s: exists already and is not an empty folder; give another name or --force", w->out);
    if (folder && !model)
        return fail(err, ERROR_USAGE, "%s: is a folder without a model, which --force does not remove; give another name", w->out);
    return 0;
}

static int check_space(const folder_writer *w, error *err)
{
    uint64_t wanted = 0, free_bytes;
    for (size_t s = 0; s < w->n_shards; s++)
        wanted += w->shards[s].done ? 0 : w->shards[s].bytes;
    if (file_free_bytes(w->out, &free_bytes, err) != 0)
        return -1;
    return free_bytes >= wanted ? 0 : fail(err, ERROR_IO, "%s: needs %llu bytes, the file system has %llu free", w->out, (unsigned long long)wanted,
                                           (unsigned long long)free_bytes);
}

/* ---- the layout */

/* Wider elements first, so that every tensor stands on a multiple of its element; then by name, as the outline has them. */
static size_t *order_items(const checkpoint *c)
{
    size_t *order = memory_new(c->count, sizeof *order), n = 0;
    for (size_t width = 8; width; width /= 2)
        for (size_t i = 0; i < c->count; i++)
            if (dtype_size(c->items[i].tensor.dtype) == width)
                order[n++] = i;
    return order;
}

static const tensor *item_tensor(const folder_writer *w, size_t place)
{
    return &w->outline->items[w->order[place]].tensor;
}

static void lay_out(folder_writer *w)
{
    uint64_t limit = w->options.shard_bytes ? w->options.shard_bytes : SHARD_BYTES;
    w->order = order_items(w->outline);
    w->offset = memory_new(w->outline->count, sizeof *w->offset);
    for (size_t at = 0; at < w->outline->count || w->n_shards == 0;) {
        w->shards = memory_grow(w->shards, w->n_shards + 1, sizeof *w->shards);
        shard *s = &w->shards[w->n_shards++];
        *s = (shard){.first = at};
        for (; at < w->outline->count && (s->n == 0 || s->bytes + tensor_bytes(item_tensor(w, at)) <= limit); at++, s->n++) {
            w->offset[w->order[at]] = s->bytes;
            s->bytes += tensor_bytes(item_tensor(w, at));
        }
    }
    for (size_t s = 0; s < w->n_shards; s++)
        w->shards[s].name = w->n_shards == 1 ? memory_text("model.safetensors") : memory_print("model-%05zu-of-%05zu.safetensors", s + 1, w->n_shards);
}

static char *shard_header(const folder_writer *w, const shard *s, size_t *n, error *err)
{
    checkpoint_item *items = memory_new(s->n, sizeof *items);
    for (size_t i = 0; i < s->n; i++)
        items[i] = w->outline->items[w->order[s->first + i]];
    char *header = safetensors_header(s->name, items, s->n, n, err);
    free(items);
    return header;
}

/* ---- going on behind what an earlier run has finished */

static char *state_path(const folder_writer *w)
{
    return file_join(w->partial, STATE);
}

static int write_state(const folder_writer *w, error *err)
{
    json_t *state = json_pack("{s:s}", "key", w->options.key);
    char *text = json_print(state, 2), *path = state_path(w);
    int status = file_write(path, text, strlen(text), err);
    free(path);
    free(text);
    return status;
}

static int find_done(folder_writer *w, error *err)
{
    char *path = state_path(w);
    json_t *state = file_exists(path) ? json_read(path, 0, err) : NULL;
    const char *key = json_string_value(json_object_get(state, "key"));
    int status = 0;
    if (!file_exists(w->partial))
        status = fail(err, ERROR_USAGE, "%s: does not exist, so there is nothing to resume; leave out --resume", w->partial);
    else if (!key)
        status = fail(err, ERROR_FORMAT, "%s: says nothing that a merge can go on from; leave out --resume to begin again", w->partial);
    else if (strcmp(key, w->options.key) != 0)
        status = fail(err, ERROR_STATE, "%s: was begun with another recipe, other sources or other settings; leave out --resume to begin again", w->partial);
    for (size_t s = 0; s < w->n_shards && status == 0; s++) {
        char *file = file_join(w->partial, w->shards[s].name);
        uint64_t size = 0;
        size_t header = 0;
        if (file_exists(file)) {
            free(shard_header(w, &w->shards[s], &header, NULL));
            status = file_size(file, &size, err);
            if (status == 0 && size != header + w->shards[s].bytes)
                status = fail(err, ERROR_FORMAT, "%s: is %llu bytes long and should be %llu; leave out --resume to begin again", file, (unsigned long long)size,
                              (unsigned long long)(header + w->shards[s].bytes));
            w->shards[s].done = status == 0;
        }
        free(file);
    }
    json_decref(state);
    free(path);
    return status;
}

static bool is_kept(const folder_writer *w, const char *name)
{
    bool kept = strcmp(name, STATE) == 0;
    for (size_t s = 0; s < w->n_shards && !kept; s++)
        kept = w->shards[s].done && strcmp(name, w->shards[s].name) == 0;
    return kept;
}

/* What a killed run left half-written would otherwise be published with the rest. */
static int remove_strays(const folder_writer *w, error *err)
{
    DIR *folder = opendir(w->partial);
    int status = folder ? 0 : fail_errno(err, "%s", w->partial);
    for (struct dirent *entry; status == 0 && (entry = file_next_entry(folder));) {
        char *path = file_join(w->partial, entry->d_name);
        if (!is_kept(w, entry->d_name) && unlink(path) != 0)
            status = fail_errno(err, "%s", path);
        free(path);
    }
    if (folder)
        closedir(folder);
    return status;
}

static int make_partial(folder_writer *w, error *err)
{
    if (w->options.resume && w->options.key)
        return find_done(w, err) != 0 ? -1 : remove_strays(w, err);
    if (file_remove_tree(w->partial, err) != 0 || file_make_folders(w->partial, err) != 0)
        return -1;
    w->began = true;
    return w->options.key ? write_state(w, err) : 0;
}

folder_writer *folder_begin(const checkpoint *outline, const char *out, const checkpoint_write_options *options, error *err)
{
    folder_writer *w = memory_new(1, sizeof *w);
    w->outline = outline;
    w->fd = -1;
    w->out = memory_text(out);
    for (size_t n = strlen(w->out); n > 1 && w->out[n - 1] == '/'; n--)
        w->out[n - 1] = '\0';
    w->partial = file_partial(out);
    if (options)
        w->options = *options;
    lay_out(w);
    if (check_inputs(w, err) == 0 && check_out(w, err) == 0 && check_companions(outline, err) == 0 && (w->options.resume || check_space(w, err) == 0) && make_partial(w, err) == 0 &&
        check_space(w, err) == 0) {
        w->began = true;
        return w;
    }
    folder_free(w);
    return NULL;
}

bool folder_can_resume(const folder_writer *w)
{
    for (size_t s = 0; s < w->n_shards; s++)
        if (w->shards[s].done && w->options.key)
            return true;
    return false;
}

void folder_free(folder_writer *w)
{
    if (!w)
        return;
    if (w->fd >= 0) {
        close(w->fd);
        unlink(w->path);
    }
    if (w->began && !w->finished && !folder_can_resume(w))
        file_remove_tree(w->partial, NULL);
    for (size_t s = 0; s < w->n_shards; s++)
        free(w->shards[s].name);
    free(w->shards);
    free(w->order);
    free(w->offset);
    free(w->path);
    free(w->out);
    free(w->partial);
    free(w);
}

/* ---- shards */

size_t folder_shards(const folder_writer *w)
{
    return w->n_shards;
}

const size_t *folder_items(const folder_writer *w, size_t number, size_t *n)
{
    *n = w->shards[number].n;
    return w->order + w->shards[number].first;
}

uint64_t folder_shard_bytes(const folder_writer *w, size_t number)
{
    return w->shards[number].bytes;
}

bool folder_is_done(const folder_writer *w, size_t number)
{
    return w->shards[number].done;
}

int folder_open_shard(folder_writer *w, size_t number, error *err)
{
    shard *s = &w->shards[number];
    size_t n;
    char *header = shard_header(w, s, &n, err);
    if (!header)
        return -1;
    free(w->path);
    w->path = memory_print("%s/%s.part", w->partial, s->name);
    w->open = number;
    s->header = n;
    atomic_store(&w->failed, 0);
    w->fd = open(w->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int status = w->fd >= 0 && file_write_all(w->fd, header, n) == 0 ? 0 : fail_errno(err, "%s", w->path);
    free(header);
    return status;
}

void folder_put(folder_writer *w, size_t item, uint64_t offset, const void *bytes, size_t n)
{
    const char *at = bytes;
    uint64_t place = w->shards[w->open].header + w->offset[item] + offset;
    while (n && atomic_load_explicit(&w->failed, memory_order_relaxed) == 0) {
        ssize_t wrote = pwrite(w->fd, at, n, (off_t)place);
        int none = 0, problem = wrote == 0 ? EIO : errno;
        if (wrote > 0) {
            at += wrote;
            place += (uint64_t)wrote;
            n -= (size_t)wrote;
        } else if (problem != EINTR && atomic_compare_exchange_strong(&w->failed, &none, problem)) {
            atomic_store(&w->failed_item, item);
        }
    }
}

void folder_start_writing(folder_writer *w)
{
    sync_file_range(w->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

int folder_close_shard(folder_writer *w, error *err)
{
    shard *s = &w->shards[w->open];
    int status = 0;
    errno = atomic_load(&w->failed);
    if (errno) {
        const checkpoint_item *item = &w->outline->items[atomic_load(&w->failed_item)];
        status = fail_errno(err, "%s: writing '%s' (%zu bytes)", w->path, item->name, tensor_bytes(&item->tensor));
    } else if (fsync(w->fd) != 0) {
        status = fail_errno(err, "%s", w->path);
    }
    if (close(w->fd) != 0 && status == 0)
        status = fail_errno(err, "%s", w->path);
    w->fd = -1;
    char *path = file_join(w->partial, s->name);
    if (status == 0 && rename(w->path, path) != 0)
        status = fail_errno(err, "%s", path);
    if (status == 0)
        status = file_sync_folder(w->partial, err);
    s->done = status == 0;
    free(path);
    return status;
}

/* ---- what stands beside the shards */

static int write_index(const folder_writer *w, error *err)
{
    json_t *map = json_object(), *index = json_object();
    uint64_t total = 0;
    for (size_t s = 0; s < w->n_shards; s++) {
        total += w->shards[s].bytes;
        for (size_t i = 0; i < w->shards[s].n; i++)
            json_object_set_new(map, w->outline->items[w->order[w->shards[s].first + i]].name, json_string(w->shards[s].name));
    }
    json_object_set_new(index, "metadata", json_pack("{s:I}", "total_size", (json_int_t)total));
    json_object_set_new(index, "weight_map", map);
    char *text = json_print(index, 2), *path = file_join(w->partial, "model.safetensors.index.json");
    int status = file_write(path, text, strlen(text), err);
    free(path);
    free(text);
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

static int copy_companions(const checkpoint *c, const char *to, error *err)
{
    int status = 0;
    if (c->folder && gguf_is(c->folder))
        return gguf_write_companions(c, to, err);
    for (size_t i = 0; i < COUNT(companions) && status == 0; i++) {
        char *source = companion_source(c, i), *target = file_join(to, companions[i]);
        if (source)
            status = file_copy(source, target, err);
        free(source);
        free(target);
    }
    return status;
}

static int write_files(const char *folder, const struct checkpoint_file *files, size_t n, error *err)
{
    int status = 0;
    for (size_t i = 0; i < n && status == 0; i++) {
        char *path = file_join(folder, files[i].name);
        status = files[i].text ? file_write(path, files[i].text, strlen(files[i].text), err) : 0;
        free(path);
    }
    return status;
}

int folder_finish(folder_writer *w, error *err)
{
    int status = w->n_shards > 1 ? write_index(w, err) : 0;
    if (status == 0 && (write_config(w->outline, w->partial, err) != 0 || copy_companions(w->outline, w->partial, err) != 0 ||
                        write_files(w->partial, w->outline->files, w->outline->n_files, err) != 0 ||
                        write_files(w->partial, w->options.files, w->options.n_files, err) != 0))
        status = -1;
    if (status == 0)
        status = file_publish(w->out, w->options.replace, err);
    w->finished = status == 0;
    /* Only now: a failure before leaves something to go on from. It is there too where only the last fsync failed. */
    char *state = file_join(w->out, STATE);
    if (w->options.key)
        unlink(state);
    free(state);
    return status;
}
