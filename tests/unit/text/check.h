/* What the tests of this folder share. */
#ifndef TESTS_UNIT_TEXT_CHECK_H
#define TESTS_UNIT_TEXT_CHECK_H

#include "../base/check.h"

#include "base/json.h"
#include "text/parts.h"
#include "text/utf8.h"

#define GOLDENS SOURCE_DIR "/tests/goldens/golden/tokenizer/"

/* The parts of a tokenizer.json; NULL is the plainest. */
typedef struct parts {
    const char *vocab, *merges, *model, *added, *normalizer, *pre, *post,
        *decoder; /* model: more members, each with a comma in front */
} parts;

static inline char *make_json(parts p)
{
    return memory_print("{\"added_tokens\":%s,\"normalizer\":%s,\"pre_tokenizer\":%s,\"post_processor\":%s,\"decoder\":%s,"
                        "\"model\":{\"type\":\"BPE\",\"vocab\":%s,\"merges\":%s%s}}",
                        p.added ? p.added : "[]", p.normalizer ? p.normalizer : "null", p.pre ? p.pre : "null",
                        p.post ? p.post : "null", p.decoder ? p.decoder : "null",
                        p.vocab ? p.vocab : "{\"a\":0,\"b\":1,\"c\":2,\"ab\":3,\" \":4,\"x\":5}",
                        p.merges ? p.merges : "[\"a b\"]", p.model ? p.model : "");
}

static inline tokenizer *try_tokenizer(parts p, error *err)
{
    char *json = make_json(p);
    tokenizer *t = tokenizer_parse(json, strlen(json), "t.json", err);
    free(json);
    return t;
}

static inline tokenizer *make_tokenizer(parts p)
{
    error err = {0};
    tokenizer *t = try_tokenizer(p, &err);
    if (!t)
        fail_msg("%s", err.text);
    return t;
}

#define assert_refused(p, code, ...)                    \
    do {                                                \
        error refusal_ = {0};                           \
        tokenizer *made_ = try_tokenizer(p, &refusal_); \
        if (made_)                                      \
            fail_msg("accepted");                       \
        assert_error(&refusal_, code, "t.json", __VA_ARGS__); \
    } while (0)

/* "3 2 5" */
static inline char *encode(const tokenizer *t, const char *text, bool special)
{
    error err = {0};
    token_list ids = {0};
    string s = {0};
    string_puts(&s, "");
    if (tokenizer_encode(t, text, strlen(text), special, &ids, &err) != 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < ids.count; i++)
        string_print(&s, i ? " %d" : "%d", ids.id[i]);
    token_list_free(&ids);
    return s.text;
}

static inline void assert_ids(const tokenizer *t, const char *text, bool special, const char *wanted)
{
    char *got = encode(t, text, special);
    if (strcmp(got, wanted) != 0)
        fail_msg("'%s' is %s, wanted %s", text, got, wanted);
    free(got);
}

#endif
