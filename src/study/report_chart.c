#include "study/report_chart.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEFT 52
#define RIGHT 10
#define TOP 10
#define BOTTOM 24
#define MOST_CHARTS 64

typedef struct chart {
    double x_low, x_high, y_low, y_high;
    int width, height;
    double margin;      /* of the x axis on either side, in its unit */
} chart;

/* Generations that have trials, in order: a stranger's study may number them as it likes. */
typedef struct generations { uint32_t *at; size_t count; } generations;

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static generations list_generations(const trial *trials, size_t n)
{
    generations g = {.at = memory_new(n, sizeof *g.at)};
    uint32_t *all = memory_new(n, sizeof *all);
    for (size_t i = 0; i < n; i++)
        all[i] = trials[i].generation;
    qsort(all, n, sizeof *all, ascending);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || all[i] != all[i - 1])
            g.at[g.count++] = all[i];
    free(all);
    return g;
}

static size_t place_of(const generations *g, uint32_t generation)
{
    return (size_t)((uint32_t *)bsearch(&generation, g->at, g->count, sizeof *g->at, ascending) - g->at);
}

static double at_x(const chart *c, double x)
{
    double width = c->x_high - c->x_low + 2 * c->margin;
    return LEFT + (x - c->x_low + c->margin) / (width > 0 ? width : 1) * (c->width - LEFT - RIGHT);
}

static double at_y(const chart *c, double y)
{
    double height = c->y_high - c->y_low;
    return c->height - BOTTOM - (y - c->y_low) / (height > 0 ? height : 1) * (c->height - BOTTOM - TOP);
}

/* 1, 2 or 5 times a power of ten, so that there are at most `most` steps. */
static double tick_step(double range, int most)
{
    double step = pow(10, floor(log10(range / most)));
    static const double times[] = {1, 2, 5, 10};
    for (int i = 0; i < 4; i++)
        if (range / (step * times[i]) <= most)
            return step * times[i];
    return step * 10;
}

static void open_chart(string *page, const chart *c, bool share, int ticks)
{
    string_print(page, "<svg viewBox=\"0 0 %d %d\" role=img>", c->width, c->height);
    double range = c->y_high - c->y_low, step = tick_step(range > 0 && isfinite(range) ? range : 1, ticks);
    double first = ceil(c->y_low / step - 1e-9) * step;
    for (int i = 0; i <= 2 * ticks && first + i * step <= c->y_high + 1e-9 * step; i++) {
        double y = first + i * step;
        string_print(page, "<line class=grid x1=%d x2=%d y1=%.1f y2=%.1f /><text x=%d y=%.1f text-anchor=end>%.4g%s</text>", LEFT, c->width - RIGHT, at_y(c, y), at_y(c, y),
                     LEFT - 6, at_y(c, y) + 4, fabs(y) < 1e-9 * step ? 0 : share ? 100 * y : y, share ? "%" : "");
    }
    string_print(page, "<text x=%d y=%d>%.0f</text>", LEFT, c->height - 6, c->x_low + 1);   /* people count from 1 */
    if (c->x_high > c->x_low)
        string_print(page, "<text x=%d y=%d text-anchor=end>generation %.0f</text>", c->width - RIGHT, c->height - 6, c->x_high + 1);
}

static void add_line(string *page, const chart *c, const generations *g, const double *y, const char *class)
{
    string_print(page, "<polyline class=\"line %s\" points=\"", class);
    for (size_t i = 0; i < g->count; i++)
        if (isfinite(y[i]))
            string_print(page, "%.1f,%.1f ", at_x(c, g->at[i]), at_y(c, y[i]));
    string_puts(page, "\"/>");
    if (g->count == 1 && isfinite(y[0]))        /* a line of one point is nothing */
        string_print(page, "<circle class=\"dot %s\" cx=%.1f cy=%.1f r=4 />", class, at_x(c, g->at[0]), at_y(c, y[0]));
}

static bool has_score(const trial *t)
{
    return strcmp(t->state, "COMPLETE") == 0 && isfinite(t->value);
}

/* Candidates of a generation side by side, over at most 0.6 of the way to the next one. */
static double spread_out(const chart *c, const trial *t, uint32_t most)
{
    double x = at_x(c, t->generation), step = at_x(c, c->x_low + 1) - at_x(c, c->x_low);
    return most && step <= c->width / 2.0 ? x + 0.6 * step * ((double)t->candidate / most - 0.5) : x;
}

void report_scores(string *page, const trial *trials, size_t n, const char *metric)
{
    double low = INFINITY, high = -INFINITY;
    uint32_t most = 0;
    for (size_t i = 0; i < n; i++)
        if (has_score(&trials[i])) {
            low = fmin(low, trials[i].value);
            high = fmax(high, trials[i].value);
            most = trials[i].candidate > most ? trials[i].candidate : most;
        }
    if (!(low <= high))
        return;
    generations g = list_generations(trials, n);
    bool share = low >= 0 && high <= 1;
    chart c = {g.at[0], g.at[g.count - 1], share ? 0 : low, share ? 1 : high, 920, 320, .margin = 0.4};
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
    string_puts(page, "</h2>");
    open_chart(page, &c, share, 5);
    for (size_t i = 0; i < n; i++) {
        const trial *t = &trials[i];
        if (!has_score(t))
            continue;
        size_t k = place_of(&g, t->generation);
        mean[k] += t->value;
        count[k]++;
        best[k] = fmax(best[k], t->value);
        string_print(page, "<circle class=point cx=%.1f cy=%.1f r=2.5><title>trial %lld: %.4g</title></circle>", spread_out(&c, t, most), at_y(&c, t->value),
                     (long long)t->number, t->value);
    }
    for (size_t k = 0; k < g.count; k++)
        mean[k] = count[k] > 0 ? mean[k] / count[k] : NAN;
    add_line(page, &c, &g, best, "two");
    add_line(page, &c, &g, mean, "one");
    string_puts(page, "</svg><p class=soft><span class=point-mark>&#9679;</span> candidates &ensp; <span class=one-mark>&#9473;</span> mean of the generation &ensp; "
                      "<span class=two-mark>&#9473;</span> best of the generation. Where questions are redrawn, each generation answers its own: bests are not compared across them.</p></section>");
    free(mean);
    free(best);
    free(count);
    free(g.at);
}

static void add_parameter(string *page, const trial *trials, size_t n, const generations *g, size_t d, const json_t *entry)
{
    double *stats[3], *count = memory_new(g->count, sizeof *count);     /* least, mean, greatest */
    const json_t *low = json_object_get(entry, "low"), *high = json_object_get(entry, "high");
    const char *name = json_string_value(json_object_get(entry, "name"));
    chart c = {g->at[0], g->at[g->count - 1], INFINITY, -INFINITY, 300, 150, .margin = 0};
    for (int k = 0; k < 3; k++)
        stats[k] = memory_new(g->count, sizeof *stats[k]);
    for (size_t i = 0; i < n; i++) {
        if (d >= trials[i].n || !isfinite(trials[i].x[d]))
            continue;
        double x = trials[i].x[d];
        size_t k = place_of(g, trials[i].generation);
        stats[0][k] = count[k] > 0 ? fmin(stats[0][k], x) : x;
        stats[1][k] += x;
        stats[2][k] = count[k] > 0 ? fmax(stats[2][k], x) : x;
        count[k]++;
        c.y_low = fmin(c.y_low, x);
        c.y_high = fmax(c.y_high, x);
    }
    for (size_t k = 0; k < g->count; k++)
        stats[1][k] = count[k] > 0 ? stats[1][k] / count[k] : NAN;
    if (json_is_number(low) && json_is_number(high) && json_number_value(low) < json_number_value(high)) {
        c.y_low = fmin(c.y_low, json_number_value(low));
        c.y_high = fmax(c.y_high, json_number_value(high));
    }
    if (!(c.y_low < c.y_high)) {
        c.y_low = isfinite(c.y_low) ? c.y_low : 0;
        c.y_high = c.y_low + 1;
    }
    string_puts(page, "<div><b>");
    if (name)
        report_escape(page, name);
    else
        string_print(page, "%zu", d);
    string_puts(page, "</b>");
    for (size_t k = g->count; k > 0; k--)
        if (isfinite(stats[1][k - 1])) {
            string_print(page, " <small>%.3g</small>", stats[1][k - 1]);
            break;
        }
    open_chart(page, &c, false, 4);
    string_puts(page, "<polygon class=band points=\"");
    for (size_t k = 0; k < 2 * g->count; k++) {
        size_t at = k < g->count ? k : 2 * g->count - 1 - k;
        if (count[at] > 0)
            string_print(page, "%.1f,%.1f ", at_x(&c, g->at[at]), at_y(&c, stats[k < g->count ? 0 : 2][at]));
    }
    string_puts(page, "\"/>");
    add_line(page, &c, g, stats[1], "one");
    string_puts(page, "</svg></div>");
    for (int k = 0; k < 3; k++)
        free(stats[k]);
    free(count);
}

void report_parameters(string *page, const trial *trials, size_t n, const json_t *dimensions)
{
    size_t dims = 0;
    for (size_t i = 0; i < n; i++)
        dims = trials[i].n > dims ? trials[i].n : dims;
    if (dims == 0)
        return;
    generations g = list_generations(trials, n);
    string_puts(page, "<section><h2>Parameters over generations</h2><p class=soft>The candidates' mean (its last value beside the name), and the band from their least to "
                      "their greatest value.</p><div class=charts>");
    for (size_t d = 0; d < dims && d < MOST_CHARTS; d++)
        add_parameter(page, trials, n, &g, d, json_array_get(dimensions, d));
    string_puts(page, "</div>");
    if (dims > MOST_CHARTS)
        string_print(page, "<p>The first %d of %zu parameters are drawn; all are in the study.</p>", MOST_CHARTS, dims);
    string_puts(page, "</section>");
    free(g.at);
}

void report_interval(string *page, double score, double low, double high)
{
    string_puts(page, "<svg class=interval viewBox=\"0 0 120 12\" role=img><line class=grid x1=0 x2=120 y1=6 y2=6 />");
    if (isfinite(low) && isfinite(high))
        string_print(page, "<line class=\"line one\" x1=%.1f x2=%.1f y1=6 y2=6 />", 120 * low, 120 * high);
    string_print(page, "<circle class=\"dot one\" cx=%.1f cy=6 r=3.5 /></svg>", 120 * score);
}
