/* usage: bench-vision [--threads N] [--backend NAME] MODEL MODE
 * MODE: see:VIEWS:TEXT          the features of a random picture of so many views, then the prompt of them and TEXT tokens, up to the first token
 *       beams:QUESTIONS:ROWS:BEAMS:STEPS   QUESTIONS prompts of ROWS random rows of features and 16 tokens, STEPS new tokens by beam search
 *       limits                  FMA rate and DRAM read rate of this machine
 * Prints one JSON line; the first pass of each, which reads the weights from their file, does not count. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/progress.h"
#include "base/random.h"
#include "engine/engine.h"
#include "engine/features.h"
#include "limits.h"
#include "options.h"

typedef struct seen { double features, total, cpu; } seen;   /* seconds; cpu: of all threads together */

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *random_rows(random_stream *s, size_t n, float scale)
{
    float *x = memory_new(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = scale * (float)(2 * random_uniform(s) - 1);
    return x;
}

static request random_prompt(random_stream *s, const plan *p, const float *rows, size_t n_rows, size_t text)
{
    int32_t *ids = memory_new(n_rows + text, sizeof *ids);
    for (size_t i = 0; i < n_rows + text; i++)
        ids[i] = i < n_rows ? 0 : (int32_t)(3 + random_below(s, (size_t)p->config.vocab - 3));
    request_picture *picture = memory_new(1, sizeof *picture);
    *picture = (request_picture){.rows = rows, .n = n_rows};
    return (request){.ids = ids, .n_ids = n_rows + text, .pictures = picture, .n_pictures = 1, .ignore_stops = true};
}

static int see(const plan *p, const tower *t, const engine_options *o, long views, long text, seen *out, error *err)
{
    random_stream s = random_stream_for(1, "bench", 0, 0);
    const size_t side = (size_t)t->config.image_size, rows = (size_t)(views * vision_config_features(&t->config));
    float *pixels = random_rows(&s, (size_t)views * 3 * side * side, 2), *features = memory_new(rows * (size_t)t->width, sizeof *features);
    const features_job job = {.tower = t, .backend = o->backend, .pool = o->pool};
    request r = random_prompt(&s, p, features, rows, (size_t)text);
    answer a = {0};
    r.max_new = 1;
    engine *e = engine_new(p, o, err);
    double began = progress_seconds(), cpu = cpu_seconds();
    int status = e ? features_run(&job, pixels, views, features, err) : -1;
    out->features = progress_seconds() - began;
    if (status == 0)
        status = engine_run(e, &r, 1, &a, NULL, NULL, err);
    out->total = progress_seconds() - began;
    out->cpu = cpu_seconds() - cpu;
    answers_free(&a, 1);
    engine_free(e);
    free(pixels);
    free(features);
    return status;
}

static int beams(const plan *p, const engine_options *o, const long v[4], int steps, double *seconds, double *cpu, engine_stats *stats, error *err)
{
    random_stream s = random_stream_for(1, "bench", 0, 0);
    const size_t n = (size_t)v[0];
    request *requests = memory_new(n, sizeof *requests);
    answer *answers = memory_new(n, sizeof *answers);
    for (size_t i = 0; i < n; i++) {
        requests[i] = random_prompt(&s, p, random_rows(&s, (size_t)(v[1] * p->config.hidden), 0.05f), (size_t)v[1], 16);
        requests[i].beams = (int)v[2];
        requests[i].max_new = steps;
        requests[i].repetition_penalty = 1.5f;
    }
    engine *e = engine_new(p, o, err);
    double began = progress_seconds(), cpu_began = cpu_seconds();
    int status = e ? engine_run(e, requests, n, answers, NULL, NULL, err) : -1;
    *seconds = progress_seconds() - began;
    *cpu = cpu_seconds() - cpu_began;
    if (e)
        *stats = engine_statistics(e);
    answers_free(answers, n);
    engine_free(e);
    return status;
}

int main(int argc, char **argv)
{
    bench_options o = bench_options_read(argc, argv);
    const int n_threads = o.n_threads, at = o.next;
    const char *family = o.family;
    if (argc - at != 2) {
        fputs("usage: bench-vision [--threads N] [--backend NAME] MODEL see:VIEWS:TEXT|beams:QUESTIONS:ROWS:BEAMS:STEPS|limits\n", stderr);
        return 2;
    }
    const char *mode = argv[at + 1];
    threads *pool = threads_new(n_threads);
    if (strcmp(mode, "limits") == 0) {
        limits_print(pool);
        return 0;
    }
    long v[4] = {0};
    const char *number = strchr(mode, ':');
    for (int i = 0; i < 4 && number; i++, number = strchr(number + 1, ':'))
        v[i] = strtol(number + 1, NULL, 10);
    error err = {0};
    const backend *chosen = family ? backend_find(family, &err) : backend_best();
    checkpoint *c = chosen ? checkpoint_open(argv[at], &err) : NULL;
    plan *p = c ? plan_build(c, &err) : NULL;
    if (!p)
        goto failed;
    const engine_options options = {.backend = chosen, .pool = pool};
    if (strncmp(mode, "see", 3) == 0) {
        seen s;
        tower *t = tower_build(c, &err);
        if (!t || see(p, t, &options, v[0], v[1], &s, &err) != 0 || see(p, t, &options, v[0], v[1], &s, &err) != 0)
            goto failed;
        printf("{\"mode\": \"%s\", \"backend\": \"%s\", \"threads\": %d, \"features_s\": %.3f, \"seconds\": %.3f, \"cpu_s\": %.3f}\n", mode, chosen->name, n_threads, s.features, s.total, s.cpu);
    } else {
        double seconds, cpu;
        engine_stats stats;
        if (beams(p, &options, v, 2, &seconds, &cpu, &stats, &err) != 0 || beams(p, &options, v, (int)v[3], &seconds, &cpu, &stats, &err) != 0)
            goto failed;
        printf("{\"mode\": \"%s\", \"backend\": \"%s\", \"threads\": %d, \"seconds\": %.3f, \"cpu_s\": %.3f, \"prefill_s\": %.3f, \"decode_s\": %.3f}\n", mode, chosen->name, n_threads, seconds, cpu,
               stats.prefill_seconds, stats.decode_seconds);
    }
    return 0;
failed:
    fprintf(stderr, "vision: %s\n", err.text);
    return 1;
}
