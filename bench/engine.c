/* usage: bench-engine [--threads N] [--backend NAME] MODEL MODE
 * MODE: decode:BATCH:STEPS     BATCH sequences of 8 prompt tokens, STEPS new tokens each
 *       prefill:TOKENS         one prompt
 *       mixed:N:SLOTS          N requests of 16..256 new tokens, drawn by a fixed seed
 *       limits                 FMA rate and DRAM read rate of this machine
 * Prints one JSON line: tokens a second of the phase that MODE names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "base/random.h"
#include "engine/engine.h"
#include "limits.h"
#include "options.h"

static request random_request(random_stream *s, int32_t vocab, size_t n, int max_new)
{
    int32_t *ids = memory_new(n, sizeof *ids);
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)(3 + random_below(s, (size_t)vocab - 3));
    return (request){.ids = ids, .n_ids = n, .max_new = max_new, .ignore_stops = true};
}

int main(int argc, char **argv)
{
    bench_options o = bench_options_read(argc, argv);
    const int n_threads = o.n_threads, at = o.next;
    const char *family = o.family;
    if (argc - at != 2) {
        fputs("usage: bench-engine [--threads N] [--backend NAME] MODEL decode:BATCH:STEPS|prefill:TOKENS|mixed:N:SLOTS|limits\n", stderr);
        return 2;
    }
    const char *mode = argv[at + 1], *colon = strchr(mode, ':');
    threads *pool = threads_new(n_threads);
    if (strcmp(mode, "limits") == 0) {
        limits_print(pool);
        return 0;
    }
    long a = colon ? strtol(colon + 1, NULL, 10) : 0, b = colon && strchr(colon + 1, ':') ? strtol(strchr(colon + 1, ':') + 1, NULL, 10) : 0;
    error err = {0};
    const backend *chosen = family ? backend_find(family, &err) : backend_best();
    checkpoint *c = chosen ? checkpoint_open(argv[at], &err) : NULL;
    plan *p = c ? plan_build(c, &err) : NULL;
    if (!p)
        goto failed;
    bool decode = strncmp(mode, "decode", 6) == 0, prefill = strncmp(mode, "prefill", 7) == 0;
    size_t n = prefill ? 1 : (size_t)a;
    engine_options options = {.backend = chosen, .pool = pool, .slots = decode ? (int)a : prefill ? 1 : (int)b, .no_prefix_sharing = true};
    random_stream s = random_stream_for(1, "bench", 0, 0);
    request *requests = memory_new(n, sizeof *requests);
    answer *answers = memory_new(n, sizeof *answers);
    for (size_t i = 0; i < n; i++) {
        int max_new = decode ? (int)b : prefill ? 1 : 16 + (int)random_below(&s, 241);
        requests[i] = random_request(&s, (int32_t)p->config.vocab, prefill ? (size_t)a : 8, max_new);
    }
    /* One token first, which reads the weights from their file: the peers' clocks start behind that, too. */
    request first = random_request(&s, (int32_t)p->config.vocab, 8, 1);
    answer ignored = {0};
    engine *cold = engine_new(p, &options, &err), *e = cold && engine_run(cold, &first, 1, &ignored, NULL, NULL, &err) == 0 ? engine_new(p, &options, &err) : NULL;
    if (!e)
        goto failed;
    double began = progress_seconds();
    if (engine_run(e, requests, n, answers, NULL, NULL, &err) != 0)
        goto failed;
    double seconds = progress_seconds() - began;
    engine_stats st = engine_statistics(e);
    double rate = decode ? (double)st.decode_tokens / st.decode_seconds : prefill ? (double)st.prefill_tokens / st.prefill_seconds : (double)st.decode_tokens / seconds;
    printf("{\"mode\": \"%s\", \"backend\": \"%s\", \"threads\": %d, \"tokens_per_s\": %.2f, \"seconds\": %.2f}\n", mode, chosen->name, n_threads, rate, seconds);
    return 0;
failed:
    fprintf(stderr, "engine: %s\n", err.text);
    return 1;
}
