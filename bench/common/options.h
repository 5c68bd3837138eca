/* --threads N and --backend NAME before what a benchmark is told. */
#ifndef BENCH_COMMON_OPTIONS_H
#define BENCH_COMMON_OPTIONS_H

typedef struct bench_options {
    int n_threads;          /* default: all of the machine */
    const char *family;     /* NULL: the best; borrowed */
    int next;               /* the first word behind the options */
} bench_options;

bench_options bench_options_read(int argc, char **argv);

#endif
