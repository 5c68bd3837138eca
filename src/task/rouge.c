/* ROUGE over MeCab's words of normalised text, as rouge_score counts it with a tokenizer of one's own: no lower case, no stems. */
#include "task/overlap.h"
#include "task/scorer.h"

enum { LONGEST = 0 };   /* in place of n */

static int score_rouge(const scorer *s, const char *answer, const json_t *reference, int n, double *score, error *err)
{
    word_list gold = {0}, given = {0};
    int status = scorer_cut_both(s, scorer_words, answer, reference, &given, &gold, err);
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
