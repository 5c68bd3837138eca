#include "study/report_chart.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH 900
#define LEFT 46
#define BOTTOM 24
#define MOST_CHARTS 48

struct axes { double x_low, x_high, y_low, y_high; int width, height; };

static double at_x(const struct axes *a, double x)
{
    return LEFT + (x - a->x_low) / (a->x_high > a->x_low ? a->x_high - a->x_low : 1) * (a->width - LEFT - 10);
}

static double at_y(const struct axes *a, double y)
{
    return a->height - BOTTOM - (y - a->y_low) / (a->y_high > a->y_low ? a->y_high - a->y_low : 1) * (a->height - BOTTOM - 12);
}

static void open_chart(string *page, const struct axes *a, double unit, const char *unit_name)
{
    string_print(page, "<svg viewBox=\"0 0 %d %d\" role=img>", a->width, a->height);
    for (int i = 0; i <= 4; i++) {
        double y = a->y_low + (a->y_high - a->y_low) * i / 4;
        string_print(page, "<line x1=%d x2=%d y1=%.1f y2=%.1f stroke=\"var(--line)\"/><text x=2 y=%.1f>%.3g%s</text>", LEFT, a->width - 10, at_y(a, y), at_y(a, y),
                     at_y(a, y) + 4, y * unit, unit_name);
    }
    string_print(page, "<text x=%d y=%d>%.0f</text><text x=%d y=%d text-anchor=end>generation %.0f</text>", LEFT, a->height - 6, a->x_low, a->width - 10, a->height - 6,
                 a->x_high);
}

static bool has_score(const trial *t)
{
    return strcmp(t->state, "COMPLETE") == 0 && isfinite(t->value);
}

static void add_line(string *page, const struct axes *a, const double *y, size_t n, const char *colour)
{
    string_print(page, "<polyline fill=none stroke=\"%s\" stroke-width=2 points=\"", colour);
    for (size_t g = 0; g < n; g++)
        if (!isnan(y[g]))
            string_print(page, "%.1f,%.1f ", at_x(a, (double)g), at_y(a, y[g]));
    string_puts(page, "\"/>");
}

void report_scores(string *page, const trial *trials, size_t n, const char *metric)
{
    uint32_t last = 0;
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < n; i++)
        if (has_score(&trials[i])) {
            last = trials[i].generation > last ? trials[i].generation : last;
            low = fmin(low, trials[i].value);
            high = fmax(high, trials[i].value);
        }
    if (!(low <= high))
        return;
    bool share = low >= 0 && high <= 1;
    struct axes a = {0, last, share ? 0 : low, share ? 1 : high, WIDTH, 300};
    size_t generations = (size_t)last + 1;
    double *mean = memory_new(generations, sizeof *mean), *best = memory_new(generations, sizeof *best);
    size_t *count = memory_new(generations, sizeof *count);
    for (size_t g = 0; g < generations; g++)
        best[g] = -INFINITY;
    string_puts(page, "<h2>Score over generations");
    if (metric[0]) {
        string_puts(page, ": ");
        report_escape(page, metric);
    }
    string_puts(page, "</h2>");
    open_chart(page, &a, share ? 100 : 1, share ? " %" : "");
    for (size_t i = 0; i < n; i++) {
        if (!has_score(&trials[i]))
            continue;
        uint32_t g = trials[i].generation;
        mean[g] += trials[i].value;
        count[g]++;
        best[g] = fmax(best[g], trials[i].value);
        string_print(page, "<circle cx=%.1f cy=%.1f r=2.5 fill=\"var(--soft)\" fill-opacity=.45><title>trial %lld: %.4g</title></circle>", at_x(&a, g),
                     at_y(&a, trials[i].value), (long long)trials[i].number, trials[i].value);
    }
    for (size_t g = 0; g < generations; g++) {
        mean[g] = count[g] ? mean[g] / (double)count[g] : NAN;
        if (g && best[g] < best[g - 1])
            best[g] = best[g - 1];
    }
    add_line(page, &a, mean, generations, "var(--one)");
    add_line(page, &a, best, generations, "var(--two)");
    string_puts(page, "</svg><p class=soft>Points: candidates. <span class=ok>Mean of the generation</span>, <span class=no>best so far</span>. "
                      "Each generation answers its own questions.</p>");
    free(mean);
    free(best);
    free(count);
}

/* NaN where a generation has no trial with that many values. */
static void mean_over_generations(const trial *trials, size_t n, size_t d, double *mean, size_t generations)
{
    size_t *count = memory_new(generations, sizeof *count);
    memset(mean, 0, generations * sizeof *mean);
    for (size_t i = 0; i < n; i++)
        if (d < trials[i].n) {
            mean[trials[i].generation] += trials[i].x[d];
            count[trials[i].generation]++;
        }
    for (size_t g = 0; g < generations; g++)
        mean[g] = count[g] ? mean[g] / (double)count[g] : NAN;
    free(count);
}

void report_parameters(string *page, const trial *trials, size_t n, const json_t *dimensions)
{
    size_t dims = 0, last = 0;
    for (size_t i = 0; i < n; i++) {
        dims = trials[i].n > dims ? trials[i].n : dims;
        last = trials[i].generation > last ? trials[i].generation : last;
    }
    if (dims == 0)
        return;
    double *mean = memory_new(last + 1, sizeof *mean);
    string_puts(page, "<h2>Parameters over generations</h2><div style=\"display:grid;grid-template-columns:repeat(auto-fill,minmax(13rem,1fr));gap:.6rem\">");
    for (size_t d = 0; d < dims && d < MOST_CHARTS; d++) {
        const json_t *entry = json_array_get(dimensions, d), *low = json_object_get(entry, "low"), *high = json_object_get(entry, "high");
        const char *name = json_string_value(json_object_get(entry, "name"));
        mean_over_generations(trials, n, d, mean, last + 1);
        struct axes a = {0, (double)last, json_is_number(low) ? json_number_value(low) : 0, json_is_number(high) ? json_number_value(high) : 1, 260, 130};
        string_puts(page, "<div><small>");
        report_escape(page, name ? name : "");
        string_puts(page, "</small>");
        open_chart(page, &a, 1, "");
        add_line(page, &a, mean, last + 1, "var(--one)");
        string_puts(page, "</svg></div>");
    }
    string_puts(page, "</div>");
    if (dims > MOST_CHARTS)
        string_print(page, "<p class=soft>The first %d of %zu parameters are drawn.</p>", MOST_CHARTS, dims);
    free(mean);
}
