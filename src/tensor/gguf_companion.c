/* The files of a model's folder that a GGUF file holds in its metadata. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/progress.h"
#include "tensor/gguf_model.h"
#include "tensor/gguf_tokenizer.h"

static const char *const names[] = {"tokenizer.json", "tokenizer_config.json"};

int gguf_companion(const char *path, const char *name, char **text, error *err)
{
    json_t *tokenizer = NULL, *config = NULL;
    *text = NULL;
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

int gguf_write_companions(const char *from, const char *to, error *err)
{
    error why = {0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (write_companion(from, to, names[i], &why) != 0 && why.code != ERROR_UNSUPPORTED)
            return fail(err, why.code, "%s", why.text);
    if (why.code == ERROR_UNSUPPORTED)
        progress_say("the tokenizer is not written: %s", why.text);
    return 0;
}
