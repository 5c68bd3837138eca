/* A tokenizer.model from a stranger, and behind its length a text: encode, decode and stream it, and hold what must hold for any file.
 * The input is 4 bytes, little-endian, of the model's length (more than there is: all of it), the model, the text, which is tried as a
 * tokenizer_config.json beside the model too where it begins with a brace. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "text/parts.h"
#include "text/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int holds)
{
    if (!holds)
        abort();
}

static void stream(const tokenizer *t, const token_list *ids, bool skip)
{
    token_stream *s = token_stream_new(t, skip);
    string all = {0};
    size_t length;
    for (size_t i = 0; i <= ids->count; i++) {
        const char *text = i < ids->count ? token_stream_add(s, ids->id[i]) : token_stream_finish(s);
        must(utf8_valid(text, token_stream_length(s)));
        string_add(&all, text, token_stream_length(s));
    }
    char *whole = tokenizer_decode(t, ids->id, ids->count, skip, &length);
    must(length == all.length && memcmp(whole, all.text, length) == 0 && whole[length] == '\0');
    free(whole);
    free(all.text);
    token_stream_free(s);
}

static void use(const tokenizer *t, const char *text, size_t n)
{
    token_list ids = {0};
    error err = {0};
    if (tokenizer_encode(t, text, n, true, &ids, &err) != 0)
        must(err.text[0] && !strchr(err.text, '\n'));
    for (size_t i = 0; i < ids.count; i++)
        must(ids.id[i] >= 0 && ids.id[i] < tokenizer_size(t));
    stream(t, &ids, false);
    stream(t, &ids, true);
    token_list_free(&ids);
}

static char *folder;

static void remove_folder(void)
{
    file_remove_tree(folder, NULL);
    free(folder);
}

/* The folder with this tokenizer_config.json; written without fsync, which is too slow for thousands of times a second. */
static const char *folder_with(const char *config, size_t n)
{
    if (!folder) {
        const char *place = getenv("TMPDIR");
        folder = memory_print("%s/merganser-fuzz-XXXXXX", place ? place : "/tmp");
        must(mkdtemp(folder) != NULL);
        atexit(remove_folder);
    }
    char *path = file_join(folder, "tokenizer_config.json");
    FILE *f = fopen(path, "wb");
    must(f && fwrite(config, 1, n, f) == n && fclose(f) == 0);
    free(path);
    return folder;
}

static void try_model(const char *model, size_t n, const char *beside, const char *text, size_t length)
{
    error err = {0};
    tokenizer *t = piece_tokenizer_parse(model, n, "input", beside, &err);
    if (!t) {
        must(err.code != ERROR_NONE && err.text[0] && !strchr(err.text, '\n'));
        return;
    }
    char hex[65];
    tokenizer_digest(t, hex);
    token_list all = {0};
    for (int32_t id = -2; id < tokenizer_size(t) + 2 && id < 3000; id++) {
        const char *token = tokenizer_text(t, id);
        must(!token || tokenizer_find(t, token) == id);
        token_list_add(&all, id);
    }
    stream(t, &all, false);
    stream(t, &all, true);
    token_list_free(&all);
    use(t, "Hello  world's 123\n", 19);
    use(t, "\u65e5\u672c\u2581 e\u0301 \xff<s>\U0001F600", 19);
    use(t, text, length);
    tokenizer_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4)
        return 0;
    size_t n = data[0] | (size_t)data[1] << 8 | (size_t)data[2] << 16 | (size_t)data[3] << 24;
    n = n > size - 4 ? size - 4 : n;
    const char *model = (const char *)data + 4, *text = model + n;
    size_t length = size - 4 - n;
    try_model(model, n, NULL, text, length);
    if (length && text[0] == '{')
        try_model(model, n, folder_with(text, length), text, length);
    return 0;
}
