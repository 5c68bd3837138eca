#include "study/report_path.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "study/members.h"
#include "study/path_drawing.h"
#include "study/report_frame.h"
#include "study/report_page.h"

#define MOST_PATHS 16
#define MOST_HOPS 512           /* drawn of one path */
#define FEW_HOPS 20             /* up to here every hop has its numbers beside it */
#define COLOURS 6
#define SHAPES 4
#define LEFT 40
#define RIGHT 16
#define TOP 22
#define AXIS 20                 /* the hops' numbers */
#define BARS 64                 /* the scales, labels included */
#define HALF_BAR 18.0

typedef struct picture {
    const layer_path *path;     /* borrowed */
    path_facts facts;
    size_t hops;                /* drawn */
    int most;                   /* the highest layer */
    double hop, layer;          /* distances */
    int width, height, axis;    /* y of the lowest layer's line */
    double least, greatest;     /* scales */
} picture;

static double hop_x(const picture *v, size_t i)
{
    return LEFT + v->hop * ((double)i + 0.5);
}

static double layer_y(const picture *v, int layer)
{
    return v->axis - v->layer * layer;
}

static picture new_picture(const layer_path *p, const int *layers)
{
    picture v = {.path = p, .facts = path_facts_new(p), .hops = p->n_hops < MOST_HOPS ? p->n_hops : MOST_HOPS, .least = 1, .greatest = 1};
    for (size_t i = 0; layers && i < p->n_sources; i++)
        v.most = layers[i] - 1 > v.most ? layers[i] - 1 : v.most;
    for (size_t i = 0; i < p->n_hops; i++) {
        v.most = p->hops[i].layer > v.most ? p->hops[i].layer : v.most;
        v.least = fmin(v.least, p->hops[i].scale);
        v.greatest = fmax(v.greatest, p->hops[i].scale);
    }
    v.hop = v.hops <= FEW_HOPS ? 44 : v.hops <= 70 ? 13 : 10;
    v.layer = v.most < 12 ? 22 : v.most < 40 ? 10 : 400.0 / v.most;
    v.width = (int)(LEFT + RIGHT + v.hop * (double)v.hops);
    v.axis = TOP + (int)(v.layer * v.most);
    v.height = v.axis + AXIS + 10 + (v.facts.scaled ? BARS : 0);
    return v;
}

/* A marker for each source: a circle, a square, a diamond or a triangle, in one of six colours. */
static void add_marker(string *page, double x, double y, double r, int source, bool again)
{
    string_print(page, "<path class=\"mark s%d%s\" d=\"", source % COLOURS, again ? " again" : "");
    switch (source % SHAPES) {
    case 0:
        string_print(page, "M%.1f %.1fa%.1f %.1f 0 1 0 %.1f 0a%.1f %.1f 0 1 0 -%.1f 0z", x - r, y, r, r, 2 * r, r, r, 2 * r);
        break;
    case 1:
        string_print(page, "M%.1f %.1fh%.1fv%.1fh-%.1fz", x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r, 1.8 * r);
        break;
    case 2:
        string_print(page, "M%.1f %.1fl%.1f %.1fl-%.1f %.1fl-%.1f -%.1fz", x, y - 1.3 * r, 1.3 * r, 1.3 * r, 1.3 * r, 1.3 * r, 1.3 * r, 1.3 * r);
        break;
    default:
        string_print(page, "M%.1f %.1fl%.1f %.1fh-%.1fz", x, y - 1.2 * r, 1.2 * r, 2.1 * r, 2.4 * r);
    }
    string_puts(page, "\">");
}

static void add_axes(string *page, const picture *v)
{
    double step = fmax(1, chart_step(v->most > 0 ? v->most : 1, 8));
    for (int layer = 0; layer <= v->most; layer += (int)step)
        string_print(page, "<line class=grid x1=%d x2=%d y1=%.1f y2=%.1f /><text x=%d y=%.1f text-anchor=end>%d</text>", LEFT, v->width - RIGHT, layer_y(v, layer),
                     layer_y(v, layer), LEFT - 6, layer_y(v, layer) + 4, layer);
    string_puts(page, "<text x=4 y=11>layer</text>");
    size_t every = v->hops <= FEW_HOPS ? 1 : v->hops <= 70 ? 5 : 20;
    for (size_t i = 0; i < v->hops; i += every)
        string_print(page, "<text x=%.1f y=%d text-anchor=middle>%zu</text>", hop_x(v, i), v->axis + AXIS, i);
    string_print(page, "<text x=4 y=%d>hop</text>", v->axis + AXIS);
}

static void add_tooltip(string *page, const picture *v, size_t i)
{
    const path_hop *h = &v->path->hops[i];
    string_print(page, "<title>hop %zu: layer %d of ", i, h->layer);
    report_escape(page, v->path->sources[h->source].name);
    if (h->scale != 1)
        string_print(page, ", scale %.4g", h->scale);
    string_puts(page, v->facts.again[i] ? ", again</title>" : "</title>");
}

/* Up from 1 or down from it, the farthest scale being HALF_BAR away. */
static void add_scales(string *page, const picture *v)
{
    double farthest = fmax(v->greatest - 1, 1 - v->least), middle = v->axis + AXIS + 14 + HALF_BAR;
    string_print(page, "<line class=grid x1=%d x2=%d y1=%.1f y2=%.1f /><text x=4 y=%.1f>scale</text>", LEFT, v->width - RIGHT, middle, middle, middle + 4);
    for (size_t i = 0; i < v->hops; i++) {
        double scale = v->path->hops[i].scale, length = HALF_BAR * (scale - 1) / farthest, bar = v->hop * 0.5;
        if (scale == 1)
            continue;
        string_print(page, "<rect class=\"bar %s\" x=%.1f y=%.1f width=%.1f height=%.1f>", scale > 1 ? "more" : "less", hop_x(v, i) - bar / 2,
                     middle - fmax(length, 0), bar, fmax(fabs(length), 0.5));
        add_tooltip(page, v, i);
        string_puts(page, "</rect>");
        if (v->hops <= FEW_HOPS)
            string_print(page, "<text x=%.1f y=%.1f text-anchor=middle>%.3g</text>", hop_x(v, i), middle + HALF_BAR + 13, scale);
    }
    if (v->hops > FEW_HOPS)
        string_print(page, "<text x=%d y=%.1f>from %.3g to %.3g</text>", LEFT, middle + HALF_BAR + 13, v->least, v->greatest);
}

static void add_drawing(string *page, const picture *v)
{
    const layer_path *p = v->path;
    bool few = v->hops <= FEW_HOPS;
    string_print(page, "<div class=wide><svg viewBox=\"0 0 %d %d\" style=\"max-width:%dpx;min-width:%dpx\" role=img>", v->width, v->height, v->width, v->width * 3 / 4);
    add_axes(page, v);
    string_puts(page, "<polyline class=way points=\"");
    for (size_t i = 0; i < v->hops; i++)
        string_print(page, "%.1f,%.1f ", hop_x(v, i), layer_y(v, p->hops[i].layer));
    string_puts(page, "\"/>");
    for (size_t i = 0; i < v->hops; i++) {
        double x = hop_x(v, i), y = layer_y(v, p->hops[i].layer);
        add_marker(page, x, y, few ? 5 : 3.5, p->hops[i].source, v->facts.again[i]);
        add_tooltip(page, v, i);
        string_puts(page, "</path>");
        if (few)
            string_print(page, "<text class=number x=%.1f y=%.1f text-anchor=middle>%d</text>", x, y - 9, p->hops[i].layer);
    }
    if (v->facts.scaled)
        add_scales(page, v);
    string_puts(page, "</svg></div>");
}

static void add_legend(string *page, const picture *v, const int *layers)
{
    string_puts(page, "<p class=soft>");
    for (size_t k = 0; k < v->path->n_sources; k++) {
        if (v->facts.hops[k] == 0)
            continue;
        char *list = path_layers_text(v->path, (int)k);
        string_puts(page, "<svg class=key viewBox=\"0 0 14 14\">");
        add_marker(page, 7, 7, 5, (int)k, false);
        report_between(page, "</path></svg> <b>", v->path->sources[k].name, "</b> ");
        string_print(page, layers ? "%zu of %d layers" : "%zu layers", v->facts.distinct[k], layers ? layers[k] : 0);
        string_print(page, " (%s)%s &ensp; ", list, layers && k == 0 ? " and embeddings, final norm, head, tokenizer" : "");
        free(list);
    }
    string_print(page, "<br>%zu hops through %zu distinct layers", v->path->n_hops, v->path->n_hops - v->facts.repeats);
    if (v->facts.repeats)
        string_print(page, " (%zu repeat%s: hollow)", v->facts.repeats, v->facts.repeats == 1 ? "" : "s");
    if (v->facts.scaled)
        string_puts(page, "; a scale multiplies what the MLP of the hop before puts out, at hop 0 the embeddings");
    string_puts(page, ".</p>");
    if (v->hops < v->path->n_hops)
        string_print(page, "<p>The first %zu of %zu hops are drawn; all are in the study.</p>", v->hops, v->path->n_hops);
}

static bool is_winner(const json_t *table, const json_t *row)
{
    return *member_text(row, "name") && strcmp(member_text(row, "name"), member_text(table, "winner")) == 0;
}

/* Returns whether the row has one. */
static bool add_path(string *page, const json_t *table, const json_t *row, const json_t *settings, size_t before)
{
    int *layers = NULL;
    layer_path *p = path_of_row(row, settings, &layers);
    if (!p)
        return false;
    if (before < MOST_PATHS) {
        picture v = new_picture(p, layers);
        report_between(page, before ? "<h3>" : "<section><h2>Paths</h2><h3>", member_text(row, "name"), is_winner(table, row) ? " &#9733;</h3>" : "</h3>");
        add_drawing(page, &v);
        add_legend(page, &v, layers);
        path_facts_free(&v.facts);
    }
    free(layers);
    path_free(p);
    return true;
}

void report_paths(string *page, const json_t *table, const json_t *settings)
{
    const json_t *rows = json_object_get(table, "rows"), *row;
    size_t i, paths = 0;
    for (int winners = 1; winners >= 0; winners--)
        json_array_foreach(rows, i, row)
            if (strcmp(member_text(row, "kind"), "evolved") == 0 && is_winner(table, row) == (winners == 1))
                paths += add_path(page, table, row, settings, paths);
    if (paths > MOST_PATHS)
        string_print(page, "<p>The first %d of %zu paths are drawn; all are in the study.</p>", MOST_PATHS, paths);
    string_puts(page, paths ? "</section>" : "");
}
