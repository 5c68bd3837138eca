#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>

#include "base/file.h"
#include "base/memory.h"
#include "study/report.h"

#include <cmocka.h>     /* last: its macro hides our fail() */

#define SCRIPT "<script>alert('1')</script>"
#define QUOTES "\"><img src=x onerror=alert(2)>'; DROP TABLE trials;-- ]]> & &amp;"
#define MARKS "\x1b[31m\xe2\x80\xae" "desrever\xc2\x9b" "2J\x7f"

static char folder[64];
static error err;

static char *path_of(const char *name)
{
    return file_join(folder, name);
}

static store *new_study(const char *file, const char *name, json_t *settings)
{
    char *path = path_of(file);
    store *s = store_create(path, name, "acc_ja", settings, &err);
    if (!s)
        fail_msg("%s", err.text);
    json_decref(settings);
    free(path);
    return s;
}

/* One generation of `n` candidates in `dims` dimensions; candidate 1 fails with `reason` when there is one. */
static void add_generation(store *s, uint32_t g, size_t n, size_t dims, const char *name, const char *reason)
{
    store_dimension *d = memory_new(dims, sizeof *d);
    double *x = memory_new(n * dims, sizeof *x);
    char **names = memory_new(dims, sizeof *names);
    for (size_t i = 0; i < dims; i++) {
        names[i] = memory_print("%s%zu", name, i);
        d[i] = (store_dimension){names[i], 0, 2};
    }
    for (size_t i = 0; i < n * dims; i++)
        x[i] = 2 * (double)(i + 1) / (double)(n * dims + 1);
    if (store_advance(s, g, "state", 5, d, dims, x, n, &err) != 0)
        fail_msg("%s", err.text);
    trial t = {0};
    while (store_claim(s, g, &t, &err) == 1) {
        trial_outcome outcome = {.state = "COMPLETE", .value = 0.1 * t.candidate + 0.01 * g, .seconds = 1};
        if (reason && t.candidate == 1)
            outcome = (trial_outcome){.state = "FAIL", .value = NAN, .reason = reason};
        if (store_complete(s, t.id, t.fence, &outcome, &err) != 0)
            fail_msg("%s", err.text);
        trial_clear(&t);
    }
    for (size_t i = 0; i < dims; i++)
        free(names[i]);
    free(names);
    free(d);
    free(x);
}

static void put(store *s, const char *name, json_t *value)
{
    assert_non_null(value);
    if (store_put(s, name, value, &err) != 0)
        fail_msg("%s", err.text);
    json_decref(value);
}

static char *page_of(store *s)
{
    char *path = path_of("page.html");
    size_t n;
    if (report_html(s, path, &err) != 0)
        fail_msg("%s", err.text);
    char *page = file_read(path, (size_t)16 << 20, &n, &err);
    assert_non_null(page);
    assert_int_equal(strlen(page), n);
    free(path);
    return page;
}

static void has(const char *page, const char *text)
{
    if (!strstr(page, text))
        fail_msg("the page does not have '%s'", text);
}

static void has_not(const char *page, const char *text)
{
    const char *at = strstr(page, text);
    if (at)
        fail_msg("the page has '%s': %.80s", text, at);
}

/* Every element that has an end in HTML is ended, in the right order. */
static void check_nesting(const char *page)
{
    static const char *const kept[] = {"section", "table", "details", "summary", "div", "svg", "dl", "dt", "dd", "pre", "code", "td", "small", "p", "b", "h1",
                                       "h2", "title", "text", "span", "circle"};
    char open[64][16];
    size_t depth = 0;
    for (const char *at = strchr(page, '<'); at; at = strchr(at + 1, '<')) {
        bool end = at[1] == '/';
        char name[16] = "";
        sscanf(at + 1 + end, "%15[a-z0-9]", name);
        const char *stop = strchr(at, '>');
        assert_non_null(stop);
        bool known = false;
        for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
            known = known || strcmp(name, kept[i]) == 0;
        if (!known || stop[-1] == '/')
            continue;
        if (!end) {
            assert_true(depth < 64);
            strcpy(open[depth++], name);
        } else if (depth == 0 || strcmp(open[--depth], name) != 0) {
            fail_msg("</%s> ends <%s>: %.80s", name, open[depth], at);
        }
    }
    assert_int_equal(depth, 0);
}

static json_t *split(double score)
{
    return json_pack("{s:f, s:f, s:f, s:i, s:f}", "score", score, "low", score - 0.05, "high", score + 0.05, "n", 200, "acc", score + 0.01);
}

static void test_a_study_that_has_just_begun(void **state)
{
    (void)state;
    store *s = new_study("begun.db", "begun", json_pack("{s:s, s:i}", "metric", "acc_ja", "population", 3));
    char *page = page_of(s);
    has(page, "<h1>begun</h1>");
    has(page, "population");
    has_not(page, "<h2>Results");
    has_not(page, "<svg");
    check_nesting(page);
    free(page);
    store_close(s);
}

static void test_a_finished_study(void **state)
{
    (void)state;
    json_t *dims = json_pack("[{s:s, s:i, s:i}, {s:s, s:i, s:i}]", "name", "ja.weight.g0", "low", 0, "high", 2, "name", "math.weight.g0", "low", 0, "high", 2);
    store *s = new_study("done.db", "finished", json_pack("{s:s, s:o, s:s}", "metric", "acc_ja", "dimensions", dims, "text", "models:\n  ja: a\n"));
    add_generation(s, 0, 4, 2, "d", NULL);
    add_generation(s, 1, 4, 2, "d", "logits are not finite");
    put(s, "table", json_pack("{s:[{s:s, s:s, s:s, s:o, s:o, s:o}, {s:s, s:s, s:i, s:o, s:n, s:o}], s:s, s:i, s:i, s:[s]}", "rows", "name", "ja", "kind", "source",
                              "path", "models/ja", "search", split(.2), "select", split(.21), "held_out", split(.199), "name", "evolved", "kind", "evolved",
                              "trial", 17, "search", split(.9), "select", "held_out", split(.833), "winner", "evolved", "wins", 612, "losses", 3, "notes",
                              "a note"));
    put(s, "worked", json_pack("[{s:s, s:s, s:s, s:[{s:s, s:s, s:b}, {s:s, s:s, s:b}]}]", "question", "3+4は?", "gold", "7", "note", "no source solves it",
                               "answers", "name", "ja", "text", "8\nです", "ok", 0, "name", "evolved", "text", "7です", "ok", 1));
    put(s, "places", json_pack("[{s:s, s:s}]", "what", "the winner", "path", "out/best"));
    char *page = page_of(s), *again = page_of(s);
    assert_string_equal(page, again);
    static const char *const wanted[] = {"<b>612</b>", "<b>3</b>", "83.3%", "78.3%", "19.9%", "84.3%", "&#9733; evolved", "trial 17", "models/ja", "a note", "3+4は?",
                                         "right answer: 7; no source solves it", "8\nです", "out/best", "Score over generations: acc_ja", "ja.weight.g0",
                                         "math.weight.g0", "logits are not finite", "8 trials: 7 complete, 1 failed", "<pre>models:\n  ja: a\n</pre>"};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        has(page, wanted[i]);
    static const char *const foreign[] = {"http:", "https:", "src=", "href=", "<script", "url(", "@import", "nan", "inf,"};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        has_not(page, foreign[i]);
    check_nesting(page);
    size_t points = 0;
    for (const char *at = page; (at = strstr(at, "<circle class=point")); at++)
        points++;
    assert_int_equal(points, 7);
    free(page);
    free(again);
    store_close(s);
}

/* Names, answers and settings that would like to be more than text. */
static void test_hostile_text(void **state)
{
    (void)state;
    static const char hostile[] = SCRIPT QUOTES MARKS;
    json_t *settings = json_pack("{s:s, s:s, s:[{s:s, s:i, s:i}], s:{s:[s, {s:s}]}}", "metric", hostile, hostile, hostile, "dimensions", "name", hostile, "low", 0,
                                 "high", 2, "deep", "list", hostile, hostile, hostile);
    store *s = new_study("hostile.db", hostile, settings);
    add_generation(s, 0, 3, 1, hostile, hostile);
    put(s, "table", json_pack("{s:[{s:s, s:s, s:s, s:o}], s:s, s:i, s:i, s:[s]}", "rows", "name", hostile, "kind", hostile, "path", hostile, "held_out", split(.5),
                              "winner", hostile, "wins", 1, "losses", 0, "notes", hostile));
    put(s, "worked", json_pack("[{s:s, s:s, s:s, s:[{s:s, s:s, s:b}]}]", "question", hostile, "gold", hostile, "note", hostile, "answers", "name", hostile, "text",
                               hostile, "ok", 1));
    put(s, "places", json_pack("[{s:s, s:s}]", "what", hostile, "path", hostile));
    char *page = page_of(s);
    static const char *const raw[] = {"<script", "<img", "</script", "alert('", "\x1b", "\xe2\x80\xae", "\xc2\x9b", "\x7f"};
    for (size_t i = 0; i < sizeof raw / sizeof *raw; i++)
        has_not(page, raw[i]);
    size_t times = 0;
    for (const char *at = page; (at = strstr(at, "&lt;script&gt;alert(&#39;1&#39;)")); at++)
        times++;
    if (times < 18)
        fail_msg("the hostile text stands on the page %zu times, wanted at least 18", times);
    check_nesting(page);
    free(page);
    store_close(s);
}

static void test_results_of_other_types_count_as_missing(void **state)
{
    (void)state;
    static const char *const tables[] = {"7", "[]", "{\"rows\": 3}", "{\"rows\": [null, 4, \"x\", {}, {\"name\": 3, \"held_out\": []}]}",
                                         "{\"rows\": [{\"name\": \"a\", \"held_out\": {\"score\": \"high\", \"low\": {}, \"n\": -1}}], \"wins\": \"1\", \"notes\": [1, null]}"};
    static const char *const worked[] = {"{}", "[1, null, {}]", "[{\"question\": 1, \"answers\": {}}]", "[{\"answers\": [1, {\"ok\": \"yes\"}]}]", "null"};
    store *s = new_study("types.db", "types", json_pack("{s:[i, s], s:i}", "dimensions", 1, "x", "metric", 9));
    add_generation(s, 0, 2, 2, "d", NULL);
    for (int i = 0; i < 5; i++) {
        put(s, "table", json_loads(tables[i], JSON_DECODE_ANY, NULL));
        put(s, "worked", json_loads(worked[i], JSON_DECODE_ANY, NULL));
        put(s, "places", json_loads(worked[4 - i], JSON_DECODE_ANY, NULL));
        char *page = page_of(s);
        check_nesting(page);
        has_not(page, "(null)");
        free(page);
    }
    store_close(s);
}

static void test_scores_that_are_not_shares(void **state)
{
    (void)state;
    store *s = new_study("marks.db", "marks", json_pack("{s:s}", "metric", "points"));
    put(s, "table", json_pack("{s:[{s:s, s:{s:f, s:f, s:f}}]}", "rows", "name", "a", "held_out", "score", 41.25, "low", 40.5, "high", 42.0));
    char *page = page_of(s);
    has(page, "41.25<br><small>40.5 to 42</small>");
    has_not(page, "4125");
    free(page);
    store_close(s);
}

static void test_many_dimensions_say_so(void **state)
{
    (void)state;
    store *s = new_study("wide.db", "wide", json_object());
    add_generation(s, 0, 2, 70, "d", NULL);
    char *page = page_of(s);
    has(page, "The first 64 of 70 parameters");
    free(page);
    store_close(s);
}

/* A stranger's study may number its generations as it likes: no memory for those between. */
static void test_a_generation_number_at_the_end_of_the_world(void **state)
{
    (void)state;
    store *s = new_study("far.db", "far", json_object());
    add_generation(s, 0, 3, 1, "d", NULL);
    store_close(s);
    char *path = path_of("far.db"), *page = path_of("far.html");
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE mg_trials SET generation = 4294967294 WHERE candidate = 2", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    s = store_open(path, true, &err);
    if (s && report_html(s, page, &err) != 0)
        assert_null(strchr(err.text, '\n'));
    store_close(s);
    free(path);
    free(page);
}

static void test_a_page_that_cannot_be_written(void **state)
{
    (void)state;
    store *s = new_study("nowhere.db", "nowhere", json_object());
    char *path = path_of("no/such/page.html");
    assert_int_equal(report_html(s, path, &err), -1);
    if (!strstr(err.text, "no/such") || strchr(err.text, '\n'))
        fail_msg("'%s' does not name the place", err.text);
    free(path);
    store_close(s);
}

static int make_folder(void **state)
{
    (void)state;
    const char *place = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/merganser-report-XXXXXX", place && strlen(place) < 30 ? place : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return getenv("KEEP_PAGES") ? 0 : file_remove_tree(folder, &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_study_that_has_just_begun), cmocka_unit_test(test_hostile_text), cmocka_unit_test(test_results_of_other_types_count_as_missing),
        cmocka_unit_test(test_scores_that_are_not_shares), cmocka_unit_test(test_many_dimensions_say_so),
        cmocka_unit_test(test_a_generation_number_at_the_end_of_the_world), cmocka_unit_test(test_a_page_that_cannot_be_written),
        cmocka_unit_test(test_a_finished_study),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
