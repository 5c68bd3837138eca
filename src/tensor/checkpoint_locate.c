#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "tensor/adapter.h"
#include "tensor/checkpoint.h"

/* ORG/NAME[@REVISION] in the local Hugging Face cache: hub/models--ORG--NAME/snapshots/COMMIT; NULL where it is not. */
static char *cached_folder(const char *path)
{
    const char *slash = strchr(path, '/'), *at = strchr(path, '@');
    if (!slash || path[0] == '.' || path[0] == '/' || strchr(slash + 1, '/') || strstr(path, "..") || (at && at < slash))
        return NULL;
    const char *hub = getenv("HF_HUB_CACHE"), *home = getenv("HF_HOME"), *user = getenv("HOME");
    char *root = hub ? memory_text(hub) : home ? file_join(home, "hub") : file_join(user ? user : ".", ".cache/huggingface/hub");
    size_t n = at ? (size_t)(at - slash - 1) : strlen(slash + 1);
    char *name = memory_print("%s/models--%.*s--%.*s", root, (int)(slash - path), path, (int)n, slash + 1);
    char *reference = memory_print("%s/refs/%s", name, at ? at + 1 : "main");
    char *commit = file_exists(reference) ? file_read(reference, 4096, &n, NULL) : memory_text(at ? at + 1 : "main");
    char *folder = NULL;
    if (commit) {
        commit[strcspn(commit, "\r\n")] = '\0';
        folder = memory_print("%s/snapshots/%s", name, commit);
        if (!commit[0] || strchr(commit, '/') || !file_is_folder(folder)) {
            free(folder);
            folder = NULL;
        }
    }
    free(commit);
    free(reference);
    free(name);
    free(root);
    return folder;
}

/* NULL where there is nothing of that name. */
static char *locate_whole(const char *path, const char *file)
{
    if (file_exists(path))
        return memory_text(path);
    if (file) {
        char *folder = file_folder(file), *beside = file_join(folder, path);
        free(folder);
        if (file_exists(beside))
            return beside;
        free(beside);
    }
    return cached_folder(path);
}

/* BASE+ADAPTER: both halves, split at the last '+' behind which an adapter is found. NULL where there is none. */
static char *locate_halves(const char *path, const char *file)
{
    for (const char *plus = path + strlen(path); plus-- > path;) {
        char *adapter = *plus == '+' && plus[1] ? locate_whole(plus + 1, file) : NULL;
        if (!adapter)
            continue;
        char *base = memory_text_n(path, (size_t)(plus - path)), *where = checkpoint_locate(base, file), *both = memory_print("%s+%s", where, adapter);
        free(adapter);
        free(base);
        free(where);
        return both;
    }
    return NULL;
}

char *checkpoint_locate(const char *path, const char *file)
{
    char *found = locate_whole(path, file);
    if (!found)
        found = locate_halves(path, file);
    return found ? found : memory_text(path);
}

bool checkpoint_reads(const char *path, const char *file)
{
    char *rest = memory_text(path);
    bool reads = false;
    for (const char *plus; !reads && (plus = adapter_split(rest));) {
        reads = file_same(plus + 1, file);
        rest[plus - rest] = '\0';
    }
    reads = reads || file_same(rest, file);
    free(rest);
    return reads;
}
