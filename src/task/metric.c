#include "task/metric.h"

#include <stdio.h>
#include <string.h>

static const metric table[] = {
    {"number_paper", "the last \\d*\\.?\\d+ of the answer as a float, as the paper counts (\"1,000\" reads as 0)", 0, number_paper_score},
    {"number", "the answer's number: thousands separators, signs, any script's digits, ####, \\boxed{}, \"answer is\"", 0,
     number_corrected_score},
    {"mgsm", "the last run of ASCII digits, dots and commas as a whole number, as lm-eval's Japanese mgsm counts", 0, mgsm_score},
    {"exact_match", "the answer, without white space around it, is the gold text; takes lm-eval's options", METRIC_TEXT | METRIC_IGNORES,
     exact_match_score},
    {"exact_match_ja", "the same once emoji, widths, long vowels and spaces are normalised on both sides, as Stability's harness does",
     METRIC_TEXT, exact_match_ja_score},
    {"exact_match_nfkc", "the same after NFKC, in lower case, without punctuation and white space", METRIC_TEXT, exact_match_nfkc_score},
    {"f1", "SQuAD's F1 over MeCab's words, punctuation left out", METRIC_TEXT | METRIC_WORDS, f1_score},
    {"f1_char", "SQuAD's F1 over characters, normalised as by exact_match_nfkc", METRIC_TEXT, f1_char_score},
    {"rouge1", "ROUGE-1 F over MeCab's words of the normalised texts", METRIC_TEXT | METRIC_WORDS, rouge1_score},
    {"rouge2", "ROUGE-2 F, the same", METRIC_TEXT | METRIC_WORDS, rouge2_score},
    {"rougeL", "ROUGE-L F (longest common subsequence), the same; with language ja the paper's measure for images",
     METRIC_TEXT | METRIC_WORDS, rougeL_score},
};
#define N_METRICS (sizeof table / sizeof *table)

const metric *metric_find(const char *name)
{
    for (size_t i = 0; i < N_METRICS; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

const char *const *metric_names(void)
{
    static const char *const names[N_METRICS + 1] = {"number_paper", "number", "mgsm", "exact_match", "exact_match_ja", "exact_match_nfkc",
                                                     "f1", "f1_char", "rouge1", "rouge2", "rougeL", NULL};
    return names;
}

const char *metric_text(const json_t *reference, char buffer[32], error *err)
{
    if (json_is_string(reference))
        return json_string_value(reference);
    if (!json_is_integer(reference)) {
        fail(err, ERROR_FORMAT, "the gold answer should be text, a whole number, or a list of them");
        return NULL;
    }
    snprintf(buffer, 32, "%lld", (long long)json_integer_value(reference));
    return buffer;
}
