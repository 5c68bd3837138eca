/* The files of a model's folder that a GGUF file holds in its metadata. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/progress.h"
#include "tensor/gguf_model.h"
#include "tensor/gguf_tokenizer.h"

static const char *const names[] = {"tokenizer.json", "tokenizer_config.json"};

int gguf_companion(const char *path, const char *name, char **text, error *err)
{
    json_t *tokenizer = NULL, *config = NULL;
    *text = NULL;
    if (strcmp(name, names[0]) != 0 && strcmp(name, names[1]) != 0)
        return 0;
    buffer *file = buffer_map(path, err);
    gguf *g = file ? gguf_parse(file, path, err) : NULL;
    int status = g ? gguf_tokenizer_read(g, &tokenizer, &config, err) : -1;
    if (status == 0 && tokenizer)
        *text = json_print(json_incref(strcmp(name, names[0]) == 0 ? tokenizer : config), 1);
    json_decref(tokenizer);
    json_decref(config);
    gguf_free(g);
    buffer_free(file);
    return status;
}

int companion_read(const char *folder, const char *name, size_t limit, char **text, size_t *n, error *err)
{
    *text = NULL;
    *n = 0;
    if (gguf_is(folder)) {
        int status = gguf_companion(folder, name, text, err);
        *n = *text ? strlen(*text) : 0;
        return status;
    }
    char *path = file_join(folder, name);
    bool there = file_exists(path);
    if (there)
        *text = file_read(path, limit, n, err);
    free(path);
    return there && !*text ? -1 : 0;
}

int companion_of(const checkpoint *c, const char *name, size_t limit, char **text, size_t *n, error *err)
{
    const struct checkpoint_file *held = checkpoint_file(c, name);
    *text = NULL;
    *n = 0;
    if (!held)
        return c->folder ? companion_read(c->folder, name, limit, text, n, err) : 0;
    *text = memory_text(held->text);
    *n = held->text ? strlen(held->text) : 0;
    return 0;
}

static int write_companion(const char *from, const char *to, const char *name, error *err)
{
    char *text, *path = file_join(to, name);
    int status = gguf_companion(from, name, &text, err);
    if (status == 0 && text)
        status = file_write(path, text, strlen(text), err);
    free(path);
    free(text);
    return status;
}

int gguf_write_companions(const checkpoint *c, const char *to, error *err)
{
    error why = {0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!checkpoint_file(c, names[i]) && write_companion(c->folder, to, names[i], &why) != 0 && why.code != ERROR_UNSUPPORTED)
            return fail(err, why.code, "%s", why.text);
    if (why.code == ERROR_UNSUPPORTED)
        progress_say("the tokenizer is not written: %s", why.text);
    return 0;
}
