#include <stdio.h>
#include <string.h>

#include "task/metric.h"

int exact_match_score(const char *answer, const json_t *gold, double *score, error *err)
{
    if (json_is_array(gold) && json_array_size(gold)) {
        double best = 0;
        for (size_t i = 0; i < json_array_size(gold); i++) {
            double one;
            const json_t *item = json_array_get(gold, i);
            if (json_is_array(item))
                return fail(err, ERROR_FORMAT, "exact_match: a gold answer is a list inside a list");
            if (exact_match_score(answer, item, &one, err) != 0)
                return -1;
            if (one > best)
                best = one;
        }
        *score = best;
        return 0;
    }
    if (json_is_integer(gold)) {
        char text[32];
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(gold));
        *score = strcmp(answer, text) == 0;
        return 0;
    }
    if (!json_is_string(gold))
        return fail(err, ERROR_FORMAT, "exact_match: the gold answer should be text, a whole number, or a list of them");
    *score = strcmp(answer, json_string_value(gold)) == 0;
    return 0;
}
