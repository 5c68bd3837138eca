#include "study/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "image/thumbnail.h"
#include "study/members.h"
#include "study/report_chart.h"
#include "study/report_genome.h"
#include "study/report_page.h"
#include "study/report_path.h"
#include "study/report_table.h"

#define LONG_TEXT 100       /* bytes of a setting that are folded away */
#define DEEPEST 12          /* levels of settings that are laid out; below, they stand as JSON */
#define MOST_FAILURES 20

/* Nothing may be fetched or run, whatever a name or an answer tries. */
static const char head[] =
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width, initial-scale=1\">"
    "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\"><style>"
    ":root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--line:#d9dee6;--paper:#fff;--one:#1f5fae;--two:#b4501e;--three:#1a7f4b;--four:#7b3fa0;--five:#0f7c8c;--six:#b3265f;--band:#1f5fae26;--ok:#1a7f4b;--no:#b3261e}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e4e8ee;--soft:#9aa4b2;--line:#333c48;--paper:#14181d;--one:#6ab0f3;--two:#f0a173;--three:#5fd098;--four:#c79bea;--five:#5cc8d6;--six:#f28bb5;--band:#6ab0f333;--ok:#5fd098;--no:#ff8a80}}"
    "body{font:15px/1.55 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:62rem;margin:2rem auto;padding:0 1rem}"
    "h1{font-size:1.6rem;margin-bottom:0}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}h3{font-size:1rem;margin:1.2rem 0 .3rem}table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:top;unicode-bidi:isolate}th{font-weight:600;color:var(--soft)}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}tr.winner td{font-weight:600}.ok{color:var(--ok)}.no{color:var(--no)}"
    "small,.soft{color:var(--soft);font-weight:400}.text,pre{white-space:pre-wrap;overflow-wrap:anywhere}pre{margin:.3rem 0 .3rem 1rem;font-size:13px}"
    "code{overflow-wrap:anywhere}details{margin:.15rem 0}dl{margin:0 0 0 1rem}dt{float:left;clear:left;margin-right:.5rem;color:var(--soft)}dd{margin:0 0 0 2rem}"
    "svg:not(.clip){width:100%;height:auto;display:block}svg text{fill:var(--soft);font-size:11px}svg.interval{width:7.5rem;margin-top:.35rem}"
    ".grid{stroke:var(--line)}.line{fill:none;stroke-width:2;stroke-linejoin:round}.line.one{stroke:var(--one)}.line.two{stroke:var(--two)}"
    ".dot.one,.one-mark{fill:var(--one);color:var(--one)}.dot.two,.two-mark{fill:var(--two);color:var(--two)}.point,.point-mark{fill:var(--soft);color:var(--soft);fill-opacity:.4}"
    ".band{fill:var(--band)}.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(16rem,1fr));gap:1rem}.wide{overflow-x:auto}.broad{min-width:40rem}"
    ".step{stroke:var(--soft);stroke-dasharray:3 3}.cell{fill:var(--one)}.row{fill:none;pointer-events:all}.way{fill:none;stroke:var(--soft);stroke-opacity:.6}"
    ".mark{fill:currentColor;stroke:currentColor;stroke-width:1.5}.again{fill:var(--paper)}.s0{color:var(--one)}.s1{color:var(--two)}.s2{color:var(--three)}"
    ".s3{color:var(--four)}.s4{color:var(--five)}.s5{color:var(--six)}.bar.more{fill:var(--one)}.bar.less{fill:var(--two)}svg text.number{fill:var(--ink)}"
    "svg.key{display:inline-block;width:.9rem;vertical-align:-.1rem}ul{padding-left:1.2rem}"
    "</style><title>";

/* The bytes of a character that pages might obey: controls but newline and tab, and the marks that turn the direction of text. */
static size_t obeyed(const unsigned char *c)
{
    if ((*c < 0x20 && *c != '\n' && *c != '\t') || *c == 0x7f)
        return 1;
    if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
        return 2;
    if (*c == 0xe2 && ((c[1] == 0x80 && c[2] >= 0xaa && c[2] <= 0xae) || (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9)))
        return 3;
    return 0;
}

void report_escape(string *page, const char *text)
{
    string_puts(page, "");
    while (*text) {
        size_t n = obeyed((const unsigned char *)text);
        const char *as = *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : *text == '&' ? "&amp;" : *text == '"' ? "&quot;" : *text == '\'' ? "&#39;" : NULL;
        if (n)
            string_puts(page, "\xef\xbf\xbd");
        else if (as)
            string_puts(page, as);
        else
            string_add(page, text, 1);
        text += n ? n : 1;
    }
}

void report_between(string *page, const char *before, const char *text, const char *after)
{
    string_puts(page, before);
    report_escape(page, text);
    string_puts(page, after);
}

/* ---- answers, failures, places */

/* Beside the question, its picture; the file's name where that is all there is. */
static void add_picture(string *page, const json_t *item)
{
    const char *name = member_text(item, "picture"), *uri = member_text(item, "thumbnail");
    if (*uri && thumbnail_is_uri(uri)) {
        report_between(page, "<img alt=\"", name, "\" src=\"");
        report_between(page, "", uri, "\"><br>");
    } else if (*name) {
        report_between(page, "<small>picture ", name, "</small><br>");
    }
}

static void add_worked(string *page, const json_t *worked)
{
    size_t i, k;
    const json_t *item, *a;
    if (json_array_size(worked) == 0)
        return;
    string_puts(page, "<section><h2>Answers side by side</h2>");
    json_array_foreach(worked, i, item) {
        string_puts(page, "<div class=wide><table><tr><th colspan=2 class=text>");
        add_picture(page, item);
        report_escape(page, member_text(item, "question"));
        report_between(page, "<br><small>right answer: ", member_text(item, "gold"), *member_text(item, "note") ? "; " : "");
        report_between(page, "", member_text(item, "note"), "</small></tr>");
        json_array_foreach(json_object_get(item, "answers"), k, a) {
            bool ok = json_is_true(json_object_get(a, "ok"));
            double score = member_number(a, "score");
            if (score > 0 && score < 1)
                string_print(page, "<tr><td class=%s>%.1f%%&nbsp;", ok ? "ok" : "no", 100 * score);
            else
                string_print(page, "<tr><td class=%s>%s&nbsp;", ok ? "ok" : "no", ok ? "&#10003;" : "&#10007;");
            report_between(page, "", member_text(a, "name"), "</td><td class=text>");
            report_between(page, "", member_text(a, "text"), "</td></tr>");
        }
        string_puts(page, "</table></div><br>");
    }
    string_puts(page, "</section>");
}

static void add_failures(string *page, const trial *trials, size_t n)
{
    size_t failed = 0;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(trials[i].state, "FAIL") != 0 || ++failed > MOST_FAILURES)
            continue;
        if (failed == 1)
            string_puts(page, "<section><h2>Trials that failed</h2><table><tr><th>trial<th>generation<th>reason</tr>");
        string_print(page, "<tr><td>%lld</td><td>%u</td><td class=text>", (long long)trials[i].number, trials[i].generation);
        report_between(page, "", trials[i].reason ? trials[i].reason : "", "</td></tr>");
    }
    if (failed)
        string_puts(page, "</table>");
    if (failed > MOST_FAILURES)
        string_print(page, "<p>The first %d of %zu.</p>", MOST_FAILURES, failed);
    string_puts(page, failed ? "</section>" : "");
}

static void add_places(string *page, const json_t *places)
{
    size_t i;
    const json_t *place;
    if (json_array_size(places) == 0)
        return;
    string_puts(page, "<section><h2>Where everything lies</h2><table>");
    json_array_foreach(places, i, place) {
        report_between(page, "<tr><td>", member_text(place, "what"), "</td>");
        report_between(page, "<td><code>", member_text(place, "path"), "</code></td></tr>");
    }
    string_puts(page, "</table></section>");
}

/* ---- settings */

static bool is_tree(const json_t *value)
{
    return json_is_object(value) || json_is_array(value);
}

static void add_value(string *page, const json_t *value, int level);

static void add_member(string *page, const char *key, const json_t *value, int level)
{
    bool fold = is_tree(value) || (json_is_string(value) && (json_string_length(value) > LONG_TEXT || strchr(json_string_value(value), '\n')));
    string_puts(page, fold ? "<details><summary>" : "<dl><dt>");
    report_escape(page, key);
    string_puts(page, fold ? "</summary>" : "</dt><dd>");
    add_value(page, value, level);
    string_puts(page, fold ? "</details>" : "</dd></dl>");
}

static void add_value(string *page, const json_t *value, int level)
{
    const char *key;
    json_t *item;
    size_t i;
    bool plain = true;      /* a list of numbers and words stands in one line */
    json_array_foreach(value, i, item)
        plain = plain && !is_tree(item);
    if (json_is_object(value) && level < DEEPEST) {
        string_puts(page, "<div style=\"margin-left:1rem\">");
        json_object_foreach((json_t *)value, key, item)
            add_member(page, key, item, level + 1);
        string_puts(page, "</div>");
    } else if (json_is_array(value) && !plain && level < DEEPEST) {
        string_puts(page, "<div style=\"margin-left:1rem\">");
        json_array_foreach(value, i, item) {
            char number[32];
            snprintf(number, sizeof number, "%zu", i + 1);
            add_member(page, *member_text(item, "name") ? member_text(item, "name") : number, item, level + 1);
        }
        string_puts(page, "</div>");
    } else if (json_is_string(value)) {
        bool lines = strchr(json_string_value(value), '\n') != NULL;
        report_between(page, lines ? "<pre>" : "<code>", json_string_value(value), lines ? "</pre>" : "</code>");
    } else {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
        report_between(page, "<code>", text ? text : "", "</code>");
        free(text);
    }
}

static void add_standing(string *page, const trial *trials, size_t n)
{
    size_t complete = 0, failed = 0, open = 0;
    double seconds = 0;
    for (size_t i = 0; i < n; i++) {
        complete += strcmp(trials[i].state, "COMPLETE") == 0;
        failed += strcmp(trials[i].state, "FAIL") == 0;
        open += trial_is_open(&trials[i]);
        seconds += isfinite(trials[i].seconds) ? trials[i].seconds : 0;
    }
    string_print(page, "<p class=soft>%zu trials: %zu complete", n, complete);
    if (failed)
        string_print(page, ", %zu failed", failed);
    if (n - complete - failed - open)
        string_print(page, ", %zu pruned", n - complete - failed - open);
    if (open)
        string_print(page, ", %zu still to run", open);
    if (seconds > 0)
        string_print(page, "; %.0f s of evaluation", seconds);
    string_puts(page, "</p>");
}

int report_html(store *s, const char *path, error *err)
{
    static const char *const names[] = {"table", "worked", "places"};
    json_t *named[3] = {0}, *settings = store_settings(s, err);
    trial *trials = NULL;
    size_t n = 0;
    string page = {0};
    int status = -1;
    if (!settings)
        return -1;
    for (int i = 0; i < 3; i++) {
        error absent = {0};
        named[i] = store_get(s, names[i], &absent);
        if (!named[i] && absent.code != ERROR_NONE) {
            fail(err, absent.code, "%s", absent.text);
            goto done;
        }
    }
    if (store_trials(s, UINT32_MAX, false, &trials, &n, err) != 0)
        goto done;
    string_puts(&page, head);
    report_escape(&page, store_study_name(s));
    string_puts(&page, "</title><h1>");
    report_escape(&page, store_study_name(s));
    string_puts(&page, "</h1>");
    add_standing(&page, trials, n);
    report_table(&page, named[0]);
    report_paths(&page, named[0], settings);
    report_scores(&page, trials, n, settings);
    report_genomes(&page, trials, n, settings);
    add_worked(&page, named[1]);
    add_failures(&page, trials, n);
    add_places(&page, named[2]);
    string_puts(&page, "<section><h2>Settings</h2>");
    add_value(&page, settings, 0);
    string_puts(&page, "</section></html>\n");
    status = file_write(path, page.text, page.length, err);
done:
    free(page.text);
    trials_free(trials, n);
    for (int i = 0; i < 3; i++)
        json_decref(named[i]);
    json_decref(settings);
    return status;
}
