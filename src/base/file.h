/* Files: reading whole, writing so that a kill leaves the old or the new and never a half,
 * output folders that appear only when they are complete, and SHA-256. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"

/* A descriptor of a regular file opened for reading (close() it), -1 on failure. Folders, devices, FIFOs and sockets are
 * refused by what they are; a symlink is judged by what it leads to. */
int file_open(const char *path, error *err);

/* The whole of a regular file of at most `limit` bytes, with a NUL behind it; free() it. Devices, FIFOs and folders are refused. */
char *file_read(const char *path, size_t limit, size_t *n, error *err);

/* Writes bytes to a temporary name in the same folder, fsyncs, renames, fsyncs the folder. */
int file_write(const char *path, const void *bytes, size_t n, error *err);

/* Writes all of it through short writes and interruptions. -1 leaves errno. */
int file_write_all(int fd, const void *bytes, size_t n);

bool file_exists(const char *path);       /* anything at all */
bool file_is_folder(const char *path);
int file_size(const char *path, uint64_t *size, error *err);
int file_copy(const char *from, const char *to, error *err);   /* atomic like file_write, in pieces */
int file_make_folders(const char *path, error *err);           /* mkdir -p */
struct dirent *file_next_entry(DIR *folder);                    /* readdir without . and .. */
int file_remove_tree(const char *path, error *err);            /* rm -r of a folder; absent is fine; follows no symlinks */
int file_sync_folder(const char *path, error *err);            /* fsync of the folder itself */
bool file_same(const char *a, const char *b);                  /* both exist and are the same inode */
int file_free_bytes(const char *path, uint64_t *bytes, error *err);  /* of the file system that holds path or its nearest existing parent */

/* "folder/name" joined, or name alone where it is absolute. free() it. */
char *file_join(const char *folder, const char *name);
char *file_folder(const char *path);      /* the folder part, "." where there is none; free() it */
const char *file_name(const char *path);  /* the part after the last '/'; borrowed */

/* An output folder: write everything into file_partial(out) = "OUT.partial", then file_publish renames it to OUT.
 * file_publish fsyncs every file in it first. An existing OUT is replaced only when `replace`. */
char *file_partial(const char *out);
int file_publish(const char *out, bool replace, error *err);

/* The lower-case hexadecimal SHA-256. */
void file_sha256(const void *bytes, size_t n, char hex[65]);
int file_sha256_path(const char *path, char hex[65], error *err);

#endif
