#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/progress.h"
#include "cmd/options.h"
#include "engine/engine.h"
#include "study/source.h"
#include "task/picture.h"
#include "task/shown.h"

static char *read_stdin(void)
{
    string text = {0};
    char block[4096];
    for (size_t n; (n = fread(block, 1, sizeof block, stdin)) > 0;)
        string_add(&text, block, n);
    if (text.length && text.text[text.length - 1] == '\n')
        text.text[--text.length] = '\0';
    return text.text ? text.text : memory_text("");
}

static void print_text(void *context, size_t request_index, const char *text)
{
    (void)context;
    (void)request_index;
    fputs(text, stdout);
    fflush(stdout);
}

static bool go_on(void *context, size_t done, size_t n, const engine_stats *stats)
{
    (void)context;
    (void)done;
    (void)n;
    (void)stats;
    return !progress_interrupted();
}

static void print_json(const answer *a)
{
    json_t *tokens = json_array();
    for (size_t i = 0; i < a->n_tokens; i++)
        json_array_append_new(tokens, json_integer(a->tokens[i]));
    json_t *object = json_pack("{s:s, s:o}", "text", a->text ? a->text : "", "tokens", tokens);
    json_dumpf(object, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(object);
}

/* The prompt's ids, its pictures looked at. */
static int make_prompt(const tokenizer *t, feature_store *features, const char *text, const text_list *pictures, bool one_view, int64_t vocab, shown *out, error *err)
{
    token_list marked = {0};
    const int n = (int)pictures->count;
    int status = n ? picture_encode(t, text, true, n, &marked, err) : tokenizer_encode(t, text, strlen(text), true, &marked, err);
    if (status == 0)
        status = shown_make(out, features, pictures->items, n, one_view ? FEATURES_ONE_VIEW : FEATURES_AS_CONFIGURED, &marked,
                            picture_token(t, feature_store_image_token(features), vocab), err);
    token_list_free(&marked);
    return status;
}

static int bounded(int64_t n)
{
    return (int)(n > INT32_MAX ? INT32_MAX : n < INT32_MIN ? INT32_MIN : n);
}

static int run(const command *self, int argc, char **argv)
{
    common_options common = {0};
    const char *prompt = NULL;
    int64_t max_new = 256, min_new = 0, beams = 1, seed = 0;
    bool one_view = false;
    double temperature = 0, top_p = 1, penalty = 1;
    text_list stops = {0}, pictures = {0};
    const option options[] = {
        {"prompt", 'p', OPTION_TEXT, &prompt, "TEXT", "the prompt (default: standard input)"},
        {"image", 'i', OPTION_LIST, &pictures, "FILE", "a picture (PNG, JPEG) where the prompt says <image>, else in front of it; may be given again"},
        {"one-view", 0, OPTION_FLAG, &one_view, NULL, "show a picture as one view, without tiles: LLaVA-1.6 as plain LLaVA"},
        {"max-new", 'n', OPTION_INT, &max_new, "N", "tokens to generate at most (default 256)"},
        {"min-new", 0, OPTION_INT, &min_new, "N", "no end token before N tokens (default 0)"},
        {"beams", 0, OPTION_INT, &beams, "N", "beam search over N sequences (default 1: none)"},
        {"stop", 0, OPTION_LIST, &stops, "TEXT", "end before this text; may be given again"},
        {"temperature", 0, OPTION_REAL, &temperature, "T", "0 (default) is greedy"},
        {"top-p", 0, OPTION_REAL, &top_p, "P", "sample from the likeliest tokens that make up P (default 1)"},
        {"repetition-penalty", 0, OPTION_REAL, &penalty, "R", "1 (default) is none"},
        {"seed", 0, OPTION_INT, &seed, "N", "of the sampling (default 0)"},
    };
    const char *words[1];
    int stop = options_parse(self, options, sizeof options / sizeof *options, argc, argv, words, 1, 1, &common);
    if (stop)
        return stop - 1;

    error err = {0};
    int status = -1;
    threads *pool = options_pool(&common);
    char *text = prompt ? memory_text(prompt) : read_stdin();
    source model = {0};
    plan *p = NULL;
    tokenizer *t = NULL;
    engine *e = NULL;
    shown asked = {0};
    feature_store *features = feature_store_new(NULL);
    answer result = {0};
    const backend *family = options_backend(&common, &err);
    if (!family || source_open(words[0], &(merge_options){.pool = pool, .memory = common.memory}, &model, &err) != 0)
        goto done;
    for (size_t i = 0; i < model.n_models; i++)
        if (checkpoint_check_finite(model.models[i], pool, &err) != 0)
            goto done;
    lineup l = source_lineup(&model);
    if (!(p = lineup_plan(&l, &err)) || !(t = tokenizer_of(model.models[0], &err)))
        goto done;
    if ((pictures.count > 0 && feature_store_take(features, model.models[0], family, pool, &err) != 0) ||
        make_prompt(t, features, text, &pictures, one_view, p->config.vocab, &asked, &err) != 0)
        goto done;
    e = engine_new(p, &(engine_options){.backend = family, .pool = pool, .tokenizer = t, .slots = beams > 1 ? bounded(beams) : 1,
                                        .kv_bytes = source_leaves(&model, common.memory)}, &err);
    if (!e)
        goto done;
    request r = {.ids = asked.ids.id, .n_ids = asked.ids.count, .pictures = asked.pictures, .n_pictures = asked.n,
                 .max_new = bounded(max_new), .min_new = bounded(min_new), .beams = bounded(beams), .stop_strings = stops.items, .n_stop_strings = (int)stops.count,
                 .temperature = (float)temperature, .top_p = (float)top_p, .seed = (uint64_t)seed, .repetition_penalty = (float)penalty};
    if (!common.json)
        engine_on_text(e, print_text, NULL);
    status = engine_run(e, &r, 1, &result, go_on, NULL, &err);
    if (status == 0 && result.finish == FINISH_NOT_FINITE)
        status = fail(&err, ERROR_NOT_FINITE, "%s: the logits are not finite", words[0]);
    if (status == 0 && result.finish == FINISH_INTERRUPTED)
        status = fail(&err, ERROR_INTERRUPTED, "interrupted");
    if (status == 0 && common.json)
        print_json(&result);
    else if (status == 0)
        putchar('\n');
    engine_stats stats = engine_statistics(e);
    if (status == 0)
        progress_say("%llu prompt tokens in %.2f s, %zu new in %.2f s (%s)", (unsigned long long)stats.prefill_tokens, stats.prefill_seconds,
                     result.n_tokens, stats.decode_seconds, family->name);
done:
    answers_free(&result, 1);
    shown_free(&asked);
    feature_store_free(features);
    free(pictures.items);
    engine_free(e);
    tokenizer_free(t);
    plan_free(p);
    source_close(&model);
    threads_free(pool);
    free(stops.items);
    free(text);
    return status == 0 ? 0 : options_fail(&err);
}

const command command_generate = {
    "generate", "MODEL", "Let a model (a folder, a recipe merged in memory, a path, or STUDY.db@N, @best, @mean, @STEP) continue a prompt.",
    "  merganser generate miniature/models/ja -p '3 + 4 = ' --max-new 20\n", run,
};
