/* A tokenizer.json, and behind a NUL a text: encode, decode and stream it, and hold what must hold for any file. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer.h"
#include "text/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void stream(const tokenizer *t, const token_list *ids, bool skip)
{
    token_stream *s = token_stream_new(t, skip);
    for (size_t i = 0; i <= ids->count; i++) {
        const char *text = i < ids->count ? token_stream_add(s, ids->id[i]) : token_stream_finish(s);
        if (!utf8_valid(text, strlen(text)))
            abort();
    }
    token_stream_free(s);
}

static void use(const tokenizer *t, const char *text, size_t n)
{
    for (int special = 0; special < 2; special++) {
        token_list ids = {0};
        error err;
        if (tokenizer_encode(t, text, n, special, &ids, &err) == 0) {
            size_t length;
            char *back = tokenizer_decode(t, ids.id, ids.count, special, &length);
            if (!utf8_valid(back, length) || back[length] != '\0')
                abort();
            free(back);
            stream(t, &ids, special);
        } else if (strchr(err.text, '\n')) {
            abort();
        }
        token_list_free(&ids);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, 0, size);
    size_t n = end ? (size_t)(end - data) : size;
    error err = {0};
    tokenizer *t = tokenizer_parse((const char *)data, n, "input", &err);
    if (!t) {
        if (err.code == ERROR_NONE || strchr(err.text, '\n'))
            abort();
        return 0;
    }
    char hex[65];
    tokenizer_digest(t, hex);
    token_list all = {0};
    for (int32_t id = -2; id < tokenizer_size(t) + 2 && id < 5000; id++) {
        const char *text = tokenizer_text(t, id);
        if (text && tokenizer_find(t, text) != id)
            abort();
        token_list_add(&all, id);
    }
    free(tokenizer_decode(t, all.id, all.count, false, NULL));
    stream(t, &all, false);
    token_list_free(&all);
    use(t, "Hello  world's 123\n", 19);
    use(t, "\u65e5\u672c\u2581 e\u0301 \xff<s>\U0001F600", 19);
    if (end)
        use(t, (const char *)end + 1, size - n - 1);
    tokenizer_free(t);
    return 0;
}
