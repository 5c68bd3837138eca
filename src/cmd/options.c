#include "cmd/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "base/yaml.h"

#define MAX_OPTIONS 40

static void print_help(const command *c, const option *options, size_t n)
{
    printf("usage: merganser %s %s\n%s\n\n", c->name, c->synopsis, c->summary);
    for (size_t i = 0; i < n; i++) {
        char left[64];
        snprintf(left, sizeof left, "%s%c%s--%s%s%s", options[i].letter ? "-" : " ", options[i].letter ? options[i].letter : ' ',
                 options[i].letter ? ", " : "  ", options[i].name, options[i].value ? " " : "", options[i].value ? options[i].value : "");
        printf("  %-26s %s\n", left, options[i].help);
    }
    printf("\nexample:\n%s", c->example);
}

static int usage(const command *c, const char *format, const char *word, const char *more)
{
    fputs("merganser: ", stderr);
    fprintf(stderr, "%s: ", c->name);
    fprintf(stderr, format, word, more);
    fprintf(stderr, " (see merganser %s --help)\n", c->name);
    return 2 + 1;
}

static bool parse_size(const char *text, uint64_t *out)
{
    char *end;
    double x = strtod(text, &end);
    double unit = 1;
    switch (*end) {
    case 'k': case 'K': unit = 0x1p10; end++; break;
    case 'm': case 'M': unit = 0x1p20; end++; break;
    case 'g': case 'G': unit = 0x1p30; end++; break;
    case 't': case 'T': unit = 0x1p40; end++; break;
    default: break;
    }
    if (end == text || (*end && strcmp(end, "B") != 0 && strcmp(end, "iB") != 0) || !(x > 0) || x * unit > 0x1p60)
        return false;
    *out = (uint64_t)(x * unit);
    return true;
}

static bool store_value(const option *o, const char *text)
{
    char *end = NULL;
    errno = 0;
    switch (o->kind) {
    case OPTION_FLAG:
        *(bool *)o->out = true;
        return true;
    case OPTION_TEXT:
        *(const char **)o->out = text;
        return true;
    case OPTION_INT:
        *(int64_t *)o->out = strtoll(text, &end, 10);
        return end != text && !*end && !errno && *(int64_t *)o->out >= 0;
    case OPTION_REAL:
        *(double *)o->out = strtod(text, &end);
        return end != text && !*end && isfinite(*(double *)o->out);
    case OPTION_SIZE:
        return parse_size(text, o->out);
    case OPTION_LIST: {
        text_list *list = o->out;
        list->items = memory_grow(list->items, list->count + 1, sizeof *list->items);
        list->items[list->count++] = text;
        return true;
    }
    }
    return false;
}

static const option *find(const option *options, size_t n, const char *name, size_t length)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(options[i].name) == length && strncmp(options[i].name, name, length) == 0)
            return &options[i];
    return NULL;
}

static const option *find_letter(const option *options, size_t n, char letter)
{
    for (size_t i = 0; i < n; i++)
        if (options[i].letter && options[i].letter == letter)
            return &options[i];
    return NULL;
}

static int unknown_option(const command *c, const option *options, size_t n, const char *word)
{
    const char *names[MAX_OPTIONS + 1] = {0};
    for (size_t i = 0; i < n; i++)
        names[i] = options[i].name;
    const char *near = strncmp(word, "--", 2) == 0 ? text_nearest(word + 2, names) : NULL;
    if (near)
        return usage(c, "unknown option '%s'; did you mean --%s?", word, near);
    return usage(c, "unknown option '%s'%s", word, "");
}

int options_parse(const command *c, const option *options, size_t n, int argc, char **argv,
                  const char **words, int least, int most, common_options *common)
{
    const option shared[] = {
        {"json", 0, OPTION_FLAG, &common->json, NULL, "machine-readable results on stdout"},
        {"quiet", 'q', OPTION_FLAG, &common->quiet, NULL, "no progress on stderr"},
        {"threads", 0, OPTION_INT, &common->threads, "N", "threads to use (default: all CPUs)"},
        {"memory", 0, OPTION_SIZE, &common->memory, "SIZE", "memory budget, such as 8G (default: what is free)"},
        {"backend", 0, OPTION_TEXT, &common->backend, "NAME", "kernel family: avx512, avx2 or reference (default: the fastest here)"},
        {"help", 'h', OPTION_FLAG, &common->help, NULL, "this text"},
    };
    option all[MAX_OPTIONS];
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        all[total++] = options[i];
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++)
        all[total++] = shared[i];

    int found = 0;
    bool only_words = false;
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (only_words || word[0] != '-' || !word[1]) {
            if (found == most)
                return usage(c, "one word too many: '%s'%s", word, "");
            words[found++] = word;
            continue;
        }
        if (strcmp(word, "--") == 0) {
            only_words = true;
            continue;
        }
        bool is_long = word[1] == '-';
        size_t length = strcspn(word, "=");
        const option *o = is_long ? find(all, total, word + 2, length - 2) : find_letter(all, total, word[1]);
        if (!o)
            return unknown_option(c, all, total, word);
        const char *value = is_long ? (word[length] ? word + length + 1 : NULL) : (word[2] ? word + 2 : NULL);
        if (o->kind == OPTION_FLAG && value)
            return usage(c, "--%s takes no value%s", o->name, "");
        if (o->kind != OPTION_FLAG && !value) {
            if (i + 1 == argc)
                return usage(c, "--%s needs a value: %s", o->name, o->value);
            value = argv[++i];
        }
        if (!store_value(o, value))
            return usage(c, "--%s: '%s' does not make sense here", o->name, value);
    }
    if (common->help) {
        print_help(c, all, total);
        return 0 + 1;
    }
    if (found < least)
        return usage(c, "needs %s%s", c->synopsis, "");
    if (common->threads > 1024)
        return usage(c, "--threads: %s%s", "at most 1024", "");
    progress_set_level(common->quiet ? 0 : 1);
    return 0;
}

threads *options_pool(const common_options *common)
{
    return threads_new(common->threads ? (int)common->threads : threads_available());
}

const backend *options_backend(const common_options *common, error *err)
{
    return common->backend ? backend_find(common->backend, err) : backend_best();
}

int options_fail(const error *err)
{
    progress_clear();
    fprintf(stderr, "merganser: %s\n", err->text);
    return err->code == ERROR_USAGE ? 2 : err->code == ERROR_INTERRUPTED ? 130 : 1;
}
