#include "task/wording.h"

#include <stdlib.h>
#include <string.h>

#include "task/literal.h"
#include "task/space.h"

void wording_clear(wording *w)
{
    phrase_free(w->prompt);
    phrase_free(w->gold);
    phrase_free(w->target);
    phrase_free(w->prefix);
    phrase_free(w->choice_list);
    for (size_t i = 0; i < w->n_choices; i++)
        phrase_free(w->choices[i]);
    free(w->choices);
    free(w->target_delimiter);
    free(w->delimiter);
    *w = (wording){0};
}

bool wording_has_choices(const wording *w)
{
    return w->n_choices > 0 || w->choice_list;
}

static json_t *own_choices(const wording *w, const json_t *fields, const char *name, error *err)
{
    json_t *list = json_array();
    for (size_t i = 0; i < w->n_choices; i++) {
        char *text = phrase_text(w->choices[i], fields, name, err);
        int status = text ? json_array_append_new(list, json_string(text)) : -1;
        if (text && status != 0)
            fail(err, ERROR_FORMAT, "%s: choice %zu is not UTF-8", name, i);
        free(text);
        if (status != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *listed_choices(const wording *w, const json_t *fields, const char *name, error *err)
{
    json_t *value = phrase_value(w->choice_list, fields, name, err), *list;
    if (!json_is_string(value))
        return value;
    list = literal_list(json_string_value(value));
    if (!list)
        fail(err, ERROR_FORMAT, "%s: the choices '%.80s' are not a list", name, json_string_value(value));
    json_decref(value);
    return list;
}

json_t *wording_choices(const wording *w, const json_t *fields, const char *name, error *err)
{
    json_t *list = w->choice_list ? listed_choices(w, fields, name, err) : own_choices(w, fields, name, err);
    if (!list)
        return NULL;
    bool good = json_is_array(list);
    for (size_t i = 0; good && i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        good = json_is_string(item) && json_string_length(item) > 0;
    }
    if (good && json_array_size(list) >= 2)
        return list;
    fail(err, ERROR_FORMAT, good ? "%s: there are %zu choices; it takes two" : "%s: the choices should be a list of texts, none of them empty", name,
         json_array_size(list));
    json_decref(list);
    return NULL;
}

static bool all_digits(const char *text)
{
    return *text && strspn(text, "0123456789") == strlen(text) && strlen(text) < 10;
}

json_t *wording_gold(const wording *w, const json_t *fields, const json_t *choices, const char *name, error *err)
{
    json_t *value = phrase_value(w->gold, fields, name, err);
    const char *text = json_string_value(value);
    if (!text || phrase_is_field(w->gold))
        return value;
    size_t n = strlen(text);
    json_t *other = NULL;
    if (choices && all_digits(text))
        other = json_integer(strtol(text, NULL, 10));
    else if (n >= 2 && text[0] == '[' && text[n - 1] == ']')
        other = literal_list(text);
    if (!other)
        return value;
    json_decref(value);
    return other;
}

long wording_gold_index(const json_t *gold, const json_t *choices)
{
    json_int_t n = (json_int_t)json_array_size(choices);
    if (json_is_integer(gold)) {
        json_int_t i = json_integer_value(gold);
        return i >= 0 && i < n ? (long)i : -1;
    }
    for (size_t i = 0; json_is_string(gold) && i < (size_t)n; i++)
        if (strcmp(json_string_value(json_array_get(choices, i)), json_string_value(gold)) == 0)
            return (long)i;
    return -1;
}

/* The answer that a shot shows. */
static char *gold_text(const wording *w, const json_t *fields, const char *name, error *err)
{
    json_t *choices = wording_has_choices(w) ? wording_choices(w, fields, name, err) : NULL, *gold = NULL;
    char *text = NULL;
    if (!choices && wording_has_choices(w))
        return NULL;
    gold = wording_gold(w, fields, choices, name, err);
    const json_t *one = json_is_array(gold) ? json_array_get(gold, 0) : gold;
    if (choices && json_is_integer(one)) {
        long i = wording_gold_index(one, choices);
        one = i >= 0 ? json_array_get(choices, (size_t)i) : NULL;
    }
    if (json_is_string(one))
        text = memory_text(json_string_value(one));
    else if (json_is_number(one))
        text = literal_print(one);
    else if (gold)
        fail(err, ERROR_FORMAT, "%s: as an example it has no answer to show", name);
    json_decref(gold);
    json_decref(choices);
    return text;
}

static bool space_at_seam(const char *before, const char *after)
{
    return space_trimmed_length(before) < strlen(before) || space_begins(after);
}

/* The prompt and, where a prefix follows, what stands between them. */
static int add_prompt(const wording *w, const json_t *fields, const char *name, char **prefix, string *out, error *err)
{
    char *text = phrase_text(w->prompt, fields, name, err);
    *prefix = text && w->prefix ? phrase_text(w->prefix, fields, name, err) : NULL;
    if (!text || (w->prefix && !*prefix)) {
        free(text);
        return -1;
    }
    if (*prefix && !**prefix) {
        free(*prefix);
        *prefix = NULL;
    }
    string_puts(out, text);
    if (*prefix && *text && !space_at_seam(text, *prefix))
        string_puts(out, w->target_delimiter);
    free(text);
    return 0;
}

int wording_add_question(const wording *w, const json_t *fields, const char *name, string *out, error *err)
{
    char *prefix;
    if (add_prompt(w, fields, name, &prefix, out, err) != 0)
        return -1;
    string_puts(out, prefix ? prefix : "");
    free(prefix);
    return 0;
}

/* A shot without an answer has no delimiters either. */
int wording_add_shot(const wording *w, const json_t *fields, const char *name, string *out, error *err)
{
    char *prefix, *target = w->target ? phrase_text(w->target, fields, name, err) : gold_text(w, fields, name, err);
    if (!target || add_prompt(w, fields, name, &prefix, out, err) != 0) {
        free(target);
        return -1;
    }
    if (*target && !prefix)
        string_puts(out, w->target_delimiter);
    if (prefix)
        string_puts(out, prefix);
    if (prefix && *target && !space_at_seam(prefix, target))
        string_puts(out, " ");
    string_puts(out, target);
    if (*target)
        string_puts(out, w->delimiter);
    free(prefix);
    free(target);
    return 0;
}
