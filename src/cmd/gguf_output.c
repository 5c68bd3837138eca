#include "cmd/gguf_output.h"

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
