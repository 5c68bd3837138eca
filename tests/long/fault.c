/* A disk that fails: preloaded into the program, counts the calls that change a file system and from the FAULT_AT-th on (from 1) lets them fail
 * with ENOSPC, or ends the process with SIGKILL before it (FAULT_KILL set). At exit the count goes into the file FAULT_COUNT. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long calls;

static int fails(void)
{
    const char *at = getenv("FAULT_AT");
    long n = atomic_fetch_add(&calls, 1) + 1;
    if (!at || n < atol(at))
        return 0;
    if (getenv("FAULT_KILL"))
        kill(getpid(), SIGKILL);
    errno = ENOSPC;
    return 1;
}

__attribute__((destructor)) static void tell(void)
{
    const char *path = getenv("FAULT_COUNT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (file) {
        fprintf(file, "%ld\n", atomic_load(&calls));
        fclose(file);
    }
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t n)
{
    return fd > 2 && fails() ? -1 : REAL(write)(fd, bytes, n);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    return fails() ? -1 : REAL(pwrite)(fd, bytes, n, at);
}

int fsync(int fd)
{
    return fails() ? -1 : REAL(fsync)(fd);
}

int rename(const char *from, const char *to)
{
    return fails() ? -1 : REAL(rename)(from, to);
}

int mkdir(const char *path, mode_t mode)
{
    return fails() ? -1 : REAL(mkdir)(path, mode);
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return flags & O_CREAT && fails() ? -1 : REAL(open)(path, flags, mode);
}
