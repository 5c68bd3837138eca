/* Whether answer and gold text are the same: as they are but for lm-eval's options, or normalised in one of two ways. */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/memory.h"
#include "task/japanese.h"
#include "task/nfkc.h"
#include "task/scorer.h"
#include "text/utf8.h"

static void remove_ascii(char *text, const char *what)
{
    size_t k = 0;
    for (size_t i = 0; text[i]; i++)
        if (!strchr(what, text[i]))
            text[k++] = text[i];
    text[k] = '\0';
}

/* What is left under lm-eval's options, in its order; free() it. NULL where an expression gives up. */
static char *leave_out(const scorer *s, const char *text, error *err)
{
    char *left = memory_text(text);
    for (size_t i = 0; i < s->n_ignored && left; i++) {
        char *shorter = python_regex_remove(s->ignored[i], left, err);
        free(left);
        left = shorter;
    }
    if (left && s->ignore_case) {
        char *lower = nfkc_lower(left);
        free(left);
        left = lower;
    }
    if (left && s->ignore_punctuation)
        remove_ascii(left, "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~");
    if (left && s->ignore_numbers)
        remove_ascii(left, "0123456789");
    return left;
}

int exact_match_score(const struct scorer *s, const char *answer, const json_t *reference, double *score, error *err)
{
    char buffer[32];
    const char *text = metric_text(reference, buffer, err);
    if (!text)
        return -1;
    char *gold = leave_out(s, text, err), *given = gold ? leave_out(s, answer, err) : NULL;
    if (given)
        *score = strcmp(gold, given) == 0;
    free(gold);
    free(given);
    return given ? 0 : -1;
}

static int score_normalized(char *(*normalize)(const char *), const char *answer, const json_t *reference, double *score, error *err)
{
    char buffer[32];
    const char *text = metric_text(reference, buffer, err);
    if (!text)
        return -1;
    char *gold = normalize(text), *given = normalize(answer);
    *score = strcmp(gold, given) == 0;
    free(gold);
    free(given);
    return 0;
}

int exact_match_ja_score(const struct scorer *s, const char *answer, const json_t *reference, double *score, error *err)
{
    (void)s;
    return score_normalized(japanese_normalize, answer, reference, score, err);
}

int exact_match_nfkc_score(const struct scorer *s, const char *answer, const json_t *reference, double *score, error *err)
{
    (void)s;
    return score_normalized(nfkc_bare, answer, reference, score, err);
}
