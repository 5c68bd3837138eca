#include "cmd/gguf_output.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/memory.h"

bool gguf_is_output(const char *out)
{
    return text_ends_with(out, ".gguf");
}

int gguf_read_type(const char *text, const char *out, const quant_type **type, error *err)
{
    *type = text ? quant_named(text) : NULL;
    if (text && !gguf_is_output(out))
        return fail(err, ERROR_USAGE, "--gguf-type is for an output that ends in .gguf, not for %s", out);
    if (text && (!*type || !gguf_is_written(*type)))
        return fail(err, ERROR_USAGE, "--gguf-type is '%s'; it should be f32, f16, bf16 or q8_0", text);
    return 0;
}

char *gguf_begin(const char *out, bool replace, error *err)
{
    if (!file_exists(out) || (replace && !file_is_folder(out)))
        return memory_print("%s.merged", out);
    fail(err, ERROR_USAGE, "%s exists already; give another name or --force", out);
    return NULL;
}

int gguf_finish(const char *folder, const char *out, const gguf_options *options, error *err)
{
    checkpoint *c = checkpoint_open_lazy(folder, err);
    int status = c ? gguf_write(c, out, options, err) : -1;
    checkpoint_free(c);
    if (status == 0)
        return file_remove_tree(folder, err);
    error told = *err;
    return fail(err, told.code, "%s; the merged model stays in %s", told.text, folder);
}
