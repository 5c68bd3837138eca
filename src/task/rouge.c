/* ROUGE over MeCab's words of normalised text, as rouge_score counts it with a tokenizer of one's own: no lower case, no stems. */
#include <stdlib.h>

#include "task/japanese.h"
#include "task/overlap.h"
#include "task/scorer.h"

enum { LONGEST = 0 };   /* in place of n */

static int cut(const scorer *s, const char *text, word_list *out, error *err)
{
    char *plain = japanese_normalize(text);
    int status = segmenter_cut(s->segmenter, plain, out, err);
    free(plain);
    return status;
}

static int score_rouge(const scorer *s, const char *answer, const json_t *reference, int n, double *score, error *err)
{
    char buffer[32];
    const char *text = metric_text(reference, buffer, err);
    word_list gold = {0}, given = {0};
    int status = text ? cut(s, text, &gold, err) : -1;
    if (status == 0)
        status = cut(s, answer, &given, err);
    if (status == 0)
        *score = n == LONGEST ? overlap_sequence(&gold, &given).f : overlap_ngrams(&gold, &given, n).f;
    word_list_clear(&gold);
    word_list_clear(&given);
    return status;
}

int rouge1_score(const struct scorer *s, const char *answer, const json_t *reference, double *score, error *err)
{
    return score_rouge(s, answer, reference, 1, score, err);
}

int rouge2_score(const struct scorer *s, const char *answer, const json_t *reference, double *score, error *err)
{
    return score_rouge(s, answer, reference, 2, score, err);
}

int rougeL_score(const struct scorer *s, const char *answer, const json_t *reference, double *score, error *err)
{
    return score_rouge(s, answer, reference, LONGEST, score, err);
}
