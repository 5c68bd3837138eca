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
#include "text/chat.h"

/* A model that is ready to speak. */
typedef struct speaker {
    const char *name;
    source model;
    plan *plan;
    tokenizer *tokenizer;
    engine *engine;
    chat *chat;                /* NULL: prompts are taken as they are */
    const backend *family;
    feature_store *features;   /* of the pictures */
    const text_list *pictures; /* files, where the prompt says <image> or in front of it */
    enum feature_views views;
    request settings;          /* without a prompt */
    bool json;
} speaker;

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

/* ---- the speaker */

static int open_speaker(speaker *s, threads *pool, size_t memory, bool with_chat, error *err)
{
    if (source_open(s->name, &(merge_options){.pool = pool, .memory = memory}, &s->model, err) != 0)
        return -1;
    for (size_t i = 0; i < s->model.n_models; i++)
        if (checkpoint_check_finite(s->model.models[i], pool, err) != 0)
            return -1;
    lineup l = source_lineup(&s->model);
    if (!(s->plan = lineup_plan(&l, err)) || !(s->tokenizer = tokenizer_of(s->model.models[0], err)) ||
        (with_chat && !(s->chat = chat_of(s->model.models[0], s->tokenizer, false, err))) ||
        (s->pictures->count > 0 && feature_store_take(s->features, s->model.models[0], s->family, pool, err) != 0))
        return -1;
    const engine_options options = {.backend = s->family, .pool = pool, .tokenizer = s->tokenizer, .slots = s->settings.beams > 1 ? s->settings.beams : 1,
                                    .kv_bytes = source_leaves(&s->model, memory)};
    s->engine = engine_new(s->plan, &options, err);
    if (s->engine && !s->json)
        engine_on_text(s->engine, print_text, NULL);
    return s->engine ? 0 : -1;
}

static void close_speaker(speaker *s)
{
    feature_store_free(s->features);
    engine_free(s->engine);
    chat_free(s->chat);
    tokenizer_free(s->tokenizer);
    plan_free(s->plan);
    source_close(&s->model);
}

/* The prompt's tokens, with its pictures in. special: with the BOS and the like that the tokenizer puts around texts. */
static int read_prompt(speaker *s, const char *text, size_t n, bool special, shown *out, error *err)
{
    token_list marked = {0};
    const int pictures = (int)s->pictures->count;
    int status = pictures ? picture_encode(s->tokenizer, text, special, pictures, &marked, err) : tokenizer_encode(s->tokenizer, text, n, special, &marked, err);
    if (status == 0)
        status = shown_make(out, s->features, s->pictures->items, pictures, s->views, &marked,
                            picture_token(s->tokenizer, feature_store_image_token(s->features), s->plan->config.vocab), err);
    token_list_free(&marked);
    return status;
}

/* Streams the answer to stdout. */
static int speak(speaker *s, const shown *prompt, answer *out, error *err)
{
    request r = s->settings;
    r.ids = prompt->ids.id;
    r.n_ids = prompt->ids.count;
    r.pictures = prompt->pictures;
    r.n_pictures = prompt->n;
    int status = engine_run(s->engine, &r, 1, out, go_on, NULL, err);
    if (status == 0 && out->finish == FINISH_NOT_FINITE)
        status = fail(err, ERROR_NOT_FINITE, "%s: the logits are not finite", s->name);
    if (status == 0 && out->finish == FINISH_INTERRUPTED)
        status = fail(err, ERROR_INTERRUPTED, "interrupted");
    if (status == 0 && s->json)
        print_json(out);
    else if (status == 0)
        putchar('\n');
    fflush(stdout);
    return status;
}

static void tell_speed(const speaker *s, const answer *a)
{
    engine_stats stats = engine_statistics(s->engine);
    progress_say("%llu prompt tokens in %.2f s, %zu new in %.2f s (%s)", (unsigned long long)stats.prefill_tokens, stats.prefill_seconds, a->n_tokens,
                 stats.decode_seconds, s->family->name);
}

/* ---- a prompt to continue */

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

static int continue_prompt(speaker *s, const char *text, error *err)
{
    shown prompt = {0};
    answer result = {0};
    int status = read_prompt(s, text, strlen(text), true, &prompt, err);
    if (status == 0)
        status = speak(s, &prompt, &result, err);
    if (status == 0)
        tell_speed(s, &result);
    answers_free(&result, 1);
    shown_free(&prompt);
    return status;
}

/* ---- a conversation */

/* The user's first message is the one with the pictures: in front, unless it says where. */
static void say(const speaker *s, json_t *messages, const char *text)
{
    const char *last = json_string_value(json_object_get(json_array_get(messages, json_array_size(messages) - 1), "role"));
    const bool first = !last || strcmp(last, "assistant") != 0;
    string whole = {0};
    for (size_t i = 0; first && i < s->pictures->count && !strstr(text, PICTURE_MARK); i++)
        string_puts(&whole, PICTURE_MARK "\n");
    string_puts(&whole, text);
    chat_say(messages, "user", whole.text);
    free(whole.text);
}

/* The conversation so far as a prompt, and how many tokens the answer to it may have. */
static int read_conversation(speaker *s, const json_t *messages, shown *out, int *max_new, error *err)
{
    size_t n;
    char *text = chat_text(s->chat, messages, &n, err);
    int status = text ? read_prompt(s, text, n, false, out, err) : -1;
    const int64_t positions = s->plan->config.max_positions, room = positions - (int64_t)out->ids.count;
    if (status == 0 && room < 1)
        status = fail(err, ERROR_LIMIT, "%s: a conversation of %zu tokens leaves no room under the model's %lld positions", s->name, out->ids.count, (long long)positions);
    *max_new = *max_new < room ? *max_new : (int)room;
    free(text);
    return status;
}

/* Says `text` as the user; the answer is spoken and remembered. */
static int take_turn(speaker *s, json_t *messages, const char *text, bool tell, error *err)
{
    shown prompt = {0};
    answer result = {0};
    const request settings = s->settings;
    const int32_t end = tokenizer_eos(s->tokenizer);
    say(s, messages, text);
    int status = read_conversation(s, messages, &prompt, &s->settings.max_new, err);
    s->settings.stops = &end;
    s->settings.n_stops = end >= 0;
    if (status == 0)
        status = speak(s, &prompt, &result, err);
    s->settings = settings;
    if (status == 0)
        chat_say(messages, "assistant", result.text ? result.text : "");
    if (status == 0 && tell)
        tell_speed(s, &result);
    answers_free(&result, 1);
    shown_free(&prompt);
    return status;
}

/* One message a line, to the end of standard input; empty lines say nothing. */
static int hold_conversation(speaker *s, json_t *messages, error *err)
{
    char *line = NULL;
    size_t capacity = 0;
    int status = 0;
    bool terminal = isatty(STDIN_FILENO) && progress_level() > 0;
    while (status == 0) {
        if (terminal)
            fputs("> ", stderr);
        ssize_t n = getline(&line, &capacity, stdin);
        if (n < 0)
            break;
        if (n > 0 && line[n - 1] == '\n')
            line[n - 1] = '\0';
        if (line[strspn(line, " \t\r")])
            status = take_turn(s, messages, line, false, err);
    }
    if (terminal)
        fputc('\n', stderr);
    if (status == 0 && progress_interrupted())
        status = fail(err, ERROR_INTERRUPTED, "interrupted");
    free(line);
    return status;
}

static int converse(speaker *s, const char *system, const char *prompt, error *err)
{
    json_t *messages = json_array();
    if (system)
        chat_say(messages, "system", system);
    int status = prompt ? take_turn(s, messages, prompt, true, err) : hold_conversation(s, messages, err);
    json_decref(messages);
    return status;
}

/* ---- the verb */

static int bounded(int64_t n)
{
    return (int)(n > INT32_MAX ? INT32_MAX : n < INT32_MIN ? INT32_MIN : n);
}

static int run(const command *self, int argc, char **argv)
{
    common_options common = {0};
    const char *prompt = NULL, *system = NULL;
    int64_t max_new = 256, min_new = 0, beams = 1, seed = 0;
    double temperature = 0, top_p = 1, penalty = 1;
    bool chatting = false, one_view = false;
    text_list stops = {0}, pictures = {0};
    const option options[] = {
        {"prompt", 'p', OPTION_TEXT, &prompt, "TEXT", "the prompt (default: standard input)"},
        {"chat", 'c', OPTION_FLAG, &chatting, NULL, "by the model's chat template: -p is the user's message; without it, a conversation, one message a line"},
        {"system", 0, OPTION_TEXT, &system, "TEXT", "with --chat: the system message before it"},
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
    char *text = prompt || chatting ? memory_text(prompt) : read_stdin();
    speaker s = {.name = words[0], .family = options_backend(&common, &err), .json = common.json, .features = feature_store_new(NULL), .pictures = &pictures,
                 .views = one_view ? FEATURES_ONE_VIEW : FEATURES_AS_CONFIGURED};
    s.settings = (request){.max_new = bounded(max_new), .min_new = bounded(min_new), .beams = bounded(beams), .stop_strings = stops.items, .n_stop_strings = (int)stops.count, .temperature = (float)temperature,
                           .top_p = (float)top_p, .seed = (uint64_t)seed, .repetition_penalty = (float)penalty};
    if (system && !chatting)
        fail(&err, ERROR_USAGE, "--system goes with --chat");
    else if (s.family && open_speaker(&s, pool, common.memory, chatting, &err) == 0)
        status = chatting ? converse(&s, system, text, &err) : continue_prompt(&s, text, &err);
    close_speaker(&s);
    threads_free(pool);
    free(stops.items);
    free(pictures.items);
    free(text);
    return status == 0 ? 0 : options_fail(&err);
}

const command command_generate = {
    "generate", "MODEL", "Let a model (a folder, a recipe merged in memory, a path, or STUDY.db@N, @best, @mean, @STEP) continue a prompt.",
    "  merganser generate miniature/models/ja -p '3 + 4 = ' --max-new 20\n  merganser generate models/instruct --chat --system 'Answer in one sentence.'\n", run,
};
