#include "task/picture.h"

#include <string.h>

static int count_marks(const char *text)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, PICTURE_MARK)); at += strlen(PICTURE_MARK))
        n++;
    return n;
}

/* Where the tokenizer finds as many as the text shows, each becomes a place; else the list is emptied again. */
static int encode_whole(const tokenizer *tok, const char *text, bool special, int marks, token_list *out, error *err)
{
    const int32_t id = tokenizer_find(tok, PICTURE_MARK);
    const size_t before = out->count;
    int found = 0;
    if (id < 0 || tokenizer_encode(tok, text, strlen(text), special, out, err) != 0)
        return id < 0 ? 0 : -1;
    for (size_t i = before; i < out->count; i++)
        found += out->id[i] == id;
    for (size_t i = before; i < out->count && found == marks; i++)
        if (out->id[i] == id)
            out->id[i] = PICTURE_PLACE;
    if (found != marks)
        out->count = before;
    return 0;
}

static int encode_pieces(const tokenizer *tok, const char *text, bool special, token_list *out, error *err)
{
    for (const char *mark; (mark = strstr(text, PICTURE_MARK)); text = mark + strlen(PICTURE_MARK), special = false) {
        if ((mark > text || special) && tokenizer_encode(tok, text, (size_t)(mark - text), special, out, err) != 0)
            return -1;
        token_list_add(out, PICTURE_PLACE);
    }
    return *text ? tokenizer_encode(tok, text, strlen(text), false, out, err) : 0;
}

static int encode_behind(const tokenizer *tok, const char *text, bool special, int pictures, token_list *out, error *err)
{
    token_list words = {0};
    int status = tokenizer_encode(tok, text, strlen(text), special, &words, err);
    size_t at = 0;
    if (status == 0 && special && words.count > 0 && tokenizer_bos(tok) >= 0 && words.id[0] == tokenizer_bos(tok))
        token_list_add(out, words.id[at++]);
    for (int i = 0; status == 0 && i < pictures; i++)
        token_list_add(out, PICTURE_PLACE);
    for (; status == 0 && at < words.count; at++)
        token_list_add(out, words.id[at]);
    token_list_free(&words);
    return status;
}

int picture_encode(const tokenizer *tok, const char *text, bool special, int pictures, token_list *out, error *err)
{
    const int marks = count_marks(text);
    const size_t before = out->count;
    if (marks == 0)
        return encode_behind(tok, text, special, pictures, out, err);
    if (marks != pictures)
        return fail(err, ERROR_USAGE, "the prompt has %s %d times, but is given %d picture%s", PICTURE_MARK, marks, pictures, pictures == 1 ? "" : "s");
    if (encode_whole(tok, text, special, marks, out, err) != 0)
        return -1;
    return out->count > before ? 0 : encode_pieces(tok, text, special, out, err);
}

int32_t picture_token(const tokenizer *tok, int32_t image_token, int64_t vocab)
{
    const int32_t own = tokenizer_find(tok, PICTURE_MARK);
    if (image_token >= 0 && image_token < vocab)
        return image_token;
    return own >= 0 && own < vocab ? own : 0;
}
