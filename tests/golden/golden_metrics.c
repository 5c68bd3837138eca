/* DIR/metrics: lines of JSONL, files told apart by how their names begin. */
#include "golden_lines.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "task/japanese.h"
#include "task/language.h"
#include "task/overlap.h"
#include "task/scorer.h"

/* null is "no number", "inf" is infinity. */
static bool same_number(const json_t *wanted, bool has, double value)
{
    if (!wanted || json_is_null(wanted))
        return !has;
    const char *text = json_string_value(wanted);
    double x = text ? strtod(text, NULL) : json_number_value(wanted);
    return has && value == x;
}

static void check_one(golden_tally *t, bool good, const char *name, size_t number, const char *what, const json_t *wanted,
                      bool has, double value)
{
    if (good) {
        t->passed++;
        return;
    }
    t->failed++;
    char *text = json_dumps(wanted, JSON_ENCODE_ANY);
    if (has)
        golden_mismatch(name, "line %zu: %s is %.17g, wanted %s", number, what, value, text ? text : "null");
    else
        golden_mismatch(name, "line %zu: %s finds no number, wanted %s", number, what, text ? text : "null");
    free(text);
}

/* What the metric says of the answer: whether it is right. */
static void check_correct(golden_tally *t, const char *metric_name, const char *key, const json_t *line, size_t number,
                          const char *name)
{
    const json_t *wanted = json_object_get(line, key), *gold = json_object_get(line, "gold");
    const json_t *text = json_object_get(line, "text");
    if (!wanted || !gold || strlen(json_string_value(text)) != json_string_length(text))
        return;
    error err = {0};
    double score = -1;
    double right = json_is_true(wanted);
    if (metric_find(metric_name)->score(NULL, json_string_value(text), gold, &score, &err) == 0 && score == right) {
        t->passed++;
    } else {
        t->failed++;
        golden_mismatch(name, "line %zu: %s is %g, wanted %g %s", number, key, score, right, err.text);
    }
}

static void check_numbers(const json_t *line, size_t number, const char *name, golden_tally *t)
{
    const json_t *text = json_object_get(line, "text");
    if (!json_is_string(text)) {
        t->failed++;
        golden_mismatch(name, "line %zu: no text", number);
        return;
    }
    double value = 0;
    const json_t *wanted = json_object_get(line, "paper");
    if (wanted) {
        bool has = number_paper_n(json_string_value(text), json_string_length(text), &value);
        check_one(t, same_number(wanted, has, value), name, number, "paper", wanted, has, value);
        check_correct(t, "number_paper", "paper_correct", line, number, name);
    }
    wanted = json_object_get(line, "corrected");
    if (wanted) {
        bool has = number_corrected_n(json_string_value(text), json_string_length(text), &value);
        check_one(t, same_number(wanted, has, value), name, number, "corrected", wanted, has, value);
        check_correct(t, "number", "corrected_correct", line, number, name);
    }
}

/* Wishes: what the extractor happens to read counts, the rest is not supported. */
static void check_optional(const json_t *line, size_t number, const char *name, golden_tally *t)
{
    (void)number;
    (void)name;
    double value = 0;
    const json_t *text = json_object_get(line, "text");
    bool has = json_is_string(text) && number_corrected_n(json_string_value(text), json_string_length(text), &value);
    if (has && same_number(json_object_get(line, "value"), has, value))
        t->passed++;
    else
        t->unsupported++;
}

static language_model *lid;

static bool lid_agrees(const json_t *line, const language_guess *found, int n, char *why, size_t size)
{
    const json_t *top = json_object_get(line, "top3");
    if (json_array_size(top) != (size_t)n) {
        snprintf(why, size, "%d labels, wanted %zu", n, json_array_size(top));
        return false;
    }
    for (int i = 0; i < n; i++) {
        const char *label = json_string_value(json_array_get(json_array_get(top, (size_t)i), 0));
        double p = json_number_value(json_array_get(json_array_get(top, (size_t)i), 1));
        if (label && strncmp(label, "__label__", 9) == 0)
            label += 9;
        /* labels whose probabilities are closer than the tolerance may change places */
        bool near = false;
        for (int k = 0; label && k < n; k++)
            near = near || (strcmp(found[k].label, label) == 0 && fabs((double)found[k].probability - p) <= 1e-4);
        if (!near) {
            snprintf(why, size, "label %d is %s %.6f, wanted %s %.6f", i + 1, found[i].label, (double)found[i].probability,
                     label ? label : "?", p);
            return false;
        }
    }
    return true;
}

static void check_lid(const json_t *line, size_t number, const char *name, golden_tally *t)
{
    const json_t *text = json_object_get(line, "text");
    if (!lid || !json_is_string(text)) {
        t->failed++;
        return;
    }
    language_guess found[3];
    char why[200];
    int n = language_guess_top(lid, json_string_value(text), json_string_length(text), found, 3);
    if (lid_agrees(line, found, n, why, sizeof why)) {
        t->passed++;
    } else {
        t->failed++;
        golden_mismatch(name, "line %zu: %s", number, why);
    }
    const json_t *ja = json_object_get(line, "ja");
    if (!ja || strlen(json_string_value(text)) != json_string_length(text))
        return;
    if (language_is(lid, json_string_value(text), "ja") == json_is_true(ja)) {
        t->passed++;
    } else {
        t->failed++;
        golden_mismatch(name, "line %zu: ja is %s", number, json_is_true(ja) ? "false, wanted true" : "true, wanted false");
    }
}

static segmenter *ipadic;

static void check_text(golden_tally *t, const char *name, size_t number, const json_t *line, const char *key, const char *got)
{
    const json_t *wanted = json_object_get(line, key);
    if (!wanted)
        return;
    if (json_is_string(wanted) && strcmp(json_string_value(wanted), got) == 0) {
        t->passed++;
        return;
    }
    t->failed++;
    golden_mismatch(name, "line %zu: %s is '%s', wanted '%s'", number, key, got, json_is_string(wanted) ? json_string_value(wanted) : "?");
}

static void check_words(golden_tally *t, const char *name, size_t number, const json_t *line, const char *key, const char *text)
{
    const json_t *wanted = json_object_get(line, key);
    if (!wanted)
        return;
    error err = {.text = "no dictionary"};
    char *plain = japanese_normalize(text);
    word_list got = {0};
    bool good = ipadic && segmenter_cut(ipadic, plain, &got, &err) == 0 && got.count == json_array_size(wanted);
    for (size_t i = 0; good && i < got.count; i++) {
        const json_t *word = json_array_get(wanted, i);
        good = json_string_length(word) == got.items[i].n && memcmp(json_string_value(word), got.items[i].text, got.items[i].n) == 0;
    }
    t->passed += good;
    t->failed += !good;
    if (!good)
        golden_mismatch(name, "line %zu: %s are other words of '%s' %s", number, key, plain, err.text);
    free(plain);
    word_list_clear(&got);
}

static void check_neologdn(const json_t *line, size_t number, const char *name, golden_tally *t)
{
    const char *text = json_string_value(json_object_get(line, "text"));
    string no_emoji = {0}, alone = {0};
    if (!text) {
        t->failed++;
        return;
    }
    japanese_no_emoji(&no_emoji, text, strlen(text));
    japanese_neologdn(&alone, text, strlen(text));
    char *whole = japanese_normalize(text);
    check_text(t, name, number, line, "no_emoji", no_emoji.text ? no_emoji.text : "");
    check_text(t, name, number, line, "neologdn", alone.text ? alone.text : "");
    check_text(t, name, number, line, "pipeline", whole);
    check_words(t, name, number, line, "tokens", text);
    free(no_emoji.text);
    free(alone.text);
    free(whole);
}

static void check_value(golden_tally *t, const char *name, size_t number, const char *what, double got, const json_t *wanted)
{
    bool good = json_is_number(wanted) && fabs(got - json_number_value(wanted)) <= 1e-11;
    t->passed += good;
    t->failed += !good;
    if (!good)
        golden_mismatch(name, "line %zu: %s is %.12f, wanted %.12f", number, what, got, json_number_value(wanted));
}

static word_list given_words(const json_t *list)
{
    word_list w = {0};
    size_t i;
    const json_t *item;
    json_array_foreach((json_t *)list, i, item)
        word_list_add(&w, json_string_value(item), json_string_length(item));
    return w;
}

/* [precision, recall, F] of the tokens that the line gives. */
static void check_overlap(golden_tally *t, const char *name, size_t number, const json_t *line, const char *key, int n)
{
    const json_t *wanted = json_object_get(line, key);
    if (!wanted)
        return;
    word_list ref = given_words(json_object_get(line, "ref_tokens")), pred = given_words(json_object_get(line, "pred_tokens"));
    overlap o = n ? overlap_ngrams(&ref, &pred, n) : overlap_sequence(&ref, &pred);
    check_value(t, name, number, key, o.precision, json_array_get(wanted, 0));
    check_value(t, name, number, key, o.recall, json_array_get(wanted, 1));
    check_value(t, name, number, key, o.f, json_array_get(wanted, 2));
    word_list_clear(&ref);
    word_list_clear(&pred);
}

/* What a metric gives the answer, with its language condition or without. */
static void check_metric(golden_tally *t, const char *name, size_t number, const char *metric_name, const char *language, const json_t *gold,
                         const json_t *answer, const json_t *wanted)
{
    if (!wanted)
        return;
    error err = {0};
    judgement j = {.score = -1};
    scorer *s = scorer_new(&(scorer_options){.metric = metric_name, .language = language}, &err);
    int status = s ? scorer_judge(s, json_string_value(answer), gold, lid, &j, &err) : -1;
    bool good = status == 0 && fabs(j.score - json_number_value(wanted)) <= 1e-11;
    t->passed += good;
    t->failed += !good;
    if (!good)
        golden_mismatch(name, "line %zu: %s is %.12f, wanted %.12f %s", number, metric_name, j.score, json_number_value(wanted), err.text);
    scorer_free(s);
}

static void check_rouge(const json_t *line, size_t number, const char *name, golden_tally *t)
{
    const json_t *ref = json_object_get(line, "ref"), *pred = json_object_get(line, "pred");
    if (!json_is_string(ref) || !json_is_string(pred)) {
        t->failed++;
        return;
    }
    char *plain = japanese_normalize(json_string_value(ref));
    check_text(t, name, number, line, "ref_norm", plain);
    free(plain);
    plain = japanese_normalize(json_string_value(pred));
    check_text(t, name, number, line, "pred_norm", plain);
    free(plain);
    check_words(t, name, number, line, "ref_tokens", json_string_value(ref));
    check_words(t, name, number, line, "pred_tokens", json_string_value(pred));
    check_overlap(t, name, number, line, "rouge1", 1);
    check_overlap(t, name, number, line, "rouge2", 2);
    check_overlap(t, name, number, line, "rougeL", 0);
    static const char *const names[] = {"rouge1", "rouge2", "rougeL"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        check_metric(t, name, number, names[i], NULL, ref, pred, json_array_get(json_object_get(line, names[i]), 2));
    check_metric(t, name, number, "rougeL", "ja", ref, pred, json_object_get(line, "rougeL_ja_f"));
}

/* em_raw compares texts as they are; the metric itself leaves white space around the answer out. */
static void check_squad(const json_t *line, size_t number, const char *name, golden_tally *t)
{
    const json_t *refs = json_object_get(line, "refs"), *pred = json_object_get(line, "pred"), *raw = json_object_get(line, "em_raw"), *ref;
    if (!json_is_string(pred) || !json_is_array(refs)) {
        t->failed++;
        return;
    }
    double best = 0;
    size_t i;
    json_array_foreach((json_t *)refs, i, ref) {
        error err;
        double one = 0;
        scorer *s = scorer_new(&(scorer_options){.metric = "exact_match"}, &err);
        if (s->metric->score(s, json_string_value(pred), ref, &one, &err) == 0 && one > best)
            best = one;
        scorer_free(s);
    }
    if (raw)
        check_value(t, name, number, "em_raw", best, raw);
    check_metric(t, name, number, "exact_match_ja", NULL, refs, pred, json_object_get(line, "em"));
    check_metric(t, name, number, "exact_match_nfkc", NULL, refs, pred, json_object_get(line, "em_nfkc"));
    check_metric(t, name, number, "f1", NULL, refs, pred, json_object_get(line, "f1_mecab"));
    check_metric(t, name, number, "f1_char", NULL, refs, pred, json_object_get(line, "f1_char"));
}

/* Longer beginnings first. */
static const golden_kind kinds[] = {
    {"numbers_optional", check_optional}, {"numbers", check_numbers},     {"lid", check_lid},
    {"neologdn", check_neologdn},         {"rouge", check_rouge},         {"squad", check_squad},
};

void golden_metrics(const golden_context *c)
{
    error err = {0};
    lid = language_open(NULL, &err);
    if (!lid)
        golden_mismatch("metrics/lid", "%s", err.text);
    ipadic = segmenter_open(NULL, &err);
    if (!ipadic)
        golden_mismatch("metrics", "%s", err.text);
    golden_lines(c, "metrics", kinds, sizeof kinds / sizeof *kinds);
    language_free(lid);
    segmenter_free(ipadic);
    lid = NULL;
    ipadic = NULL;
}
