#include "study/report_frame.h"

#include <math.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

generations generations_list(const trial *trials, size_t n)
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

size_t generations_place(const generations *g, uint32_t generation)
{
    return (size_t)((uint32_t *)bsearch(&generation, g->at, g->count, sizeof *g->at, ascending) - g->at);
}

double chart_x(const chart *c, double x)
{
    double width = c->x_high - c->x_low + 2 * c->margin;
    return FRAME_LEFT + (x - c->x_low + c->margin) / (width > 0 ? width : 1) * (c->width - FRAME_LEFT - FRAME_RIGHT);
}

double chart_y(const chart *c, double y)
{
    double height = c->y_high - c->y_low;
    return c->height - FRAME_BOTTOM - (y - c->y_low) / (height > 0 ? height : 1) * (c->height - FRAME_BOTTOM - c->top);
}

double chart_step(double range, int most)
{
    double step = pow(10, floor(log10(range / most)));
    static const double times[] = {1, 2, 5, 10};
    for (int i = 0; i < 4; i++)
        if (range / (step * times[i]) <= most)
            return step * times[i];
    return step * 10;
}

void chart_generations(string *page, const chart *c)
{
    string_print(page, "<text x=%d y=%d>%.0f</text>", FRAME_LEFT, c->height - 6, c->x_low + 1);   /* people count from 1 */
    if (c->x_high > c->x_low)
        string_print(page, "<text x=%d y=%d text-anchor=end>generation %.0f</text>", c->width - FRAME_RIGHT, c->height - 6, c->x_high + 1);
}

void chart_open(string *page, const chart *c, bool share, int ticks)
{
    string_print(page, "<svg viewBox=\"0 0 %d %d\" role=img>", c->width, c->height);
    double range = c->y_high - c->y_low, step = chart_step(range > 0 && isfinite(range) ? range : 1, ticks);
    double first = ceil(c->y_low / step - 1e-9) * step;
    for (int i = 0; i <= 2 * ticks && first + i * step <= c->y_high + 1e-9 * step; i++) {
        double y = first + i * step;
        string_print(page, "<line class=grid x1=%d x2=%d y1=%.1f y2=%.1f /><text x=%d y=%.1f text-anchor=end>%.4g%s</text>", FRAME_LEFT, c->width - FRAME_RIGHT, chart_y(c, y), chart_y(c, y),
                     FRAME_LEFT - 6, chart_y(c, y) + 4, fabs(y) < 1e-9 * step ? 0 : share ? 100 * y : y, share ? "%" : "");
    }
    chart_generations(page, c);
}

void chart_line(string *page, const chart *c, const generations *g, size_t first, size_t end, const double *y, const char *class)
{
    string_print(page, "<polyline class=\"line %s\" points=\"", class);
    for (size_t i = first; i < end; i++)
        if (isfinite(y[i]))
            string_print(page, "%.1f,%.1f ", chart_x(c, g->at[i]), chart_y(c, y[i]));
    string_puts(page, "\"/>");
    if (end == first + 1 && isfinite(y[first]))     /* a line of one point is nothing */
        string_print(page, "<circle class=\"dot %s\" cx=%.1f cy=%.1f r=4 />", class, chart_x(c, g->at[first]), chart_y(c, y[first]));
}
