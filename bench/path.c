/* usage: bench-path [--threads N] MODEL [HOPS=60]
 *
 * A path of HOPS hops, layers repeated, through one model, beside the plain model: time a token when one sequence decodes, least of ten
 * runs taken in turn, against head + HOPS / layers x the plain model's layers. Keys and values for every hop, weights in memory once:
 * the process's resident file pages and anonymous memory are printed. Exits 1 above 1.05 times the expected time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "base/random.h"
#include "engine/engine.h"
#include "model/lineup.h"

#define RUNS 10
#define NEW_TOKENS 16
#define MOST 1.05

static double status_mib(const char *key)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    double kb = 0;
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, key, strlen(key)) == 0)
            kb = strtod(line + strlen(key) + 1, NULL);
    if (f)
        fclose(f);
    return kb / 1024;
}

static double token_seconds(engine *e, const plan *p)
{
    int32_t ids[8];
    error err = {0};
    answer a;
    random_stream s = random_stream_for(1, "bench", 0, 0);
    for (int i = 0; i < 8; i++)
        ids[i] = (int32_t)(3 + random_below(&s, (size_t)p->config.vocab - 3));
    request r = {.ids = ids, .n_ids = 8, .max_new = NEW_TOKENS, .ignore_stops = true};
    if (engine_run(e, &r, 1, &a, NULL, NULL, &err) != 0) {
        fprintf(stderr, "bench-path: %s\n", err.text);
        exit(2);
    }
    answers_free(&a, 1);
    engine_stats st = engine_statistics(e);
    return st.decode_seconds / (double)st.decode_tokens;
}

static double head_seconds(const plan *p, threads *pool, float *x, float *logits)
{
    double began = progress_seconds();
    for (int i = 0; i < NEW_TOKENS; i++)
        backend_best()->matmul(&p->head, x, p->config.hidden, logits, p->config.vocab, 1, pool);
    return (progress_seconds() - began) / NEW_TOKENS;
}

static double least(double a, double b)
{
    return b < a ? b : a;
}

int main(int argc, char **argv)
{
    int n_threads = threads_available(), at = 1;
    if (argc > 2 && strcmp(argv[1], "--threads") == 0) {
        n_threads = (int)strtol(argv[2], NULL, 10);
        at = 3;
    }
    if (argc - at < 1 || argc - at > 2) {
        fputs("usage: bench-path [--threads N] MODEL [HOPS]\n", stderr);
        return 2;
    }
    error err = {0};
    int hops = argc - at == 2 ? (int)strtol(argv[at + 1], NULL, 10) : 60;
    threads *pool = threads_new(n_threads);
    checkpoint *model = checkpoint_open(argv[at], &err);
    plan *plain = model ? plan_build(model, &err) : NULL;
    layer_path *way = path_new();
    path_add_source(way, "model", argv[at]);
    for (int i = 0; plain && i < hops; i++)
        path_add_hop(way, 0, (int)((int64_t)i * 7 % plain->config.layers), i % 3 ? 1 : 0.9);
    plan *path = plain ? lineup_plan(&(lineup){.models = &model, .path = way}, &err) : NULL;
    engine_options options = {.pool = pool, .slots = 1};
    engine *engines[2] = {path ? engine_new(plain, &options, &err) : NULL, path ? engine_new(path, &options, &err) : NULL};
    if (!engines[0] || !engines[1]) {
        fprintf(stderr, "bench-path: %s\n", err.text);
        return 2;
    }
    float *x = memory_new((size_t)plain->config.hidden, sizeof *x), *logits = memory_new((size_t)plain->config.vocab, sizeof *logits);
    double seconds[2] = {1e9, 1e9}, head = 1e9;
    for (int run = 0; run < RUNS; run++) {
        head = least(head, head_seconds(plain, pool, x, logits));
        for (int k = 0; k < 2; k++)
            seconds[k] = least(seconds[k], token_seconds(engines[k], k ? path : plain));
    }
    double layers = seconds[0] - head, expected = head + layers * hops / (double)plain->n_hops;
    printf("%s: %d layers %.2f ms a token (head %.2f, layers %.2f); %d hops %.2f ms, expected %.2f: %.3f times\n", argv[at], plain->n_hops,
           1e3 * seconds[0], 1e3 * head, 1e3 * layers, hops, 1e3 * seconds[1], 1e3 * expected, seconds[1] / expected);
    printf("weights %.0f MiB in the file; resident file pages %.0f MiB, anonymous %.0f MiB; keys and values of 1024 positions: %.1f MiB plain, %.1f on the path\n",
           (double)checkpoint_bytes(model) / 1048576, status_mib("RssFile"), status_mib("RssAnon"), (double)engine_kv_bytes(plain, 1024) / 1048576,
           (double)engine_kv_bytes(path, 1024) / 1048576);
    return seconds[1] > MOST * expected;
}
