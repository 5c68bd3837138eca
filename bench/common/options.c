#include "options.h"

#include <stdlib.h>
#include <string.h>

#include "base/threads.h"

bench_options bench_options_read(int argc, char **argv)
{
    bench_options o = {.n_threads = threads_available(), .next = 1};
    for (; o.next + 1 < argc && strncmp(argv[o.next], "--", 2) == 0; o.next += 2) {
        if (strcmp(argv[o.next], "--threads") == 0)
            o.n_threads = (int)strtol(argv[o.next + 1], NULL, 10);
        else if (strcmp(argv[o.next], "--backend") == 0)
            o.family = argv[o.next + 1];
    }
    return o;
}
