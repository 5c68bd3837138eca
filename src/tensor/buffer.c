/* Invariants
 * 1. A live mapping stands in the list `mappings` from before its bytes can be read until just before it is unmapped.
 * 2. The signal handler only reads the list. Nodes are never freed, only used again, so it needs no lock; a node
 *    with end == 0 is nobody's.
 * 3. A file that is cut short lacks everything behind the cut: the handler covers the whole rest of the mapping
 *    with zero pages at once, so a mapping ends as two areas and not as one for every page that was touched. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "tensor/tensor.h"

_Static_assert(ATOMIC_POINTER_LOCK_FREE == 2, "the signal handler needs lock-free atomics");

struct mapping {
    atomic_uintptr_t begin, end;
    atomic_bool hole;      /* a read met the missing part of the file */
    bool used;             /* under the lock */
    struct mapping *next;  /* set before the node is published */
};

struct buffer {
    void *bytes;
    size_t size;
    atomic_int references;
    struct mapping *mapping;  /* NULL for host memory; belongs to the list */
    char *path;               /* owned; NULL for host memory */
    dev_t device;             /* which file was mapped: its name may come to mean another */
    ino_t inode;
};

static struct mapping *_Atomic mappings;
static pthread_mutex_t mappings_lock = PTHREAD_MUTEX_INITIALIZER;
static uintptr_t page_size;

static bool cover_hole(uintptr_t at)
{
    for (struct mapping *m = atomic_load(&mappings); m; m = m->next) {
        uintptr_t end = atomic_load(&m->end), begin = atomic_load(&m->begin);
        if (at < begin || at >= end)
            continue;
        uintptr_t page = at & ~(page_size - 1);
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
        atomic_store(&m->hole, true);
        return mmap((void *)page, end - page, PROT_READ, flags, -1, 0) != MAP_FAILED;
    }
    return false;
}

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    (void)context;
    int saved = errno;
    bool fault = info->si_code > 0;
    if (!fault || !cover_hole((uintptr_t)info->si_addr)) {
        signal(number, SIG_DFL);
        if (!fault)
            raise(number);
    }
    errno = saved;
}

/* Asked at every mapping: a library (or a test's framework) may have put its own handler in between. */
static void install_handler(void)
{
    struct sigaction now, ours = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};
    if (sigaction(SIGBUS, NULL, &now) != 0 || now.sa_sigaction != on_bus_error)
        sigaction(SIGBUS, &ours, NULL);
}

static struct mapping *mapping_add(void *bytes, size_t size)
{
    pthread_mutex_lock(&mappings_lock);
    struct mapping *m = atomic_load(&mappings);
    while (m && m->used)
        m = m->next;
    if (!m) {
        m = memory_new(1, sizeof *m);
        m->next = atomic_load(&mappings);
        atomic_store(&mappings, m);
    }
    page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
    install_handler();
    m->used = true;
    atomic_store(&m->hole, false);
    atomic_store(&m->begin, (uintptr_t)bytes);
    atomic_store(&m->end, (uintptr_t)bytes + size);
    pthread_mutex_unlock(&mappings_lock);
    return m;
}

static void mapping_remove(struct mapping *m)
{
    pthread_mutex_lock(&mappings_lock);
    atomic_store(&m->end, 0);
    m->used = false;
    pthread_mutex_unlock(&mappings_lock);
}

buffer *buffer_new(size_t bytes, const char *what, error *err)
{
    void *p = MAP_FAILED;
    if (bytes <= PTRDIFF_MAX)
        p = mmap(NULL, bytes ? bytes : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        fail(err, ERROR_MEMORY, "no memory for %s (%zu bytes)", what, bytes);
        return NULL;
    }
    /* Weights are read in long rows: fewer, larger pages. A refusal changes nothing. */
    if (bytes >= (size_t)4 << 20)
        madvise(p, bytes, MADV_HUGEPAGE);
    buffer *b = memory_new(1, sizeof *b);
    b->bytes = p;
    b->size = bytes;
    atomic_init(&b->references, 1);
    return b;
}

buffer *buffer_map(const char *path, error *err)
{
    buffer *b = NULL;
    struct stat info;
    void *p = NULL;
    int fd = file_open(path, err);
    if (fd < 0)
        return NULL;
    if (fstat(fd, &info) != 0) {
        fail_errno(err, "%s", path);
        goto done;
    }
    if (info.st_size > 0)
        p = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        fail_errno(err, "%s: cannot be mapped (%lld bytes)", path, (long long)info.st_size);
        goto done;
    }
    b = memory_new(1, sizeof *b);
    b->bytes = p;
    b->size = (size_t)info.st_size;
    b->mapping = mapping_add(p, b->size);
    b->path = memory_text(path);
    b->device = info.st_dev;
    b->inode = info.st_ino;
    atomic_init(&b->references, 1);
done:
    close(fd);
    return b;
}

buffer *buffer_share(buffer *b)
{
    atomic_fetch_add(&b->references, 1);
    return b;
}

void buffer_free(buffer *b)
{
    if (!b || atomic_fetch_sub(&b->references, 1) > 1)
        return;
    if (b->mapping)
        mapping_remove(b->mapping);
    if (b->bytes)
        munmap(b->bytes, b->size ? b->size : 1);
    free(b->path);
    free(b);
}

void *buffer_bytes(const buffer *b)
{
    return b->bytes;
}

size_t buffer_size(const buffer *b)
{
    return b->size;
}

bool buffer_is_mapped(const buffer *b)
{
    return b->mapping != NULL;
}

const char *buffer_path(const buffer *b)
{
    return b->path;
}

int buffer_check(const buffer *b, error *err)
{
    if (!b->mapping)
        return 0;
    /* The last page of a file that was cut inside it reads as zeros without a signal: the size tells. */
    struct stat info;
    bool same = stat(b->path, &info) == 0 && info.st_dev == b->device && info.st_ino == b->inode;
    if (same && (uint64_t)info.st_size != b->size)
        return fail(err, ERROR_IO, "%s: was %zu bytes when it was opened and is %lld now; it must not change while it is in use",
                    b->path, b->size, (long long)info.st_size);
    if (atomic_load(&b->mapping->hole))
        return fail(err, ERROR_IO, "%s: part of its %zu bytes could not be read (cut short while in use, or a failing disk)",
                    b->path, b->size);
    return 0;
}

static void advise(const buffer *b, size_t begin, size_t end, int advice)
{
    if (!b->mapping || !b->bytes)
        return;
    size_t page = page_size, first = begin & ~(page - 1), last = end > b->size ? b->size : end;
    if (first < last)
        madvise((char *)b->bytes + first, last - first, advice);
}

void buffer_expect_pages(const buffer *b, size_t begin, size_t end)
{
    advise(b, begin, end, MADV_WILLNEED);
}

void buffer_release_pages(const buffer *b, size_t begin, size_t end)
{
    size_t page = page_size;
    advise(b, (begin + page - 1) & ~(page - 1), end >= b->size ? b->size : end & ~(page - 1), MADV_DONTNEED);
}
