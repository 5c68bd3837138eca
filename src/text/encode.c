#include <stdlib.h>
#include <string.h>

#include "text/parts.h"
#include "text/utf8.h"

typedef struct encoding {
    const tokenizer *tokenizer;
    token_list *out;
    bpe_scratch *scratch;
} encoding;

void token_list_add(token_list *list, int32_t id)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 64;
        list->id = memory_grow(list->id, list->capacity, sizeof *list->id);
    }
    list->id[list->count++] = id;
}

void token_list_free(token_list *list)
{
    free(list->id);
    *list = (token_list){0};
}

static void add_id(void *context, int32_t id)
{
    token_list_add(((encoding *)context)->out, id);
}

static int encode_plain(void *context, const char *text, size_t n, bool first, error *err)
{
    encoding *e = context;
    const tokenizer *t = e->tokenizer;
    pieces p = {0};
    string_add(&p.text, text, n);
    pieces_add(&p, 0, n, first);
    int status = pre_tokenizer_run(t->pre, &p, err);
    for (size_t i = 0; i < p.count && status == 0; i++)
        status = bpe_encode(&t->bpe, p.text.text + p.item[i].start, p.item[i].length, e->scratch, t->name, e->out, err);
    pieces_free(&p);
    return status;
}

static int encode_stretch(void *context, const char *text, size_t n, bool first, error *err)
{
    encoding *e = context;
    const tokenizer *t = e->tokenizer;
    if (t->pieces)
        return piece_model_encode(t, text, n, first, add_id, e, err);
    string normal = {0};
    string_add(&normal, text, n);
    int status = normalizer_run(t->normalizer, &normal, &first, err);
    if (status == 0)
        status = added_split(&t->added, &t->added.normalized, normal.text, normal.length, first,
                             &(added_visitor){encode_plain, add_id, e}, err);
    free(normal.text);
    return status;
}

static int encode_text(const tokenizer *t, const char *text, size_t n, token_list *out, error *err)
{
    string repaired = {0};
    if (!utf8_valid(text, n)) {
        utf8_repair(&repaired, text, n);
        text = repaired.text;
        n = repaired.length;
    }
    encoding e = {t, out, bpe_scratch_new()};
    int status = added_split(&t->added, &t->added.raw, text, n, true, &(added_visitor){encode_stretch, add_id, &e}, err);
    bpe_scratch_free(e.scratch);
    free(repaired.text);
    return status;
}

int tokenizer_encode(const tokenizer *t, const char *text, size_t n, bool special, token_list *out, error *err)
{
    bool done = false;   /* a template may hold the text several times; without special tokens too, as in the library */
    size_t start = 0, count = 0;
    for (size_t i = 0; i < t->post.count; i++) {
        if (t->post.item[i] != POST_TEXT) {
            if (special)
                token_list_add(out, t->post.item[i]);
        } else if (!done) {
            start = out->count;
            if (encode_text(t, text, n, out, err) != 0)
                return -1;
            count = out->count - start;
            done = true;
        } else {
            for (size_t k = 0; k < count; k++)
                token_list_add(out, out->id[start + k]);
        }
    }
    return 0;
}
