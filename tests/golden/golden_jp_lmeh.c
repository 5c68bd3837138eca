/* DIR/jp-lmeh: what two harnesses make of the Japanese tasks. Here: random numbers, ROUGE-2, and the figures of whole sets; golden_jp_tasks.c has
 * the tasks. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/mersenne.h"
#include "golden_jp_tasks.h"
#include "jp_scene.h"
#include "task/aggregate.h"
#include "task/overlap.h"

static const char *root;

static void check_near(golden_tally *t, const char *name, size_t number, const char *what, double got, const json_t *wanted)
{
    bool good = json_is_number(wanted) && fabs(got - json_number_value(wanted)) <= 1e-12;
    t->passed += good;
    t->failed += !good;
    if (!good)
        golden_mismatch(name, "line %zu: %s is %.17g, wanted %.17g", number, what, got, json_number_value(wanted));
}

static void check_whole(golden_tally *t, const char *name, size_t number, const char *what, uint64_t got, const json_t *wanted)
{
    bool good = json_is_integer(wanted) && (uint64_t)json_integer_value(wanted) == got;
    t->passed += good;
    t->failed += !good;
    if (!good)
        golden_mismatch(name, "line %zu: %s is %llu, wanted %lld", number, what, (unsigned long long)got, (long long)json_integer_value(wanted));
}

/* ---- random.jsonl */

/* Decimal digits, of any number, as 32-bit words, lowest first. */
static size_t words_of(const char *digits, uint32_t words[8])
{
    size_t n = 1;
    words[0] = 0;
    for (digits += *digits == '-'; *digits; digits++) {
        uint64_t carry = (uint64_t)(*digits - '0');
        for (size_t i = 0; i < n; i++) {
            carry += (uint64_t)words[i] * 10;
            words[i] = (uint32_t)carry;
            carry >>= 32;
        }
        if (carry && n < 8)
            words[n++] = (uint32_t)carry;
    }
    return n;
}

static void check_random(const json_t *line, size_t number, const char *name, golden_tally *t)
{
    const char *seed = json_string_value(json_object_get(line, "seed"));
    uint32_t words[8];
    size_t n_words = words_of(seed ? seed : "0", words), i, k;
    const json_t *item, *wanted;
    mersenne fresh, m;
    mersenne_seed_words(&fresh, words, n_words);
    if (n_words <= 1) {
        mersenne_seed_python(&m, strtoll(seed ? seed : "0", NULL, 10));
        t->passed += memcmp(&m, &fresh, sizeof m) == 0;
        t->failed += memcmp(&m, &fresh, sizeof m) != 0;
    }
    m = fresh;
    json_array_foreach(json_object_get(line, "u32"), i, wanted)
        check_whole(t, name, number, "a word", mersenne_next(&m), wanted);
    m = fresh;
    json_array_foreach(json_object_get(line, "random"), i, wanted)
        check_near(t, name, number, "random()", mersenne_uniform(&m), wanted);
    json_array_foreach(json_object_get(line, "randbelow"), i, item) {
        m = fresh;
        json_array_foreach(json_array_get(item, 1), k, wanted)
            check_whole(t, name, number, "randrange", mersenne_below(&m, (uint64_t)json_integer_value(json_array_get(item, 0))), wanted);
    }
    size_t ten[10];
    for (i = 0; i < 10; i++)
        ten[i] = i;
    m = fresh;
    mersenne_shuffle(&m, ten, 10);
    json_array_foreach(json_object_get(line, "shuffle10"), i, wanted)
        check_whole(t, name, number, "shuffle", i < 10 ? ten[i] : 0, wanted);
    json_array_foreach(json_object_get(line, "sample"), i, item) {
        size_t n = (size_t)json_integer_value(json_array_get(item, 0)), count = (size_t)json_integer_value(json_array_get(item, 1));
        size_t *drawn = memory_new(count, sizeof *drawn);
        m = fresh;
        mersenne_sample(&m, n, count, drawn);
        json_array_foreach(json_array_get(item, 2), k, wanted)
            check_whole(t, name, number, "sample", k < count ? drawn[k] : 0, wanted);
        free(drawn);
    }
    mersenne_seed(&fresh, words[0]);
    m = fresh;
    json_array_foreach(json_object_get(line, "numpy_choice30"), i, wanted)
        check_whole(t, name, number, "numpy's choice", mersenne_masked_below(&m, 30), wanted);
    m = fresh;
    json_array_foreach(json_object_get(line, "numpy_u32"), i, wanted)
        check_whole(t, name, number, "numpy's word", mersenne_next(&m), wanted);
}

/* ---- rouge2.jsonl, aggregate*.jsonl */

static word_list tokens_of(const json_t *row, const char *key)
{
    word_list w = {0};
    size_t i;
    const json_t *item;
    json_array_foreach(json_object_get(row, key), i, item)
        word_list_add(&w, json_string_value(item), json_string_length(item));
    return w;
}

static overlap rouge2_of(const json_t *reference, const json_t *answer)
{
    word_list a = tokens_of(reference, "ref_tokens"), b = tokens_of(answer, "pred_tokens");
    overlap o = overlap_ngrams(&a, &b, 2);
    word_list_clear(&a);
    word_list_clear(&b);
    return o;
}

static void check_rouge2(const json_t *line, size_t number, const char *name, golden_tally *t)
{
    const json_t *wanted = json_object_get(line, "rouge2");
    overlap o = rouge2_of(line, line);
    check_near(t, name, number, "precision", o.precision, json_array_get(wanted, 0));
    check_near(t, name, number, "recall", o.recall, json_array_get(wanted, 1));
    check_near(t, name, number, "F", o.f, json_array_get(wanted, 2));
}

/* The lines of DIR/jp-lmeh/FILE whose `key` is `value`; json_decref them. */
static json_t *rows_where(const char *file, const char *key, const char *value)
{
    char *path = memory_print("%s/jp-lmeh/%s", root, file);
    error err;
    json_t *all = golden_rows(path, &err), *rows = json_array(), *row;
    size_t i;
    if (!all)
        golden_mismatch("jp-lmeh", "%s", err.text);
    json_array_foreach(all, i, row)
        if (value && json_is_string(json_object_get(row, key)) && strcmp(json_string_value(json_object_get(row, key)), value) == 0)
            json_array_append(rows, row);
    json_decref(all);
    free(path);
    return rows;
}

/* ROUGE-2 of a dictionary's rows (all pairs of them, where the line says so), by bootstrap and plainly. */
static void check_bootstrap(const json_t *line, size_t number, const char *name, golden_tally *t)
{
    const char *dictionary = json_string_value(json_object_get(line, "dictionary"));
    json_t *rows = rows_where("rouge2.jsonl", "tokenizer", strcmp(dictionary, "ipadic") == 0 ? "mecab ipadic" : "mecab unidic-lite"), *a, *b;
    size_t n = 0, i, k;
    double *scores = memory_new(json_array_size(rows) * json_array_size(rows) + 1, sizeof *scores);
    bool pairs = json_object_get(line, "pairs") != NULL;
    json_array_foreach(rows, i, a)
        json_array_foreach(rows, k, b)
            if (pairs || i == k)
                scores[n++] = rouge2_of(a, b).f;
    if (n != (size_t)json_integer_value(json_object_get(line, "n"))) {
        golden_mismatch(name, "line %zu: %zu rows", number, n);
        t->failed++;
    } else {
        check_near(t, name, number, "rouge2_agg",
                   aggregate_bootstrap_median(scores, n, (uint32_t)json_integer_value(json_object_get(line, "bootstrap_seed"))),
                   json_object_get(line, "rouge2_agg"));
        check_near(t, name, number, "plain_mean", aggregate_mean(scores, n), json_object_get(line, "plain_mean"));
    }
    free(scores);
    json_decref(rows);
}

/* mcc, balanced_acc, macro_f1 and acc of the questions that scoring_stability.jsonl has of the task. */
static void check_classes(const json_t *line, size_t number, const char *name, golden_tally *t)
{
    const json_t *results = json_object_get(line, "results");
    json_t *rows = rows_where("scoring_stability.jsonl", "task", json_string_value(json_object_get(line, "task"))), *row;
    size_t n = json_array_size(rows), i;
    int *gold = memory_new(n, sizeof *gold), *chosen = memory_new(n, sizeof *chosen);
    json_array_foreach(rows, i, row) {
        const json_t *pair = json_object_get(json_object_get(row, "metrics"), "mcc"), *pick = json_array_get(pair, 1);
        gold[i] = (int)json_integer_value(json_array_get(pair, 0));
        chosen[i] = json_is_boolean(pick) ? json_is_true(pick) : (int)json_integer_value(pick);
    }
    if (n == 0) {
        golden_mismatch(name, "line %zu: no rows", number);
        t->failed++;
    } else {
        check_near(t, name, number, "balanced_acc", aggregate_balanced_accuracy(gold, chosen, n), json_object_get(results, "balanced_acc"));
        check_near(t, name, number, "mcc", aggregate_mcc(gold, chosen, n), json_object_get(results, "mcc"));
        check_near(t, name, number, "macro_f1", aggregate_macro_f1(gold, chosen, n), json_object_get(results, "macro_f1"));
    }
    free(gold);
    free(chosen);
    json_decref(rows);
}

static void check_aggregate(const json_t *line, size_t number, const char *name, golden_tally *t)
{
    if (json_object_get(line, "bootstrap_seed"))
        check_bootstrap(line, number, name, t);
    else if (json_object_get(json_object_get(line, "results"), "mcc"))
        check_classes(line, number, name, t);
    if (json_object_get(line, "results"))
        golden_jp_figures(line, number, name, t);
}

static const golden_kind kinds[] = {{"random", check_random}, {"rouge2", check_rouge2}, {"aggregate", check_aggregate}};

void golden_jp_lmeh(const golden_context *c)
{
    error err = {0};
    char *absolute = realpath(c->root, NULL), *folder = memory_print("%s/jp-lmeh", absolute), *tokens = memory_print("%s/../data/tokenizers/hf_json", absolute);
    const size_t own = sizeof kinds / sizeof *kinds;
    golden_kind *all = memory_new(own + golden_n_jp_kinds, sizeof *all);
    golden_context here = *c;
    memcpy(all, kinds, sizeof kinds);
    memcpy(all + own, golden_jp_kinds, golden_n_jp_kinds * sizeof *all);
    root = here.root = absolute;
    if (golden_jp_open(folder, tokens, &err) == 0) {
        golden_lines(&here, "jp-lmeh", all, own + golden_n_jp_kinds);
    } else {
        golden_mismatch("jp-lmeh", "%s", err.text);
        golden_report(c, "jp-lmeh", 0, 1, 0);
    }
    jp_scene_close();
    free(all);
    free(tokens);
    free(folder);
    free(absolute);
}
