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

/* One generation of a step: `n` candidates in `dims` dimensions; candidate 1 fails with `reason` when there is one. */
static void add_to_step(store *s, uint32_t step, uint32_t g, size_t n, size_t dims, const char *name, const char *reason)
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
    if (store_advance(s, step, g, "state", 5, d, dims, x, n, &err) != 0)
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

static void add_generation(store *s, uint32_t g, size_t n, size_t dims, const char *name, const char *reason)
{
    add_to_step(s, 0, g, n, dims, name, reason);
}

/* Settings of one step. */
static json_t *one_step(const char *name, json_t *dimensions)
{
    return json_pack("{s:[{s:s, s:s, s:{s:o}}]}", "steps", "name", name, "space", "parameters", "genome", "dimensions", dimensions);
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
                                       "h2", "h3", "title", "text", "span", "circle", "i", "ul", "li", "rect"};
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
    store *s = new_study("done.db", "finished", json_pack("{s:s, s:o, s:s}", "metric", "acc_ja", "fixed", one_step("PS", dims), "text", "models:\n  ja: a\n"));
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

static json_t *two_tasks(double a, double b)
{
    return json_pack("{s:f, s:f, s:f, s:i, s:[{s:s, s:f, s:f, s:f, s:i}, {s:s, s:f, s:f, s:f, s:i}]}", "score", (a + b) / 2, "low", (a + b) / 2 - .05, "high",
                     (a + b) / 2 + .05, "n", 300, "tasks", "task", "xlsum<b>", "score", a, "low", a - .1, "high", a + .1, "n", 100, "task", "jnli", "score", b,
                     "low", b - .1, "high", b + .1, "n", 200);
}

/* Several tasks, scores between 0 and 1: nothing is said to be solved. */
static void test_graded_scores_of_tasks(void **state)
{
    (void)state;
    store *s = new_study("tasks.db", "tasks", json_object());
    put(s, "table", json_pack("{s:[{s:s, s:s, s:o}, {s:s, s:s, s:o}, {s:s, s:s, s:o}], s:s, s:i, s:i, s:b, s:[{s:s, s:s, s:f, s:i, s:i, s:f}]}", "rows", "name", "ja", "kind",
                              "source", "held_out", two_tasks(.2, .6), "name", "mean of all", "kind", "unsearched", "held_out", two_tasks(.111, .111), "name", "evolved",
                              "kind", "evolved", "held_out", two_tasks(.337, .7), "winner", "evolved", "wins", 70, "losses", 12, "graded", 1, "pairs", "row", "evolved",
                              "against", "ja", "difference", .12, "better", 71, "worse", 13, "p", .01));
    put(s, "worked", json_pack("[{s:s, s:s, s:[{s:s, s:s, s:b, s:f}, {s:s, s:s, s:b, s:f}]}]", "question", "要約", "gold", "雨です", "answers", "name", "ja", "text", "雪",
                               "ok", 0, "score", .25, "name", "evolved", "text", "雨です", "ok", 1, "score", 1.0));
    char *page = page_of(s);
    static const char *const wanted[] = {"Task by task, held out", "xlsum&lt;b&gt; <small>100 questions", "33.7%", "70.0%", "average, as weighted", "&#9733; evolved",
                                         "scores more than every source on <b>70</b>", "less than some source on <b>12</b>", "scores more on 71, less on 13", "25.0%&nbsp;ja",
                                         "&#10003;&nbsp;evolved"};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        has(page, wanted[i]);
    has_not(page, "solves");
    has_not(strstr(page, "Task by task"), "11.1%");     /* sources beside what was found */
    check_nesting(page);
    free(page);
    store_close(s);
}

/* Pictures stand inside the page, and only what is one. */
static void test_pictures(void **state)
{
    (void)state;
    store *s = new_study("pictures.db", "pictures", json_object());
    put(s, "worked", json_pack("[{s:s, s:s, s:s, s:s}, {s:s, s:s, s:s, s:s}, {s:s, s:s}]", "question", "何の動物？", "gold", "猫", "picture", "a\"><b>.jpg", "thumbnail",
                               "data:image/jpeg;base64,/9j/4AAQ", "question", "色は？", "gold", "赤", "picture", "gone.jpg", "thumbnail",
                               "data:image/svg+xml,<svg onload=x>", "question", "数は？", "picture", "absent.jpg"));
    char *page = page_of(s);
    has(page, "<img alt=\"a&quot;&gt;&lt;b&gt;.jpg\" src=\"data:image/jpeg;base64,/9j/4AAQ\">");
    has(page, "img-src data:");
    has(page, "picture gone.jpg");
    has(page, "picture absent.jpg");
    has_not(page, "onload");
    check_nesting(page);
    free(page);
    store_close(s);
}

/* Names, answers and settings that would like to be more than text. */
static void test_hostile_text(void **state)
{
    (void)state;
    static const char hostile[] = SCRIPT QUOTES MARKS;
    json_t *dims = json_pack("[{s:s, s:i, s:i}, {s:s, s:b}, {s:s, s:b}]", "name", hostile, "low", 0, "high", 2, "name", hostile, "binary", 1, "name",
                             hostile, "binary", 1);
    json_t *steps = json_pack("{s:[{s:s, s:s, s:[s], s:{s:O}}, {s:s, s:s, s:[s], s:{s:o}}]}", "steps", "name", hostile, "space", "data-flow", "sources", hostile,
                              "genome", "dimensions", dims, "name", hostile, "space", "data-flow", "sources", hostile, "genome", "dimensions", dims);
    json_t *settings = json_pack("{s:s, s:s, s:o, s:{s:[s, {s:s}]}}", "metric", hostile, hostile, hostile, "fixed", steps, "deep", "list", hostile, hostile,
                                 hostile);
    store *s = new_study("hostile.db", hostile, settings);
    add_generation(s, 0, 3, 3, hostile, hostile);
    add_to_step(s, 1, 1, 3, 3, hostile, NULL);
    json_t *rows = json_pack("[{s:s, s:s, s:s, s:o}, {s:s, s:s, s:[[s, i, f], [s, i, f]]}]", "name", hostile, "kind", hostile, "path", hostile, "held_out",
                             split(.5), "name", hostile, "kind", "evolved", "hops", hostile, 3, .5, hostile, 4, 1.);
    put(s, "table", json_pack("{s:o, s:s, s:i, s:i, s:[s], s:[{s:s, s:s, s:f, s:i, s:i, s:f}]}", "rows", rows, "winner", hostile, "wins", 1, "losses", 0,
                              "notes", hostile, "pairs", "row", hostile, "against", hostile, "difference", .1, "better", 1, "worse", 0, "p", .5));
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
    if (times < 34)
        fail_msg("the hostile text stands on the page %zu times, wanted at least 34", times);
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
    store *s = new_study("types.db", "types", json_pack("{s:{s:[i, s, {s:i}]}, s:i}", "fixed", "steps", 1, "x", "genome", 3, "metric", 9));
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

/* Hops that are none, pairs that are none: no drawing, no sentence, a whole page. */
static void test_hops_and_pairs_of_other_types(void **state)
{
    (void)state;
    static const char *const hops[] = {"7", "[]", "[1]", "[[]]", "[[\"ja\"]]", "[[\"ja\", \"0\"]]", "[[\"ja\", -1]]", "[[\"ja\", 1000000000]]", "[[\"ja\", 0.5]]",
                                       "[[\"ja\", 0, \"1\"]]", "[[\"ja\", 0, 1e300]]", "[[3, 0, 1]]", "[[\"ja\", 0, 1], null]", "{\"ja\": 0}", "null"};
    static const char *const pairs[] = {"7", "[]", "[1, null, {}]", "[{\"row\": \"DFS\", \"against\": \"ja\"}]", "{\"row\": 1}",
                                        "[{\"row\": 1, \"against\": \"ja\", \"difference\": 0.1}]", "[{\"row\": \"DFS\", \"against\": \"ja\", \"difference\": \"x\"}]"};
    store *s = new_study("hops.db", "hops", json_object());
    for (size_t i = 0; i < sizeof hops / sizeof *hops; i++) {
        put(s, "table", json_pack("{s:[{s:s, s:s, s:o}], s:s, s:o}", "rows", "name", "DFS", "kind", "evolved", "hops",
                                  json_loads(hops[i], JSON_DECODE_ANY, NULL), "winner", "DFS", "pairs",
                                  json_loads(pairs[i % (sizeof pairs / sizeof *pairs)], JSON_DECODE_ANY, NULL)));
        char *page = page_of(s);
        check_nesting(page);
        has(page, "<h2>Results");
        has_not(page, "<h2>Paths");
        has_not(page, "Question by question");
        has_not(page, "nan");
        free(page);
    }
    put(s, "table", json_pack("{s:[{s:s, s:s}], s:[{s:s, s:s, s:f}]}", "rows", "name", "DFS", "kind", "evolved", "pairs", "row", "DFS", "against", "ja",
                              "difference", -.125));
    char *page = page_of(s);
    has(page, "<li><i>DFS</i> against <i>ja</i>: <b>-12.5 points</b>.</li>");
    free(page);
    store_close(s);
}

static json_t *slot_dimensions(int layers)
{
    static const char *const names[] = {"ja", "math"};
    json_t *list = json_array();
    for (int scale = 0; scale < 2; scale++)
        for (int source = 0; source < 2; source++)
            for (int layer = 0; layer < layers; layer++) {
                char name[32];
                snprintf(name, sizeof name, "%s.%d.%s", names[source], layer, scale ? "scale" : "on");
                json_t *d = json_pack("{s:s, s:i, s:i}", "name", name, "low", 0, "high", scale ? 2 : 1);
                if (!scale)
                    json_object_set_new(d, "binary", json_true());
                json_array_append_new(list, d);
            }
    return list;
}

static size_t count(const char *page, const char *text)
{
    size_t times = 0;
    for (const char *at = page; (at = strstr(at, text)); at++)
        times++;
    return times;
}

/* Two steps, the second a path of 65 hops through two models of 32 layers. */
static void test_a_study_of_two_steps(void **state)
{
    (void)state;
    json_t *numbers = json_pack("[{s:s, s:i, s:i}]", "name", "ja.weight.g0", "low", 0, "high", 2);
    json_t *steps = json_pack("[{s:s, s:s, s:{s:o}}, {s:s, s:s, s:[s, s], s:{s:o}}]", "name", "PS", "space", "parameters", "genome", "dimensions", numbers,
                              "name", "PS + DFS", "space", "data-flow", "sources", "math", "ja", "genome", "dimensions", slot_dimensions(32));
    store *s = new_study("two.db", "two", json_pack("{s:{s:o}}", "fixed", "steps", steps));
    for (uint32_t g = 0; g < 7; g++)
        add_to_step(s, g >= 4, g, 6, g < 4 ? 1 : 128, "d", NULL);
    json_t *hops = json_array();
    for (int i = 0; i < 65; i++)
        json_array_append_new(hops, json_pack("[s, i, f]", i % 3 ? "ja" : "math", i < 32 ? i : i - 32 > 31 ? 31 : i - 32, i % 2 ? 1 + 0.002 * i : 1 - 0.003 * i));
    json_t *rows = json_pack("[{s:s, s:s, s:s, s:o}, {s:s, s:s, s:[[s, i, f]]}, {s:s, s:s, s:o, s:o}]", "name", "ja", "kind", "source", "path", "models/ja",
                             "held_out", split(.2), "name", "by hand", "kind", "unsearched", "hops", "ja", 0, 1., "name", "PS + DFS (mean)", "kind", "evolved",
                             "hops", hops, "held_out", split(.7));
    put(s, "table", json_pack("{s:o, s:s, s:[{s:s, s:s, s:i, s:i, s:f, s:f, s:f, s:f}]}", "rows", rows, "winner", "PS + DFS (mean)", "pairs", "row",
                              "PS + DFS (mean)", "against", "ja", "better", 590, "worse", 25, "p", 1e-140, "difference", .471, "low", .442, "high", .5));
    char *page = page_of(s);
    static const char *const wanted[] = {
        "<i>PS + DFS (mean)</i> against <i>ja</i>: <b>+47.1 points</b> [44.2, 50.0] on 200 held-out questions; solves 590 that <i>ja</i> does not, misses 25 that it "
        "does; sign test p = 1e-140.",
        "<b>PS</b> in generations 1 to 4, <b>PS + DFS</b> in generations 5 to 7", "Parameters over generations: PS<", "Path over generations: PS + DFS<",
        "<h3>PS + DFS (mean) &#9733;</h3>", "65 hops through", "of 32 layers", "<title>hop 64: layer 31 of ja", "<title>math.31: on in", "64 scales",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        has(page, wanted[i]);
    assert_int_equal(count(page, "<h3>"), 2);           /* pairs and one path: only what was found is drawn */
    assert_int_equal(count(page, "<path class=\"mark s0"), 22 + 1);
    assert_int_equal(count(page, "<path class=\"mark s1"), 43 + 1);
    assert_int_equal(count(page, "<rect class=row"), 64);
    assert_int_equal(count(page, "class=step"), 1);
    has_not(page, "nan");
    check_nesting(page);
    free(page);
    store_close(s);
}

/* What is not drawn is said. */
static void test_a_path_too_long_to_draw(void **state)
{
    (void)state;
    json_t *hops = json_array();
    for (int i = 0; i < 600; i++)
        json_array_append_new(hops, json_pack("[s, i]", "ja", i));
    store *s = new_study("long.db", "long", json_object());
    json_t *rows = json_array();
    for (int i = 0; i < 18; i++)
        json_array_append_new(rows, json_pack("{s:s, s:s, s:O}", "name", "DFS", "kind", "evolved", "hops", hops));
    json_decref(hops);
    put(s, "table", json_pack("{s:o}", "rows", rows));
    char *page = page_of(s);
    has(page, "The first 512 of 600 hops");
    has(page, "The first 16 of 18 paths");
    check_nesting(page);
    free(page);
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
        cmocka_unit_test(test_a_finished_study), cmocka_unit_test(test_graded_scores_of_tasks), cmocka_unit_test(test_pictures), cmocka_unit_test(test_hops_and_pairs_of_other_types), cmocka_unit_test(test_a_study_of_two_steps),
        cmocka_unit_test(test_a_path_too_long_to_draw),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
