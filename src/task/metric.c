#include "task/metric.h"

#include <string.h>

static const metric table[] = {
    {"number_paper", "the last \\d*\\.?\\d+ of the answer as a float, as the paper counts (\"1,000\" reads as 0)",
     number_paper_score},
    {"number", "the answer's number: thousands separators, signs, any script's digits, ####, \\boxed{}, \"answer is\"",
     number_corrected_score},
    {"exact_match", "the answer, without white space around it, is the gold text", exact_match_score},
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
    static const char *const names[N_METRICS + 1] = {"number_paper", "number", "exact_match", NULL};
    return names;
}
