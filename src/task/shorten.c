#include "task/shorten.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void shortening_clear(shortening *s)
{
    free(s->from);
    free(s->to);
    free(s->at);
    free(s->end);
    *s = (shortening){0};
}

static int count_tokens(const tokenizer *t, const char *text, size_t n, size_t *count, error *err)
{
    token_list ids = {0};
    int status = tokenizer_encode(t, text, n, false, &ids, err);
    *count = ids.count;
    token_list_free(&ids);
    return status;
}

/* Its first tokens, where not even one sentence fits. */
static int add_first_tokens(const shortening *s, const tokenizer *t, const char *text, size_t n, size_t room, string *out, error *err)
{
    token_list ids = {0};
    if (tokenizer_encode(t, text, n, false, &ids, err) != 0)
        return -1;
    char *cut = tokenizer_decode(t, ids.id, ids.count < room ? ids.count : room, true, NULL);
    string_print(out, "%s%s", cut, s->end);
    free(cut);
    token_list_free(&ids);
    return 0;
}

/* The article's sentences as far as they fit together; one that was cut ends in a full stop and `end`. */
static int add_article(const shortening *s, const tokenizer *t, const char *article, size_t n, size_t room, string *out, error *err)
{
    const char *end = article + n, *kept = article, *next;
    for (const char *at = article;; at = next + strlen(s->at)) {
        next = memmem(at, (size_t)(end - at), s->at, strlen(s->at));
        const char *stop = next ? next : end;
        size_t count;
        if (count_tokens(t, article, (size_t)(stop - article), &count, err) != 0)
            return -1;
        if (count > room) {
            if (kept == article && at == article)
                return add_first_tokens(s, t, article, (size_t)(stop - article), room, out, err);
            string_add(out, article, (size_t)(kept - article));
            string_print(out, "%s%s", s->at, s->end);
            return 0;
        }
        kept = stop;
        if (!next)
            break;
    }
    string_add(out, article, n);
    return 0;
}

char *shorten(const shortening *s, const tokenizer *t, const char *context, size_t room, error *err)
{
    size_t tokens, parts = 0;
    const char *first = strstr(context, s->from);
    if (count_tokens(t, context, strlen(context), &tokens, err) != 0)
        return NULL;
    if (tokens <= room || !first)
        return memory_text(context);
    for (const char *at = first; at; at = strstr(at + strlen(s->from), s->from))
        parts++;
    string out = {0};
    string_add(&out, context, (size_t)(first - context));
    for (const char *at = first; at;) {
        const char *next = strstr(at + strlen(s->from), s->from), *end = next ? next : at + strlen(at);
        const char *to = memmem(at, (size_t)(end - at), s->to, strlen(s->to));
        if (!to) {
            string_add(&out, at, (size_t)(end - at));
        } else if (add_article(s, t, at, (size_t)(to - at), room / parts, &out, err) == 0) {
            string_add(&out, to, (size_t)(end - to));
        } else {
            free(out.text);
            return NULL;
        }
        at = next;
    }
    return out.text;
}
