/* tokenizer.json, and behind a NUL each tokenizer_config.json, special_tokens_map.json and added_tokens.json: opened as a folder, cut, added to, and
 * written again. What is written has to be read again, and must then have the same tokens. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "text/tokenizer.h"
#include "text/tokenizer_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"};
#define COUNT (sizeof names / sizeof *names)

static void stop(const char *what, const error *err)
{
    fprintf(stderr, "%s: %s\n", what, err->text);
    abort();
}

static void put(const char *folder, const char *name, const char *text, size_t n)
{
    char *path = file_join(folder, name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(text, 1, n, f) != n || fclose(f) != 0)
        abort();
    free(path);
}

static void check_written(const tokenizer_file *f)
{
    error err = {0};
    char *json = tokenizer_file_json(f), *config = tokenizer_file_config(f, false);
    tokenizer *t = tokenizer_parse(json, strlen(json), "written", &err);
    if (!t)
        stop("what was written is refused", &err);
    if (tokenizer_size(t) != tokenizer_file_size(f))
        stop("another size", &err);
    for (int32_t id = 0; id < tokenizer_size(t) && id < 2000; id++) {
        const char *a = tokenizer_text(t, id), *b = tokenizer_file_text(f, id);
        if (!a != !b || (a && strcmp(a, b) != 0))
            stop("another token", &err);
    }
    tokenizer_free(t);
    free(config);
    free(json);
}

static void use(tokenizer_file *f)
{
    error err = {0};
    tokenizer_file *copy = tokenizer_file_copy(f);
    check_written(f);
    for (int32_t id = 0; id < tokenizer_file_size(f) && id < 20; id++) {
        const char *token = tokenizer_file_text(f, id);
        char *other = memory_print("%s+", token ? token : "");
        if (tokenizer_file_add(copy, other, tokenizer_file_added(f, id), &err) != 0 && err.code != ERROR_FORMAT)
            stop("not added", &err);
        free(other);
    }
    check_written(copy);
    if (tokenizer_file_strip(copy, tokenizer_file_size(f) / 2, &err) == 0) {
        if (tokenizer_file_size(copy) > tokenizer_file_size(f) / 2)
            stop("not cut", &err);
        check_written(copy);
    }
    tokenizer_file_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *place = getenv("TMPDIR");
    char *folder = memory_print("%s/merganser-fuzz-XXXXXX", place ? place : "/tmp");
    const char *at = (const char *)data, *end = at + size;
    error err = {0};
    if (!mkdtemp(folder))
        abort();
    for (size_t i = 0; i < COUNT && at <= end && (i == 0 || at < end); i++) {
        const char *stop_at = memchr(at, 0, (size_t)(end - at));
        size_t n = stop_at ? (size_t)(stop_at - at) : (size_t)(end - at);
        put(folder, names[i], at, n);
        at += n + 1;
    }
    tokenizer_file *f = tokenizer_file_open(folder, &err);
    if (f)
        use(f);
    else if (err.code == ERROR_NONE || strchr(err.text, '\n'))
        abort();
    tokenizer_file_free(f);
    file_remove_tree(folder, NULL);
    free(folder);
    return 0;
}
