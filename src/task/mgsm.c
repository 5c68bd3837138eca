/* The number rule of the Japanese MGSM in lm-eval and in Stability's harness: the last match of (\-?[0-9\.\,]+), without dots
 * around it and without commas, as a float that must be whole. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "task/metric.h"

static bool is_part(char c)
{
    return (c >= '0' && c <= '9') || c == '.' || c == ',';
}

/* float(): digits with at most one dot among them, behind an optional sign. */
static bool is_float(const char *s)
{
    s += *s == '-';
    size_t before = strspn(s, "0123456789"), dot = s[before] == '.', after = strspn(s + before + dot, "0123456789");
    return before + after > 0 && s[before + dot + after] == '\0';
}

bool number_mgsm(const char *text, double *value)
{
    size_t end = strlen(text);
    while (end > 0 && !is_part(text[end - 1]))
        end--;
    size_t begin = end;
    while (begin > 0 && is_part(text[begin - 1]))
        begin--;
    if (begin == end)
        return false;
    if (begin > 0 && text[begin - 1] == '-')
        begin--;
    while (end > begin && text[end - 1] == '.')
        end--;
    while (begin < end && text[begin] == '.')
        begin++;
    char *plain = memory_text_n(text + begin, end - begin);
    size_t k = 0;
    for (size_t i = 0; plain[i]; i++)
        if (plain[i] != ',')
            plain[k++] = plain[i];
    plain[k] = '\0';
    double x = is_float(plain) ? strtod(plain, NULL) : NAN;
    free(plain);
    bool whole = isfinite(x) && x == floor(x);
    if (whole)
        *value = x;
    return whole;
}

int mgsm_score(const struct scorer *s, const char *answer, const json_t *reference, double *score, error *err)
{
    (void)s;
    double found = 0, wanted;
    if (number_gold(reference, &wanted, err) != 0)
        return -1;
    *score = number_mgsm(answer, &found) && found == wanted;
    return 0;
}
