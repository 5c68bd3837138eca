#include "task/overlap.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct place { word_span word; uint32_t *id; };

static int by_word(const void *a, const void *b)
{
    const word_span *x = &((const struct place *)a)->word, *y = &((const struct place *)b)->word;
    int order = memcmp(x->text, y->text, x->n < y->n ? x->n : y->n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

/* Both lists with words as numbers: [a->count + b->count], a's first; free() it. */
static uint32_t *number_words(const word_list *a, const word_list *b)
{
    size_t n = a->count + b->count;
    uint32_t *ids = memory_new(n + 1, sizeof *ids);
    struct place *places = memory_new(n + 1, sizeof *places);
    for (size_t i = 0; i < n; i++)
        places[i] = (struct place){i < a->count ? a->items[i] : b->items[i - a->count], &ids[i]};
    qsort(places, n, sizeof *places, by_word);
    uint32_t id = 0;
    for (size_t i = 0; i < n; i++) {
        id += i > 0 && !word_same(places[i - 1].word, places[i].word);
        *places[i].id = id;
    }
    free(places);
    return ids;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The n-grams of ids [count], sorted; *grams of them. */
static uint64_t *ngrams(const uint32_t *ids, size_t count, int n, size_t *grams)
{
    *grams = count < (size_t)n ? 0 : count - (size_t)n + 1;
    uint64_t *out = memory_new(*grams + 1, sizeof *out);
    for (size_t i = 0; i < *grams; i++)
        out[i] = n == 1 ? ids[i] : (uint64_t)ids[i] << 32 | ids[i + 1];
    qsort(out, *grams, sizeof *out, by_number);
    return out;
}

static overlap ratios(size_t common, size_t in_reference, size_t in_answer)
{
    overlap o = {(double)common / (double)(in_answer ? in_answer : 1), (double)common / (double)(in_reference ? in_reference : 1), 0};
    if (o.precision + o.recall > 0)
        o.f = 2 * o.precision * o.recall / (o.precision + o.recall);
    return o;
}

overlap overlap_ngrams(const word_list *reference, const word_list *answer, int n)
{
    uint32_t *ids = number_words(reference, answer);
    size_t n_a, n_b, common = 0;
    uint64_t *a = ngrams(ids, reference->count, n, &n_a), *b = ngrams(ids + reference->count, answer->count, n, &n_b);
    for (size_t i = 0, j = 0; i < n_a && j < n_b;) {
        common += a[i] == b[j];
        bool next_a = a[i] <= b[j], next_b = b[j] <= a[i];
        i += next_a;
        j += next_b;
    }
    free(a);
    free(b);
    free(ids);
    return ratios(common, n_a, n_b);
}

overlap overlap_sequence(const word_list *reference, const word_list *answer)
{
    size_t n = reference->count, m = answer->count;
    uint32_t *ids = number_words(reference, answer), *a = ids, *b = ids + n;
    size_t *longest = memory_new(m + 1, sizeof *longest);   /* of a[0..i) and b[0..j) */
    for (size_t i = 0; i < n; i++) {
        size_t before = 0;   /* of a[0..i) and b[0..j - 1) */
        for (size_t j = 1; j <= m; j++) {
            size_t above = longest[j];
            if (a[i] == b[j - 1])
                longest[j] = before + 1;
            else if (longest[j - 1] > above)
                longest[j] = longest[j - 1];
            before = above;
        }
    }
    size_t common = longest[m];
    free(longest);
    free(ids);
    return ratios(common, n, m);
}

double overlap_f1(const word_list *reference, const word_list *answer)
{
    if (reference->count == 0 || answer->count == 0)
        return reference->count == answer->count;
    return overlap_ngrams(reference, answer, 1).f;
}
