#include "study/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "study/report_chart.h"

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1c2430;--soft:#667;--line:#ccd;--paper:#fff;--one:#2166ac;--two:#b2182b}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e4e8ee;--soft:#9aa4b2;--line:#3a4350;--paper:#14181d;--one:#6ab0f3;--two:#f4796b}}"
    "body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}td.n{text-align:right;font-variant-numeric:tabular-nums}"
    "tr.winner{font-weight:600}.ok{color:var(--one)}.no{color:var(--two)}small,.soft{color:var(--soft)}pre{white-space:pre-wrap;word-break:break-word}"
    "svg{width:100%;height:auto}svg text{fill:var(--soft);font-size:11px}";

void report_escape(string *page, const char *text)
{
    for (; *text; text++) {
        const char *as = *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : *text == '&' ? "&amp;" : *text == '"' ? "&quot;" : *text == '\'' ? "&#39;" : NULL;
        if (as)
            string_puts(page, as);
        else
            string_add(page, text, 1);
    }
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void cell(string *page, const json_t *split)
{
    const json_t *score = json_object_get(split, "score"), *low = json_object_get(split, "low"), *high = json_object_get(split, "high");
    if (!json_is_number(score)) {
        string_puts(page, "<td class=n>-</td>");
        return;
    }
    string_print(page, "<td class=n>%.1f", 100 * json_number_value(score));
    if (json_is_number(low) && json_is_number(high))
        string_print(page, " <small>%.1f&nbsp;..&nbsp;%.1f</small>", 100 * json_number_value(low), 100 * json_number_value(high));
    string_puts(page, "</td>");
}

static void add_table(string *page, const json_t *table)
{
    const json_t *rows = json_object_get(table, "rows"), *note;
    size_t i;
    if (json_array_size(rows) == 0)
        return;
    string_puts(page, "<h2>Results</h2><p class=soft>Per cent, with 95 % intervals. Held-out questions were never used to choose.</p>"
                      "<table><tr><th>model<th>kind<th>search<th>select<th>held out</tr>");
    for (i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        bool won = strcmp(text_of(row, "name"), text_of(table, "winner")) == 0;
        string_puts(page, won ? "<tr class=winner><td>" : "<tr><td>");
        report_escape(page, text_of(row, "name"));
        string_puts(page, "</td><td class=soft>");
        report_escape(page, text_of(row, "kind"));
        string_puts(page, "</td>");
        cell(page, json_object_get(row, "search"));
        cell(page, json_object_get(row, "select"));
        cell(page, json_object_get(row, "held_out"));
        string_puts(page, "</tr>");
    }
    string_puts(page, "</table>");
    const json_t *wins = json_object_get(table, "wins"), *losses = json_object_get(table, "losses");
    if (json_is_integer(wins) && json_is_integer(losses))
        string_print(page, "<p>The winner solves %lld held-out questions that no source solves, and fails %lld that some source solves.</p>",
                     (long long)json_integer_value(wins), (long long)json_integer_value(losses));
    json_array_foreach(json_object_get(table, "notes"), i, note) {
        string_puts(page, "<p>");
        report_escape(page, json_string_value(note) ? json_string_value(note) : "");
        string_puts(page, "</p>");
    }
}

static void add_worked(string *page, const json_t *worked)
{
    size_t i, k;
    const json_t *item, *a;
    if (json_array_size(worked) == 0)
        return;
    string_puts(page, "<h2>Answers side by side</h2>");
    json_array_foreach(worked, i, item) {
        string_puts(page, "<table><tr><th colspan=2>");
        report_escape(page, text_of(item, "question"));
        string_puts(page, "<br><small>gold: ");
        report_escape(page, text_of(item, "gold"));
        string_puts(page, *text_of(item, "note") ? "; " : "");
        report_escape(page, text_of(item, "note"));
        string_puts(page, "</small></tr>");
        json_array_foreach(json_object_get(item, "answers"), k, a) {
            bool ok = json_is_true(json_object_get(a, "ok"));
            string_print(page, "<tr><td class=%s>%s ", ok ? "ok" : "no", ok ? "&#10003;" : "&#10007;");
            report_escape(page, text_of(a, "name"));
            string_puts(page, "</td><td>");
            report_escape(page, text_of(a, "text"));
            string_puts(page, "</td></tr>");
        }
        string_puts(page, "</table><br>");
    }
}

static void add_places(string *page, const json_t *places)
{
    size_t i;
    const json_t *place;
    if (json_array_size(places) == 0)
        return;
    string_puts(page, "<h2>Where everything lies</h2><table>");
    json_array_foreach(places, i, place) {
        string_puts(page, "<tr><td>");
        report_escape(page, text_of(place, "what"));
        string_puts(page, "</td><td><code>");
        report_escape(page, text_of(place, "path"));
        string_puts(page, "</code></td></tr>");
    }
    string_puts(page, "</table>");
}

static void add_settings(string *page, const json_t *settings)
{
    const char *key;
    json_t *value;
    string_puts(page, "<h2>Settings</h2>");
    json_object_foreach((json_t *)settings, key, value) {
        char *text = json_is_string(value) ? memory_text(json_string_value(value)) : json_dumps(value, JSON_INDENT(1) | JSON_ENCODE_ANY);
        bool is_long = text && strlen(text) > 80;
        string_puts(page, is_long ? "<details><summary>" : "<p>");
        report_escape(page, key);
        string_puts(page, is_long ? "</summary><pre>" : ": <code>");
        report_escape(page, text ? text : "");
        string_puts(page, is_long ? "</pre></details>" : "</code></p>");
        free(text);
    }
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
            *err = absent;
            goto done;
        }
    }
    if (store_trials(s, UINT32_MAX, false, &trials, &n, err) != 0)
        goto done;
    string_puts(&page, "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>");
    report_escape(&page, store_study_name(s));
    string_print(&page, "</title><style>%s</style><h1>", style);
    report_escape(&page, store_study_name(s));
    string_puts(&page, "</h1>");
    add_table(&page, named[0]);
    report_scores(&page, trials, n, text_of(settings, "metric"));
    report_parameters(&page, trials, n, json_object_get(settings, "dimensions"));
    add_worked(&page, named[1]);
    add_places(&page, named[2]);
    add_settings(&page, settings);
    string_puts(&page, "</html>\n");
    status = file_write(path, page.text, page.length, err);
done:
    free(page.text);
    trials_free(trials, n);
    for (int i = 0; i < 3; i++)
        json_decref(named[i]);
    json_decref(settings);
    return status;
}
