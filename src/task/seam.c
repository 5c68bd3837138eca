#include "task/seam.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "task/space.h"

static const char *const names[] = {"joint", "separate"};

int encoding_find(const char *name)
{
    for (int i = 0; i < 2; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

const char *encoding_name(enum encoding e)
{
    return names[e];
}

static int32_t first_token(const tokenizer *t)
{
    return tokenizer_bos(t) >= 0 ? tokenizer_bos(t) : tokenizer_eos(t);
}

/* Text that begins with BOS (or what stands for it) brings its own special tokens. */
static bool brings_first(const tokenizer *t, const char *text)
{
    const char *first = first_token(t) >= 0 ? tokenizer_text(t, first_token(t)) : NULL;
    return first && strncmp(text, first, strlen(first)) == 0;
}

static int encode_joint(const tokenizer *t, const char *text, token_list *out, error *err)
{
    return tokenizer_encode(t, text, strlen(text), !brings_first(t, text), out, err);
}

/* The context's tokens are cut off the whole's by their number, whatever they are. */
static int split(const tokenizer *t, const char *context, const char *continuation, token_list *before, token_list *after, error *err)
{
    size_t keep = space_trimmed_length(context);
    char *whole = memory_print("%s%s", context, continuation), *left = memory_text_n(context, keep);
    token_list all = {0}, head = {0};
    int status = encode_joint(t, whole, &all, err) == 0 && encode_joint(t, left, &head, err) == 0 ? 0 : -1;
    for (size_t i = 0; i < head.count && status == 0; i++)
        token_list_add(before, head.id[i]);
    for (size_t i = head.count; i < all.count && status == 0; i++)
        token_list_add(after, all.id[i]);
    token_list_free(&all);
    token_list_free(&head);
    free(whole);
    free(left);
    return status;
}

static int begin(const tokenizer *t, int32_t first, const char *continuation, bool lend, token_list *before, token_list *after, error *err)
{
    token_list ids = {0};
    int status = tokenizer_encode(t, continuation, strlen(continuation), false, &ids, err);
    if (status == 0 && first >= 0)
        token_list_add(before, first);
    size_t skip = lend && ids.count > 0 && ids.id[0] == first;
    for (size_t i = skip; i < ids.count && status == 0; i++)
        token_list_add(after, ids.id[i]);
    token_list_free(&ids);
    return status;
}

int seam_encode(const tokenizer *t, enum encoding e, const char *context, const char *continuation, token_list *before, token_list *after,
                error *err)
{
    if (!*context)
        return begin(t, e == ENCODE_JOINT ? first_token(t) : tokenizer_eos(t), continuation, e == ENCODE_JOINT, before, after, err);
    if (e == ENCODE_JOINT)
        return split(t, context, continuation, before, after, err);
    return tokenizer_encode(t, context, strlen(context), false, before, err) == 0
               ? tokenizer_encode(t, continuation, strlen(continuation), false, after, err)
               : -1;
}

int seam_encode_prompt(const tokenizer *t, enum encoding e, const char *prompt, token_list *out, error *err)
{
    return e == ENCODE_JOINT ? encode_joint(t, prompt, out, err) : tokenizer_encode(t, prompt, strlen(prompt), false, out, err);
}
