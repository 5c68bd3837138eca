#include "study/report_table.h"

#include <stdbool.h>
#include <string.h>

#include "study/members.h"
#include "study/report_chart.h"
#include "study/report_page.h"

static bool is_share(double x)
{
    return x >= 0 && x <= 1;
}

static void add_number(string *page, double x)
{
    if (is_share(x))
        string_print(page, "%.1f%%", 100 * x);
    else
        string_print(page, "%.4g", x);
}

static void add_cell(string *page, const json_t *split)
{
    double score = member_number(split, "score"), low = member_number(split, "low"), high = member_number(split, "high"), n = member_number(split, "n");
    if (isnan(score)) {
        string_puts(page, "<td class=\"n soft\">");
        report_between(page, "", *member_text(split, "reason") ? member_text(split, "reason") : "\xe2\x80\x93", "</td>");
        return;
    }
    string_puts(page, "<td class=n");
    if (n > 0)
        string_print(page, " title=\"%.0f questions\"", n);
    string_puts(page, ">");
    add_number(page, score);
    if (!isnan(low) && !isnan(high)) {
        string_puts(page, "<br><small>");
        add_number(page, low);
        string_puts(page, " to ");
        add_number(page, high);
        string_puts(page, "</small>");
    }
    string_puts(page, "</td>");
}

static void add_row(string *page, const json_t *row, const char *winner, bool with_acc)
{
    const json_t *held_out = json_object_get(row, "held_out");
    double acc = member_number(held_out, "acc"), score = member_number(held_out, "score"), trial_number = member_number(row, "trial");
    string_puts(page, *winner && strcmp(member_text(row, "name"), winner) == 0 ? "<tr class=winner><td>&#9733; " : "<tr><td>");
    report_escape(page, member_text(row, "name"));
    if (!isnan(trial_number) && !strstr(member_text(row, "name"), "trial"))
        string_print(page, " <small>trial %.0f</small>", trial_number);
    if (*member_text(row, "path")) {
        string_puts(page, "<br><small>");
        report_escape(page, member_text(row, "path"));
        string_puts(page, "</small>");
    }
    string_puts(page, "</td><td class=soft>");
    report_escape(page, member_text(row, "kind"));
    string_puts(page, "</td>");
    add_cell(page, json_object_get(row, "search"));
    add_cell(page, json_object_get(row, "select"));
    add_cell(page, held_out);
    if (with_acc) {
        string_puts(page, "<td class=n>");
        if (isnan(acc))
            string_puts(page, "&ndash;");
        else
            add_number(page, acc);
        string_puts(page, "</td>");
    }
    string_puts(page, "<td>");
    if (is_share(score))
        report_interval(page, score, member_number(held_out, "low"), member_number(held_out, "high"));
    string_puts(page, "</td></tr>");
}

/* ---- what was found against what else answered the same questions */

static double questions_of(const json_t *rows, const char *name)
{
    const json_t *row;
    size_t i;
    json_array_foreach(rows, i, row)
        if (strcmp(member_text(row, "name"), name) == 0)
            return member_number(json_object_get(row, "held_out"), "n");
    return NAN;
}

/* "DFS against ja: +47.1 points [44.2, 50.0] on 1200 held-out questions; solves 590 that ja does not, misses 25 that it does; sign test p = 1e-140."
 * Of graded scores: "scores more on 590, less on 25". */
static void add_pair(string *page, const json_t *rows, const json_t *pair, bool graded)
{
    const char *row = member_text(pair, "row"), *against = member_text(pair, "against");
    double low = member_number(pair, "low"), high = member_number(pair, "high"), better = member_number(pair, "better"), worse = member_number(pair, "worse"),
           p = member_number(pair, "p"), n = questions_of(rows, row);
    report_between(page, "<li><i>", row, "</i> against ");
    report_between(page, "<i>", against, "</i>");
    string_print(page, ": <b>%+.1f points</b>", 100 * member_number(pair, "difference"));
    if (isfinite(low) && isfinite(high))
        string_print(page, " [%.1f, %.1f]", 100 * low, 100 * high);
    if (n > 0)
        string_print(page, " on %.0f held-out questions", n);
    if (isfinite(better) && isfinite(worse) && graded) {
        string_print(page, "; scores more on %.0f, less on %.0f", better, worse);
    } else if (isfinite(better) && isfinite(worse)) {
        string_print(page, "; solves %.0f that ", better);
        report_between(page, "<i>", against, "</i> does not");
        string_print(page, ", misses %.0f that it does", worse);
    }
    if (isfinite(p))
        string_print(page, p > 0 ? "; sign test p = %.2g" : "; sign test p &lt; 1e-300", p);
    string_puts(page, ".</li>");
}

static void add_pairs(string *page, const json_t *table)
{
    const json_t *pair;
    size_t i, shown = 0;
    json_array_foreach(json_object_get(table, "pairs"), i, pair) {
        if (!*member_text(pair, "row") || !*member_text(pair, "against") || !isfinite(member_number(pair, "difference")))
            continue;
        string_puts(page, shown++ ? "" : "<h3>Question by question</h3><ul>");
        add_pair(page, json_object_get(table, "rows"), pair, json_is_true(json_object_get(table, "graded")));
    }
    string_puts(page, shown ? "</ul><p class=soft>Paired differences of the scores with 95% intervals; two-sided sign tests.</p>" : "");
}

/* ---- task by task */

/* The split that tells most: the last one that has several tasks. */
static const char *split_of_tasks(const json_t *rows)
{
    static const char *const splits[] = {"held_out", "select", "search"};
    const json_t *row;
    size_t i;
    for (size_t k = 0; k < sizeof splits / sizeof *splits; k++)
        json_array_foreach(rows, i, row)
            if (json_array_size(json_object_get(json_object_get(row, splits[k]), "tasks")) > 1)
                return splits[k];
    return NULL;
}

/* Sources stand beside what was found. */
static bool is_compared(const json_t *row)
{
    return strcmp(member_text(row, "kind"), "source") == 0 || strcmp(member_text(row, "kind"), "evolved") == 0;
}

static void add_tasks(string *page, const json_t *table)
{
    const json_t *rows = json_object_get(table, "rows"), *row, *first = NULL, *entry;
    const char *split = split_of_tasks(rows), *winner = member_text(table, "winner");
    size_t i, k;
    if (!split)
        return;
    string_print(page, "<h3>Task by task, %s</h3><div class=wide><table><tr><th>task", strcmp(split, "held_out") == 0 ? "held out" : split);
    json_array_foreach(rows, i, row) {
        const json_t *tasks = json_object_get(json_object_get(row, split), "tasks");
        first = !first && json_array_size(tasks) > 1 ? tasks : first;
        if (is_compared(row))
            report_between(page, strcmp(member_text(row, "name"), winner) == 0 ? "<th class=n>&#9733; " : "<th class=n>", member_text(row, "name"), "");
    }
    string_puts(page, "</tr>");
    json_array_foreach(first, k, entry) {
        report_between(page, "<tr><td>", member_text(entry, "task"), "");
        string_print(page, " <small>%.0f questions</small></td>", member_number(entry, "n"));
        json_array_foreach(rows, i, row)
            if (is_compared(row))
                add_cell(page, json_array_get(json_object_get(json_object_get(row, split), "tasks"), k));
        string_puts(page, "</tr>");
    }
    string_puts(page, "<tr class=winner><td>average, as weighted</td>");
    json_array_foreach(rows, i, row)
        if (is_compared(row))
            add_cell(page, json_object_get(row, split));
    string_puts(page, "</tr></table></div>");
}

void report_table(string *page, const json_t *table)
{
    const json_t *rows = json_object_get(table, "rows"), *item;
    bool with_acc = false;
    size_t i;
    if (json_array_size(rows) == 0)
        return;
    json_array_foreach(rows, i, item)
        with_acc = with_acc || !isnan(member_number(json_object_get(item, "held_out"), "acc"));
    string_puts(page, "<section><h2>Results</h2><div class=wide><table><tr><th>model<th>kind<th class=n>search<th class=n>select<th class=n>held out");
    string_print(page, "%s<th>held out, 0 to 100%%</tr>", with_acc ? "<th class=n>in any language" : "");
    json_array_foreach(rows, i, item)
        add_row(page, item, member_text(table, "winner"), with_acc);
    string_puts(page, "</table></div><p class=soft>With 95% intervals. <em>select</em> chose the winner (&#9733;); <em>held out</em> questions never chose anything.</p>");
    double wins = member_number(table, "wins"), losses = member_number(table, "losses");
    if (!isnan(wins) && !isnan(losses) && json_is_true(json_object_get(table, "graded")))
        string_print(page, "<p>The winner scores more than every source on <b>%.0f</b> held-out questions, and less than some source on <b>%.0f</b>.</p>", wins, losses);
    else if (!isnan(wins) && !isnan(losses))
        string_print(page, "<p>The winner solves <b>%.0f</b> held-out questions that no source solves, and misses <b>%.0f</b> that some source solves.</p>", wins, losses);
    add_tasks(page, table);
    add_pairs(page, table);
    json_array_foreach(json_object_get(table, "notes"), i, item)
        report_between(page, "<p>", json_string_value(item) ? json_string_value(item) : "", "</p>");
    string_puts(page, "</section>");
}
