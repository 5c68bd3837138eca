#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/memory.h"

#define PIECE ((size_t)1 << 20)   /* of a file that is not read whole */

static const char *kind_of(mode_t mode)
{
    return S_ISDIR(mode) ? "a folder" : S_ISFIFO(mode) ? "a FIFO" : S_ISSOCK(mode) ? "a socket" : "a device";
}

static int open_regular(const char *path, struct stat *info, error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail_errno(err, "%s", path);
    if (fstat(fd, info) != 0) {
        fail_errno(err, "%s", path);
        close(fd);
        return -1;
    }
    if (!S_ISREG(info->st_mode)) {
        close(fd);
        return fail(err, ERROR_IO, "%s: is %s, not a regular file", path, kind_of(info->st_mode));
    }
    return fd;
}

int file_open(const char *path, error *err)
{
    struct stat info;
    return open_regular(path, &info, err);
}

char *file_read(const char *path, size_t limit, size_t *n, error *err)
{
    struct stat info;
    int fd = open_regular(path, &info, err);
    if (fd < 0)
        return NULL;
    char *text = NULL;
    if ((uint64_t)info.st_size > limit) {
        fail(err, ERROR_LIMIT, "%s: %lld bytes, more than the limit of %zu", path, (long long)info.st_size, limit);
        goto done;
    }
    size_t size = (size_t)info.st_size, got = 0;
    text = memory_try(size + 1, path, err);
    if (!text)
        goto done;
    while (got < size) {
        ssize_t r = read(fd, text + got, size - got);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0) {
            if (r < 0)
                fail_errno(err, "%s", path);
            else
                fail(err, ERROR_IO, "%s: ended at %zu of %zu bytes while it was read", path, got, size);
            free(text);
            text = NULL;
            goto done;
        }
        got += (size_t)r;
    }
    text[size] = '\0';
    *n = size;
done:
    close(fd);
    return text;
}

int file_write_all(int fd, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n) {
        ssize_t w = write(fd, at, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return -1;
        at += w;
        n -= (size_t)w;
    }
    return 0;
}

int file_sync_folder(const char *path, error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail_errno(err, "%s", path);
    int status = fsync(fd) == 0 || errno == EINVAL ? 0 : fail_errno(err, "%s", path);
    close(fd);
    return status;
}

/* What is to become `path` under another name in the same folder, open for writing; -1 on failure. */
static int begin_file(const char *path, char **temporary, error *err)
{
    *temporary = memory_print("%s.tmp.%ld", path, (long)getpid());
    int fd = open(*temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd >= 0)
        return fd;
    fail_errno(err, "%s", *temporary);
    free(*temporary);
    return -1;
}

/* On disk and renamed where status is 0, else removed. */
static int end_file(const char *path, char *temporary, int fd, int status, error *err)
{
    char *folder = file_folder(path);
    if (status == 0 && fsync(fd) != 0)
        status = fail_errno(err, "%s", path);
    if (close(fd) != 0 && status == 0)
        status = fail_errno(err, "%s", path);
    if (status == 0 && rename(temporary, path) != 0)
        status = fail_errno(err, "%s", path);
    if (status == 0)
        status = file_sync_folder(folder, err);
    else
        unlink(temporary);
    free(folder);
    free(temporary);
    return status;
}

int file_write(const char *path, const void *bytes, size_t n, error *err)
{
    char *temporary;
    int fd = begin_file(path, &temporary, err);
    return fd < 0 ? -1 : end_file(path, temporary, fd, file_write_all(fd, bytes, n) == 0 ? 0 : fail_errno(err, "%s", path), err);
}

bool file_exists(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0;
}

bool file_is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

int file_size(const char *path, uint64_t *size, error *err)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return fail_errno(err, "%s", path);
    *size = (uint64_t)info.st_size;
    return 0;
}

static int copy_pieces(int from, const char *source, uint64_t size, int to, const char *path, error *err)
{
    char *piece = memory_new(PIECE, 1);
    uint64_t done = 0;
    int status = 0;
    for (ssize_t r = 1; r != 0 && status == 0; done += r > 0 ? (uint64_t)r : 0) {
        r = read(from, piece, PIECE);
        if (r < 0 && errno != EINTR)
            status = fail_errno(err, "%s", source);
        else if (r > 0 && file_write_all(to, piece, (size_t)r) != 0)
            status = fail_errno(err, "%s", path);
    }
    if (status == 0 && done != size)
        status = fail(err, ERROR_IO, "%s: gave %llu of %llu bytes; it must not change while it is copied", source, (unsigned long long)done, (unsigned long long)size);
    free(piece);
    return status;
}

int file_copy(const char *from, const char *to, error *err)
{
    struct stat info;
    char *temporary;
    int source = open_regular(from, &info, err), fd = source >= 0 ? begin_file(to, &temporary, err) : -1, status = -1;
    if (fd >= 0)
        status = end_file(to, temporary, fd, copy_pieces(source, from, (uint64_t)info.st_size, fd, to, err), err);
    if (source >= 0)
        close(source);
    return status;
}

int file_make_folders(const char *path, error *err)
{
    char *copy = memory_text(path);
    int status = 0;
    for (char *p = copy + (copy[0] == '/'); status == 0; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char kept = *p;
        *p = '\0';
        if (copy[0] && mkdir(copy, 0777) != 0 && (errno != EEXIST || !file_is_folder(copy)))
            status = fail_errno(err, "%s", copy);
        *p = kept;
        if (!kept)
            break;
    }
    free(copy);
    return status;
}

struct dirent *file_next_entry(DIR *folder)
{
    struct dirent *entry;
    do
        entry = readdir(folder);
    while (entry && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    return entry;
}

int file_remove_tree(const char *path, error *err)
{
    struct stat info;
    if (lstat(path, &info) != 0)
        return errno == ENOENT ? 0 : fail_errno(err, "%s", path);
    if (!S_ISDIR(info.st_mode))
        return unlink(path) == 0 ? 0 : fail_errno(err, "%s", path);
    DIR *folder = opendir(path);
    if (!folder)
        return fail_errno(err, "%s", path);
    int status = 0;
    for (struct dirent *entry; status == 0 && (entry = file_next_entry(folder));) {
        char *inner = file_join(path, entry->d_name);
        status = file_remove_tree(inner, err);
        free(inner);
    }
    closedir(folder);
    if (status == 0 && rmdir(path) != 0)
        status = fail_errno(err, "%s", path);
    return status;
}

bool file_same(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int file_free_bytes(const char *path, uint64_t *bytes, error *err)
{
    char *at = memory_text(path);
    while (!file_exists(at) && strcmp(at, ".") != 0 && strcmp(at, "/") != 0) {
        char *up = file_folder(at);
        free(at);
        at = up;
    }
    struct statvfs info;
    int status = statvfs(at, &info) == 0 ? 0 : fail_errno(err, "%s", at);
    if (status == 0)
        *bytes = (uint64_t)info.f_bavail * info.f_frsize;
    free(at);
    return status;
}

char *file_join(const char *folder, const char *name)
{
    if (name[0] == '/' || !folder || !folder[0])
        return memory_text(name);
    size_t n = strlen(folder);
    return memory_print("%s%s%s", folder, folder[n - 1] == '/' ? "" : "/", name);
}

char *file_folder(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    while (n > 1 && path[n - 1] == '/')
        n--;
    return n ? memory_text_n(path, n) : memory_text(".");
}

const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *file_partial(const char *out)
{
    size_t n = strlen(out);
    while (n > 1 && out[n - 1] == '/')
        n--;
    return memory_print("%.*s.partial", (int)n, out);
}

static int sync_tree(const char *path, error *err)
{
    DIR *folder = opendir(path);
    if (!folder)
        return fail_errno(err, "%s", path);
    int status = 0;
    for (struct dirent *entry; status == 0 && (entry = file_next_entry(folder));) {
        char *inner = file_join(path, entry->d_name);
        struct stat info;
        if (lstat(inner, &info) != 0) {
            status = fail_errno(err, "%s", inner);
        } else if (S_ISDIR(info.st_mode)) {
            status = sync_tree(inner, err);
        } else if (S_ISREG(info.st_mode)) {
            int fd = open(inner, O_RDONLY | O_CLOEXEC);
            if (fd < 0 || fsync(fd) != 0)
                status = fail_errno(err, "%s", inner);
            if (fd >= 0)
                close(fd);
        }
        free(inner);
    }
    closedir(folder);
    return status == 0 ? file_sync_folder(path, err) : status;
}

/* Puts partial in the place of what stands at out: at one stroke where the file system can exchange two names. */
static int replace_folder(const char *partial, const char *out, error *err)
{
    if (renameat2(AT_FDCWD, partial, AT_FDCWD, out, RENAME_EXCHANGE) == 0)
        return file_remove_tree(partial, err);
    char *old = memory_print("%s.old", partial);
    int status = file_remove_tree(old, err);
    if (status == 0 && rename(out, old) != 0)
        status = fail_errno(err, "%s", out);
    else if (status == 0 && rename(partial, out) != 0) {
        status = fail_errno(err, "%s", out);
        if (rename(old, out) != 0)
            fail_errno(err, "%s: the former content is in %s", out, old);
    } else if (status == 0) {
        status = file_remove_tree(old, err);
    }
    free(old);
    return status;
}

int file_publish(const char *out, bool replace, error *err)
{
    char *partial = file_partial(out), *folder = file_folder(out);
    int status = sync_tree(partial, err);
    bool exists = file_exists(out);
    if (status == 0 && exists && !replace && rmdir(out) != 0)
        status = fail(err, ERROR_IO, "%s: exists already and is not an empty folder; give another name or --force", out);
    else if (status == 0 && exists && replace)
        status = replace_folder(partial, out, err);
    else if (status == 0 && rename(partial, out) != 0)
        status = fail_errno(err, "%s", out);
    if (status == 0)
        status = file_sync_folder(folder, err);
    free(folder);
    free(partial);
    return status;
}

static void to_hex(const unsigned char digest[32], char hex[65])
{
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

void file_sha256(const void *bytes, size_t n, char hex[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    EVP_Digest(bytes, n, digest, NULL, EVP_sha256(), NULL);
    to_hex(digest, hex);
}

int file_sha256_path(const char *path, char hex[65], error *err)
{
    struct stat info;
    int fd = open_regular(path, &info, err);
    if (fd < 0)
        return -1;
    unsigned char *bytes = memory_new(PIECE, 1), digest[EVP_MAX_MD_SIZE] = {0};
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    EVP_DigestInit_ex(hash, EVP_sha256(), NULL);
    ssize_t r;
    while ((r = read(fd, bytes, PIECE)) > 0 || (r < 0 && errno == EINTR))
        if (r > 0)
            EVP_DigestUpdate(hash, bytes, (size_t)r);
    int status = r < 0 ? fail_errno(err, "%s", path) : 0;
    EVP_DigestFinal_ex(hash, digest, NULL);
    EVP_MD_CTX_free(hash);
    free(bytes);
    close(fd);
    to_hex(digest, hex);
    return status;
}
