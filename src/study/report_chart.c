#include "study/report_chart.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "study/members.h"
#include "study/report_frame.h"
#include "study/report_page.h"

#define MOST_STEPS 64           /* named below the chart */
#define STEP_NAME_ROOM 24       /* units of the chart; a narrower step has no name in it */

static bool has_score(const trial *t)
{
    return strcmp(t->state, "COMPLETE") == 0 && isfinite(t->value);
}

/* Candidates of a generation side by side, over at most 0.6 of the way to the next one. */
static double spread_out(const chart *c, const trial *t, uint32_t most)
{
    double x = chart_x(c, t->generation), step = chart_x(c, c->x_low + 1) - chart_x(c, c->x_low);
    return most && step <= c->width / 2.0 ? x + 0.6 * step * ((double)t->candidate / most - 0.5) : x;
}

void report_step_name(string *page, const json_t *settings, uint32_t step)
{
    const char *name = member_text(json_array_get(json_object_get(json_object_get(settings, "fixed"), "steps"), step), "name");
    if (*name)
        report_escape(page, name);
    else
        string_print(page, "step %.0f", step + 1.0);
}

/* A stretch of generations of one step: [first, end) in the list of generations. */
static size_t stretch_end(const uint32_t *step, size_t first, size_t count)
{
    size_t end = first + 1;
    while (end < count && step[end] == step[first])
        end++;
    return end;
}

/* Where several steps follow one another, a line between them and their names above. */
static void add_steps(string *page, const chart *c, const generations *g, const uint32_t *step, const json_t *settings)
{
    for (size_t first = 0, end; first < g->count; first = end) {
        end = stretch_end(step, first, g->count);
        double left = first ? (chart_x(c, g->at[first - 1]) + chart_x(c, g->at[first])) / 2 : FRAME_LEFT,
               right = end < g->count ? (chart_x(c, g->at[end - 1]) + chart_x(c, g->at[end])) / 2 : c->width - FRAME_RIGHT;
        if (first)
            string_print(page, "<line class=step x1=%.1f x2=%.1f y1=4 y2=%d />", left, left, c->height - FRAME_BOTTOM);
        if (right - left < STEP_NAME_ROOM)
            continue;       /* the text below the chart names it */
        string_print(page, "<svg class=clip x=%.1f y=0 width=%.1f height=%d><text x=0 y=14>", left + 6, right - left - 8, c->top);
        report_step_name(page, settings, step[first]);
        string_puts(page, "</text></svg>");
    }
}

static void list_steps(string *page, const generations *g, const uint32_t *step, const json_t *settings)
{
    size_t shown = 0;
    string_puts(page, "<p class=soft>Steps: ");
    for (size_t first = 0, end; first < g->count && shown < MOST_STEPS; first = end, shown++) {
        end = stretch_end(step, first, g->count);
        string_puts(page, first ? ", <b>" : "<b>");
        report_step_name(page, settings, step[first]);
        string_print(page, "</b> in generations %.0f to %.0f", g->at[first] + 1.0, g->at[end - 1] + 1.0);
    }
    string_puts(page, shown == MOST_STEPS ? ", and others.</p>" : ".</p>");
}

void report_scores(string *page, const trial *trials, size_t n, const json_t *settings)
{
    double low = INFINITY, high = -INFINITY;
    uint32_t most = 0;
    const char *metric = member_text(settings, "metric");
    for (size_t i = 0; i < n; i++)
        if (has_score(&trials[i])) {
            low = fmin(low, trials[i].value);
            high = fmax(high, trials[i].value);
            most = trials[i].candidate > most ? trials[i].candidate : most;
        }
    if (!(low <= high))
        return;
    generations g = generations_list(trials, n);
    uint32_t *step = memory_new(g.count, sizeof *step);
    for (size_t i = 0; i < n; i++)
        step[generations_place(&g, trials[i].generation)] = trials[i].step;
    bool share = low >= 0 && high <= 1, several = stretch_end(step, 0, g.count) < g.count;
    chart c = {g.at[0], g.at[g.count - 1], share ? 0 : low, share ? 1 : high, 920, 320, .top = several ? 26 : 10, .margin = 0.4};
    if (!(c.y_low < c.y_high))
        c.y_high = c.y_low + 1;
    double *mean = memory_new(g.count, sizeof *mean), *best = memory_new(g.count, sizeof *best), *count = memory_new(g.count, sizeof *count);
    for (size_t i = 0; i < g.count; i++)
        best[i] = -INFINITY;
    string_puts(page, "<section><h2>Score over generations");
    if (metric[0]) {
        string_puts(page, ": ");
        report_escape(page, metric);
    }
    string_puts(page, "</h2><div class=wide><div class=broad>");
    chart_open(page, &c, share, 5);
    if (several)
        add_steps(page, &c, &g, step, settings);
    for (size_t i = 0; i < n; i++) {
        const trial *t = &trials[i];
        if (!has_score(t))
            continue;
        size_t k = generations_place(&g, t->generation);
        mean[k] += t->value;
        count[k]++;
        best[k] = fmax(best[k], t->value);
        string_print(page, "<circle class=point cx=%.1f cy=%.1f r=2.5><title>trial %lld: %.4g</title></circle>", spread_out(&c, t, most), chart_y(&c, t->value),
                     (long long)t->number, t->value);
    }
    for (size_t k = 0; k < g.count; k++)
        mean[k] = count[k] > 0 ? mean[k] / count[k] : NAN;
    for (size_t first = 0, end; first < g.count; first = end) {
        end = stretch_end(step, first, g.count);
        chart_line(page, &c, &g, first, end, best, "two");
        chart_line(page, &c, &g, first, end, mean, "one");
    }
    string_puts(page, "</svg></div></div>");
    if (several)
        list_steps(page, &g, step, settings);
    string_puts(page, "<p class=soft><span class=point-mark>&#9679;</span> candidates &ensp; <span class=one-mark>&#9473;</span> mean of the generation &ensp; "
                      "<span class=two-mark>&#9473;</span> best of the generation. Where questions are redrawn, each generation answers its own: bests are not compared across them.</p></section>");
    free(step);
    free(mean);
    free(best);
    free(count);
    free(g.at);
}

void report_interval(string *page, double score, double low, double high)
{
    string_puts(page, "<svg class=interval viewBox=\"0 0 120 12\" role=img><line class=grid x1=0 x2=120 y1=6 y2=6 />");
    if (isfinite(low) && isfinite(high))
        string_print(page, "<line class=\"line one\" x1=%.1f x2=%.1f y1=6 y2=6 />", 120 * low, 120 * high);
    string_print(page, "<circle class=\"dot one\" cx=%.1f cy=6 r=3.5 /></svg>", 120 * score);
}
