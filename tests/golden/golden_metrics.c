/* DIR/metrics: lines of JSONL, files told apart by how their names begin. */
#include "golden.h"

#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "task/language.h"
#include "task/metric.h"

struct tally { int passed, failed, unsupported; };

typedef void check_line(const json_t *line, size_t number, const char *name, struct tally *t);

/* null is "no number", "inf" is infinity. */
static bool same_number(const json_t *wanted, bool has, double value)
{
    if (!wanted || json_is_null(wanted))
        return !has;
    const char *text = json_string_value(wanted);
    double x = text ? strtod(text, NULL) : json_number_value(wanted);
    return has && value == x;
}

static void check_one(struct tally *t, bool good, const char *name, size_t number, const char *what, const json_t *wanted,
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
static void check_correct(struct tally *t, const char *metric_name, const char *key, const json_t *line, size_t number,
                          const char *name)
{
    const json_t *wanted = json_object_get(line, key), *gold = json_object_get(line, "gold");
    const json_t *text = json_object_get(line, "text");
    if (!wanted || !gold || strlen(json_string_value(text)) != json_string_length(text))
        return;
    error err = {0};
    double score = -1;
    double right = json_is_true(wanted);
    if (metric_find(metric_name)->score(json_string_value(text), gold, &score, &err) == 0 && score == right) {
        t->passed++;
    } else {
        t->failed++;
        golden_mismatch(name, "line %zu: %s is %g, wanted %g %s", number, key, score, right, err.text);
    }
}

static void check_numbers(const json_t *line, size_t number, const char *name, struct tally *t)
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
static void check_optional(const json_t *line, size_t number, const char *name, struct tally *t)
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

static void check_lid(const json_t *line, size_t number, const char *name, struct tally *t)
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

static void check_unsupported(const json_t *line, size_t number, const char *name, struct tally *t)
{
    (void)line;
    (void)number;
    (void)name;
    t->unsupported++;
}

/* String equality is exact_match; normalised matches and F1 are not there. */
static void check_squad(const json_t *line, size_t number, const char *name, struct tally *t)
{
    const json_t *refs = json_object_get(line, "refs"), *pred = json_object_get(line, "pred");
    const json_t *wanted = json_object_get(line, "em_raw");
    t->unsupported++;
    if (!wanted || !json_is_string(pred))
        return;
    error err = {0};
    double score = -1;
    if (exact_match_score(json_string_value(pred), refs, &score, &err) == 0 && score == json_number_value(wanted)) {
        t->passed++;
    } else {
        t->failed++;
        golden_mismatch(name, "line %zu: em_raw is %g, wanted %g %s", number, score, json_number_value(wanted), err.text);
    }
}

/* Longer beginnings first. */
static const struct { const char *begins; check_line *check; } kinds[] = {
    {"numbers_optional", check_optional}, {"numbers", check_numbers},     {"lid", check_lid},
    {"neologdn", check_unsupported},      {"rouge", check_unsupported},   {"squad", check_squad},
};

static void run_file(const golden_context *c, const char *path, const char *name, check_line *check)
{
    struct tally t = {0};
    error err = {0};
    size_t n;
    char *text = file_read(path, (size_t)1 << 30, &n, &err);
    if (!text) {
        golden_mismatch(name, "%s", err.text);
        golden_report(c, name, 0, 1, 0);
        return;
    }
    size_t number = 0;
    for (char *at = text, *end = text + n; at < end;) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((stop ? stop : end) - at);
        number++;
        if (strspn(at, " \t\r\n") < length) {
            json_t *line = json_loadb(at, length, JSON_ALLOW_NUL, NULL);
            if (line) {
                check(line, number, name, &t);
            } else {
                t.failed++;
                golden_mismatch(name, "line %zu is not JSON", number);
            }
            json_decref(line);
        }
        at += length + 1;
    }
    free(text);
    golden_report(c, name, t.passed, t.failed, t.unsupported);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void golden_metrics(const golden_context *c)
{
    char *folder = file_join(c->root, "metrics"), **names = NULL;
    size_t count = 0;
    DIR *d = opendir(folder);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        size_t k = strlen(entry->d_name);
        if (k <= 6 || strcmp(entry->d_name + k - 6, ".jsonl") != 0)
            continue;
        names = memory_grow(names, count + 1, sizeof *names);
        names[count++] = memory_text(entry->d_name);
    }
    if (d)
        closedir(d);
    if (count)
        qsort(names, count, sizeof *names, by_name);
    error err = {0};
    lid = language_open(NULL, &err);
    if (!lid)
        golden_mismatch("metrics/lid", "%s", err.text);
    for (size_t i = 0; i < count; i++) {
        char *name = memory_print("metrics/%.*s", (int)(strlen(names[i]) - 6), names[i]), *path = file_join(folder, names[i]);
        for (size_t k = 0; golden_wanted(c, name) && k < sizeof kinds / sizeof *kinds; k++)
            if (strncmp(names[i], kinds[k].begins, strlen(kinds[k].begins)) == 0) {
                run_file(c, path, name, kinds[k].check);
                break;
            }
        free(path);
        free(name);
        free(names[i]);
    }
    language_free(lid);
    lid = NULL;
    free(names);
    free(folder);
}
