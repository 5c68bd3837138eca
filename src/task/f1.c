/* SQuAD's F1: what two bags of words, or of characters, have in common. */
#include "task/nfkc.h"
#include "task/overlap.h"
#include "task/scorer.h"
#include "text/utf8.h"

/* MeCab's words of the normalised text that are not punctuation alone. */
static int cut_words(const scorer *s, const char *text, word_list *out, error *err)
{
    int status = scorer_words(s, text, out, err);
    size_t kept = 0;
    for (size_t i = 0; i < out->count; i++)
        if (!nfkc_is_punctuation(out->items[i].text, out->items[i].n))
            out->items[kept++] = out->items[i];
    out->count = kept;
    return status;
}

static int cut_characters(const scorer *s, const char *text, word_list *out, error *err)
{
    (void)s;
    (void)err;
    *out = (word_list){.text = nfkc_bare(text)};
    uint32_t c;
    for (const char *at = out->text; *at;) {
        size_t k = (size_t)utf8_get(at, &c);
        word_list_add(out, at, k);
        at += k;
    }
    return 0;
}

static int score_f1(const scorer *s, scorer_cutter *cut, const char *answer, const json_t *reference, double *score, error *err)
{
    word_list gold = {0}, given = {0};
    int status = scorer_cut_both(s, cut, answer, reference, &given, &gold, err);
    if (status == 0)
        *score = overlap_f1(&gold, &given);
    word_list_clear(&gold);
    word_list_clear(&given);
    return status;
}

int f1_score(const struct scorer *s, const char *answer, const json_t *reference, double *score, error *err)
{
    return score_f1(s, cut_words, answer, reference, score, err);
}

int f1_char_score(const struct scorer *s, const char *answer, const json_t *reference, double *score, error *err)
{
    return score_f1(s, cut_characters, answer, reference, score, err);
}
