#include "study/report_genome.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "study/members.h"
#include "study/report_chart.h"
#include "study/report_frame.h"
#include "study/report_page.h"

#define MOST_CHARTS 64          /* of a step */
#define MOST_STEPS 64
#define MOST_SLOTS 512
#define MOST_COLUMNS 400        /* generations of a map */
#define SHADES 10
#define MAP_LEFT 96
#define MAP_WIDTH 920

/* ---- numbers */

static bool is_on(const trial *t, int64_t binary)
{
    return binary < 0 || ((size_t)binary < t->n && t->x[binary] > 0.5);
}

/* `on`: the binary without which dimension d means nothing, -1: none. */
static void add_parameter(string *page, const trial *trials, size_t n, const generations *g, size_t d, const json_t *entry, int64_t on)
{
    double *stats[3], *count = memory_new(g->count, sizeof *count);     /* least, mean, greatest */
    const json_t *low = json_object_get(entry, "low"), *high = json_object_get(entry, "high");
    const char *name = json_string_value(json_object_get(entry, "name"));
    chart c = {g->at[0], g->at[g->count - 1], INFINITY, -INFINITY, 300, 150, .top = 10};
    for (int k = 0; k < 3; k++)
        stats[k] = memory_new(g->count, sizeof *stats[k]);
    for (size_t i = 0; i < n; i++) {
        if (d >= trials[i].n || !isfinite(trials[i].x[d]) || !is_on(&trials[i], on))
            continue;
        double x = trials[i].x[d];
        size_t k = generations_place(g, trials[i].generation);
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
    chart_open(page, &c, false, 4);
    string_puts(page, "<polygon class=band points=\"");
    for (size_t k = 0; k < 2 * g->count; k++) {
        size_t at = k < g->count ? k : 2 * g->count - 1 - k;
        if (count[at] > 0)
            string_print(page, "%.1f,%.1f ", chart_x(&c, g->at[at]), chart_y(&c, stats[k < g->count ? 0 : 2][at]));
    }
    string_puts(page, "\"/>");
    chart_line(page, &c, g, 0, g->count, stats[1], "one");
    string_puts(page, "</svg></div>");
    for (int k = 0; k < 3; k++)
        free(stats[k]);
    free(count);
}

static bool is_binary(const json_t *dimensions, size_t d)
{
    return json_is_true(json_object_get(json_array_get(dimensions, d), "binary"));
}

/* Scales of slots, "ja.3.scale", mean something while "ja.3.on" is (search/flow.c). */
static int64_t needed(const json_t *dimensions, size_t d)
{
    const char *name = member_text(json_array_get(dimensions, d), "name");
    const json_t *other;
    size_t i, n = text_ends_with(name, ".scale") ? strlen(name) - strlen("scale") : 0;
    if (n == 0)
        return -1;
    json_array_foreach(dimensions, i, other)
        if (is_binary(dimensions, i) && strncmp(member_text(other, "name"), name, n) == 0 && strcmp(member_text(other, "name") + n, "on") == 0)
            return (int64_t)i;
    return -1;
}

/* Of dims dimensions those that no map shows: of a merge all of them; beside a map of slots their scales, folded away. */
static void add_numbers(string *page, const trial *trials, size_t n, const generations *g, const json_t *dimensions, size_t dims, bool fold)
{
    size_t numbers = 0, drawn = 0;
    bool needs = false;
    for (size_t d = 0; d < dims; d++)
        numbers += !fold || !is_binary(dimensions, d);
    if (numbers == 0)
        return;
    if (fold)
        string_print(page, "<details><summary>%zu scale%s</summary>", numbers, numbers == 1 ? "" : "s");
    string_puts(page, "<p class=soft>The candidates' mean (its last value beside the name), and the band from their least to their greatest value.</p><div class=charts>");
    for (size_t d = 0; d < dims && drawn < MOST_CHARTS; d++) {
        if (fold && is_binary(dimensions, d))
            continue;
        int64_t on = needed(dimensions, d);
        needs = needs || on >= 0;
        add_parameter(page, trials, n, g, d, json_array_get(dimensions, d), on);
        drawn++;
    }
    string_puts(page, "</div>");
    if (needs)
        string_puts(page, "<p class=soft>A scale counts in the candidates that have its slot on the path.</p>");
    if (numbers > drawn)
        string_print(page, "<p>The first %zu of %zu parameters are drawn; all are in the study.</p>", drawn, numbers);
    string_puts(page, fold ? "</details>" : "");
}

/* ---- slots */

typedef struct slot_map {
    size_t *dimension;      /* [slots] owned */
    size_t slots, columns;
    size_t every;           /* a column is the first of so many generations */
    double *share;          /* [slots][columns] of the candidates that have it on; NaN: no candidates; owned */
    int row;                /* its height */
} slot_map;

static slot_map new_map(const trial *trials, size_t n, const generations *g, const json_t *dimensions, size_t dims)
{
    slot_map m = {.dimension = memory_new(dims + 1, sizeof *m.dimension), .every = (g->count + MOST_COLUMNS - 1) / MOST_COLUMNS};
    for (size_t d = 0; d < dims && m.slots < MOST_SLOTS; d++)
        if (is_binary(dimensions, d))
            m.dimension[m.slots++] = d;
    m.columns = (g->count + m.every - 1) / m.every;
    m.row = m.slots <= 32 ? 14 : m.slots <= 96 ? 8 : 5;
    m.share = memory_new(m.slots * m.columns + 1, sizeof *m.share);
    double *count = memory_new(m.columns, sizeof *count);
    for (size_t i = 0; i < n; i++) {
        size_t at = generations_place(g, trials[i].generation);
        if (at % m.every)
            continue;
        count[at / m.every]++;
        for (size_t k = 0; k < m.slots; k++)
            m.share[k * m.columns + at / m.every] += m.dimension[k] < trials[i].n && trials[i].x[m.dimension[k]] > 0.5;
    }
    for (size_t k = 0; k < m.slots * m.columns; k++)
        m.share[k] /= count[k % m.columns];
    free(count);
    return m;
}

static int shade_of(double share)
{
    return (int)lround(share * SHADES);
}

/* All cells of a shade are one path, neighbours in a row one rectangle of it: a page stays small. */
static void add_shade(string *page, const slot_map *m, int shade, double width)
{
    string cells = {0};
    for (size_t k = 0; k < m->slots; k++)
        for (size_t i = 0, end; i < m->columns; i = end) {
            const double *row = &m->share[k * m->columns];
            end = i + 1;
            if (shade_of(row[i]) != shade)
                continue;
            while (end < m->columns && shade_of(row[end]) == shade)
                end++;
            string_print(&cells, "M%.1f %zuh%.1fv%dh-%.1fz", MAP_LEFT + width * (double)i, (m->slots - 1 - k) * (size_t)m->row, width * (double)(end - i), m->row - 1,
                         width * (double)(end - i));
        }
    if (cells.length)
        string_print(page, "<path class=cell fill-opacity=%.2g d=\"%s\"/>", (double)shade / SHADES, cells.text);
    free(cells.text);
}

/* "ja.3" of "ja.3.on". */
static void add_slot_name(string *page, const json_t *dimensions, size_t d)
{
    const char *name = member_text(json_array_get(dimensions, d), "name");
    char *short_name = memory_text_n(name, strlen(name) - (text_ends_with(name, ".on") ? 3 : 0));
    report_escape(page, short_name);
    free(short_name);
}

static void add_map(string *page, const trial *trials, size_t n, const generations *g, const json_t *dimensions, size_t dims)
{
    slot_map m = new_map(trials, n, g, dimensions, dims);
    size_t all = 0, label_every = (size_t)(11 / m.row + 1);
    for (size_t d = 0; d < dims; d++)
        all += is_binary(dimensions, d);
    double width = (double)(MAP_WIDTH - MAP_LEFT - FRAME_RIGHT) / (double)m.columns;
    int bottom = (int)m.slots * m.row, right = MAP_WIDTH - FRAME_RIGHT;
    string_print(page, "<p class=soft>Slots of the path, the first at the bottom: the stronger the colour, the more of a generation's candidates have the slot on. Slots that are always on have no row.</p><div class=wide><div class=broad>"
                       "<svg viewBox=\"0 0 %d %d\" role=img>", MAP_WIDTH, bottom + FRAME_BOTTOM);
    for (int shade = 1; shade <= SHADES; shade++)
        add_shade(page, &m, shade, width);
    for (size_t k = 0; k < m.slots; k++) {
        int y = (int)(m.slots - 1 - k) * m.row;
        const double *row = &m.share[k * m.columns];
        if (k % (m.row >= 11 ? 1 : label_every) == 0) {
            string_print(page, "<svg class=clip x=0 y=%d width=%d height=16><text x=%d y=11 text-anchor=end>", y + m.row / 2 - 8, MAP_LEFT - 4, MAP_LEFT - 8);
            add_slot_name(page, dimensions, m.dimension[k]);
            string_puts(page, "</text></svg>");
        }
        string_print(page, "<rect class=row x=%d y=%d width=%d height=%d><title>", MAP_LEFT, y, right - MAP_LEFT, m.row);
        add_slot_name(page, dimensions, m.dimension[k]);
        string_print(page, ": on in %.0f%% of the first generation, %.0f%% of the last</title></rect>", 100 * row[0], 100 * row[m.columns - 1]);
    }
    string_print(page, "<text x=%d y=%d>%.0f</text>", MAP_LEFT, bottom + 16, g->at[0] + 1.0);
    string_print(page, "<text x=%d y=%d text-anchor=end>generation %.0f</text></svg></div></div>", right, bottom + 16, g->at[(m.columns - 1) * m.every] + 1.0);
    if (all > m.slots)
        string_print(page, "<p>The first %zu of %zu slots are drawn; all are in the study.</p>", m.slots, all);
    if (m.every > 1)
        string_print(page, "<p>One of every %zu generations is drawn; all are in the study.</p>", m.every);
    free(m.dimension);
    free(m.share);
}

/* ---- steps */

static int by_step(const void *a, const void *b)
{
    const trial *x = a, *y = b;
    if (x->step != y->step)
        return x->step < y->step ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static void add_step(string *page, const trial *trials, size_t n, const json_t *settings, bool named)
{
    const json_t *step = json_array_get(json_object_get(json_object_get(settings, "fixed"), "steps"), trials[0].step),
                 *dimensions = json_object_get(json_object_get(step, "genome"), "dimensions");
    size_t dims = 0, slots = 0;
    bool merge = strcmp(member_text(step, "space"), "parameters") == 0;
    for (size_t i = 0; i < n; i++)
        dims = trials[i].n > dims ? trials[i].n : dims;
    for (size_t d = 0; d < dims; d++)
        slots += !merge && is_binary(dimensions, d);
    if (dims == 0)
        return;
    generations g = generations_list(trials, n);
    string_print(page, "<section><h2>%s over generations", slots ? "Path" : "Parameters");
    if (named) {
        string_puts(page, ": ");
        report_step_name(page, settings, trials[0].step);
    }
    string_puts(page, "</h2>");
    if (slots)
        add_map(page, trials, n, &g, dimensions, dims);
    add_numbers(page, trials, n, &g, dimensions, dims, slots > 0);
    string_puts(page, "</section>");
    free(g.at);
}

void report_genomes(string *page, const trial *trials, size_t n, const json_t *settings)
{
    trial *list = memory_new(n + 1, sizeof *list);     /* in order of steps; what they own stays the caller's */
    size_t steps = 0;
    for (size_t i = 0; i < n; i++)
        list[i] = trials[i];
    qsort(list, n, sizeof *list, by_step);
    for (size_t first = 0, end; first < n; first = end, steps++) {
        for (end = first + 1; end < n && list[end].step == list[first].step; end++)
            ;
        if (steps < MOST_STEPS)
            add_step(page, list + first, end - first, settings, first > 0 || end < n);
    }
    if (steps > MOST_STEPS)
        string_print(page, "<p>The first %d of %zu steps are drawn; all are in the study.</p>", MOST_STEPS, steps);
    free(list);
}
