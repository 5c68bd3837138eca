#include "task/response_filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/memory.h"
#include "task/python_regex.h"
#include "task/space.h"
#include "text/utf8.h"

#define MAX_STEPS 100

enum step_kind { STEP_TAKE_FIRST, STEP_STRIP, STEP_LOWER, STEP_UPPER, STEP_MAP, STEP_REGEX };
static const char *const step_names[] = {"take_first", "remove_whitespace", "lowercase", "uppercase", "map", "regex", NULL};

typedef struct step {
    enum step_kind kind;
    python_regex *regex;           /* owned, as all here */
    int64_t group_select;          /* which of all matches; negative: from the end */
    char *fallback;
    char **from, **to; size_t n;   /* of a map; `fallback` NULL there: nothing, which is no right answer */
} step;

struct response_filter {
    char *name;
    step *steps;
    size_t count;
};

void response_filter_free(response_filter *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->count; i++) {
        step *s = &f->steps[i];
        for (size_t k = 0; k < s->n; k++) {
            free(s->from[k]);
            free(s->to[k]);
        }
        free(s->from);
        free(s->to);
        free(s->fallback);
        python_regex_free(s->regex);
    }
    free(f->steps);
    free(f->name);
    free(f);
}

response_filter *response_filter_none(void)
{
    response_filter *f = memory_new(1, sizeof *f);
    f->name = memory_text("none");
    return f;
}

const char *response_filter_name(const response_filter *f)
{
    return f->name;
}

/* ---- reading */

static int read_regex(step *s, const yaml_value *v, error *err)
{
    static const char *const keys[] = {"function", "regex_pattern", "group_select", "fallback", NULL};
    const char *source = "#### (\\-?[0-9\\.\\,]+)", *fallback = "[invalid]";
    char where[560];
    snprintf(where, sizeof where, "%.500s:%d: regex_pattern", v->file, v->line);
    if (yaml_known_keys(v, keys, err) != 0 || yaml_text(yaml_get(v, "regex_pattern"), &source, err) != 0 ||
        yaml_text(yaml_get(v, "fallback"), &fallback, err) != 0 ||
        yaml_int(yaml_get(v, "group_select"), -1000000, 1000000, &s->group_select, err) != 0)
        return -1;
    s->fallback = memory_text(fallback);
    s->regex = python_regex_new(source, where, err);
    return s->regex ? 0 : -1;
}

static int read_map(step *s, const yaml_value *v, error *err)
{
    static const char *const keys[] = {"function", "mapping_dict", "default_value", NULL};
    const yaml_value *map = yaml_get(v, "mapping_dict");
    const char *fallback = NULL;
    if (yaml_known_keys(v, keys, err) != 0 || yaml_text(yaml_get(v, "default_value"), &fallback, err) != 0)
        return -1;
    if (map && map->kind != YAML_MAP)
        return yaml_fail(err, map, "mapping_dict should be a map of texts");
    s->fallback = memory_text(fallback);
    s->from = memory_new(map ? map->count : 0, sizeof *s->from);
    s->to = memory_new(map ? map->count : 0, sizeof *s->to);
    for (size_t i = 0; map && i < map->count; i++) {
        const char *to = NULL;
        if (yaml_text(map->items[i], &to, err) != 0)
            return -1;
        s->from[s->n] = memory_text(map->keys[i]);
        s->to[s->n++] = memory_text(to ? to : "");
    }
    return 0;
}

static int read_step(step *s, const yaml_value *v, error *err)
{
    static const char *const keys[] = {"function", NULL};
    const char *function = NULL;
    if (v->kind != YAML_MAP)
        return yaml_fail(err, v, "a filter's step should be {function: NAME, ...}");
    if (yaml_text(yaml_get(v, "function"), &function, err) != 0)
        return -1;
    if (!function)
        return yaml_fail(err, v, "a filter's step has no 'function'");
    int kind = 0;
    while (step_names[kind] && strcmp(step_names[kind], function) != 0)
        kind++;
    if (!step_names[kind])
        return yaml_fail(err, yaml_get(v, "function"), "the filter '%.60s' is not known here; known: take_first, remove_whitespace, lowercase, uppercase, map, regex",
                         function);
    s->kind = (enum step_kind)kind;
    return s->kind == STEP_REGEX ? read_regex(s, v, err) : s->kind == STEP_MAP ? read_map(s, v, err) : yaml_known_keys(v, keys, err);
}

response_filter *response_filter_read(const yaml_value *v, error *err)
{
    static const char *const keys[] = {"name", "filter", NULL};
    const yaml_value *steps = yaml_get(v, "filter");
    const char *name = NULL;
    if (v->kind != YAML_MAP || yaml_known_keys(v, keys, err) != 0 || yaml_text(yaml_get(v, "name"), &name, err) != 0) {
        if (v->kind != YAML_MAP)
            yaml_fail(err, v, "an entry of filter_list should be {name: NAME, filter: [...]}");
        return NULL;
    }
    if (!name || !*name || !steps || steps->kind != YAML_LIST || steps->count > MAX_STEPS) {
        yaml_fail(err, v, "an entry of filter_list should be {name: NAME, filter: [at most %d steps]}", MAX_STEPS);
        return NULL;
    }
    response_filter *f = memory_new(1, sizeof *f);
    f->name = memory_text(name);
    f->steps = memory_new(steps->count, sizeof *f->steps);
    while (f->count < steps->count) {
        f->count++;
        if (read_step(&f->steps[f->count - 1], steps->items[f->count - 1], err) != 0) {
            response_filter_free(f);
            return NULL;
        }
    }
    return f;
}

/* ---- applying */

/* Python's lower and upper, but for the characters that become several ones; of those the German and the Turkish one are here. */
static void add_case(string *out, uint32_t c, bool upper)
{
    if (upper && c == 0xDF)
        string_puts(out, "SS");
    else if (!upper && c == 0x130)
        string_puts(out, "i\xCC\x87");
    else
        utf8_add(out, upper ? (uint32_t)utf8proc_toupper((utf8proc_int32_t)c) : char_lower(c));
}

static char *change_case(const char *text, bool upper)
{
    string out = {0};
    string_puts(&out, "");
    for (size_t i = 0, n = strlen(text); i < n;) {
        uint32_t c;
        int k = utf8_next(text + i, n - i, &c, NULL);
        if (k > 0)
            add_case(&out, c, upper);
        else
            string_add(&out, text + i, 1);
        i += k > 0 ? (size_t)k : 1;
    }
    return out.text;
}

/* What re.findall gives of a match: the match, its one group, or of several groups the first that is not empty. */
static python_span found_text(const python_regex *re, const python_span *groups)
{
    int n = python_regex_groups(re);
    python_span none = {0, 0};
    if (n == 0)
        return groups[0];
    for (int i = 1; i <= n; i++)
        if (groups[i].begin != SIZE_MAX && (groups[i].end > groups[i].begin || n == 1))
            return groups[i];
    if (n > 1)
        none.begin = none.end = SIZE_MAX;
    return none;
}

static char *apply_regex(const step *s, const char *text, error *err)
{
    python_span groups[PYTHON_GROUPS], *all = NULL;
    python_cursor at = {0};
    size_t count = 0;
    int status;
    while ((status = python_regex_next(s->regex, text, strlen(text), &at, groups, err)) > 0) {
        all = memory_grow(all, count + 1, sizeof *all);
        all[count++] = found_text(s->regex, groups);
    }
    char *out = NULL;
    int64_t i = s->group_select < 0 ? s->group_select + (int64_t)count : s->group_select;
    if (status < 0) {
        /* *err tells */
    } else if (count == 0) {
        out = memory_text(s->fallback);
    } else if (i < 0 || (size_t)i >= count) {
        fail(err, ERROR_FORMAT, "group_select is %lld, and the answer has %zu matches", (long long)s->group_select, count);
    } else {
        bool nothing = all[i].begin == SIZE_MAX;
        char *cut = nothing ? memory_text(s->fallback) : memory_text_n(text + all[i].begin, all[i].end - all[i].begin);
        out = space_trim(cut);
        free(cut);
    }
    free(all);
    return out;
}

static char *apply_map(const step *s, const char *text)
{
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->from[i], text) == 0)
            return memory_text(s->to[i]);
    return memory_text(s->fallback ? s->fallback : "");
}

char *response_filter_apply(const response_filter *f, const char *text, error *err)
{
    char *now = memory_text(text);
    for (size_t i = 0; i < f->count && now; i++) {
        const step *s = &f->steps[i];
        char *next;
        switch (s->kind) {
        case STEP_STRIP: next = space_trim(now); break;
        case STEP_LOWER: next = change_case(now, false); break;
        case STEP_UPPER: next = change_case(now, true); break;
        case STEP_MAP: next = apply_map(s, now); break;
        case STEP_REGEX: next = apply_regex(s, now, err); break;
        default: next = memory_text(now); break;
        }
        free(now);
        now = next;
    }
    return now;
}
