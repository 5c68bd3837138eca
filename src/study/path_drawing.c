#include "study/path_drawing.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "study/members.h"
#include "study/terminal.h"

#define MOST_LABEL 16       /* columns of a source's name before its row */
#define CELL 16

/* ---- what is on it */

typedef struct visit { int source, layer; size_t hop; } visit;

static int by_layer(const void *a, const void *b)
{
    const visit *x = a, *y = b;
    if (x->source != y->source)
        return x->source < y->source ? -1 : 1;
    if (x->layer != y->layer)
        return x->layer < y->layer ? -1 : 1;
    return x->hop < y->hop ? -1 : x->hop > y->hop;
}

/* Hops ordered by source, layer, place on the path: [n_hops], free() it. */
static visit *visits(const layer_path *p)
{
    visit *list = memory_new(p->n_hops + 1, sizeof *list);
    for (size_t i = 0; i < p->n_hops; i++)
        list[i] = (visit){p->hops[i].source, p->hops[i].layer, i};
    qsort(list, p->n_hops, sizeof *list, by_layer);
    return list;
}

path_facts path_facts_new(const layer_path *p)
{
    path_facts f = {.again = memory_new(p->n_hops + 1, sizeof *f.again),
                    .hops = memory_new(p->n_sources + 1, sizeof *f.hops),
                    .distinct = memory_new(p->n_sources + 1, sizeof *f.distinct)};
    visit *list = visits(p);
    for (size_t i = 0; i < p->n_hops; i++) {
        bool again = i > 0 && list[i].source == list[i - 1].source && list[i].layer == list[i - 1].layer;
        f.again[list[i].hop] = again;
        f.hops[list[i].source]++;
        f.distinct[list[i].source] += !again;
        f.repeats += again;
        f.scaled += p->hops[i].scale != 1;
    }
    free(list);
    return f;
}

void path_facts_free(path_facts *f)
{
    free(f->again);
    free(f->hops);
    free(f->distinct);
    *f = (path_facts){0};
}

char *path_layers_text(const layer_path *p, int source)
{
    visit *list = visits(p);
    string s = {0};
    string_puts(&s, "");
    for (size_t i = 0; i < p->n_hops; i++) {
        if (list[i].source != source)
            continue;
        int first = list[i].layer, last = first;
        while (i + 1 < p->n_hops && list[i + 1].source == source && list[i + 1].layer <= last + 1)
            last = list[++i].layer;
        string_print(&s, "%s%d", s.length ? ", " : "", first);
        if (last > first)
            string_print(&s, "-%d", last);
    }
    free(list);
    return s.text;
}

/* ---- on the terminal */

static const char *layer_cell(const path_facts *f, const layer_path *p, size_t i, char out[CELL])
{
    snprintf(out, CELL, "%d%s", p->hops[i].layer, f->again[i] ? "'" : "");
    return out;
}

static const char *scale_cell(double scale, char out[CELL])
{
    if (scale == 1)
        out[0] = '\0';
    else
        snprintf(out, CELL, (fabs(scale) >= 0.1 && fabs(scale) < 100) || scale == 0 ? "%.2f" : "%.2g", scale);
    return out;
}

typedef struct grid { int label, cell; size_t hops; } grid;     /* columns of the label and of a hop; hops in a line */

static grid layout(const layer_path *p, const path_facts *f, int width)
{
    grid g = {.label = 5, .cell = 2};
    char text[CELL];
    for (size_t i = 0; i < p->n_sources; i++) {
        int columns = terminal_columns(p->sources[i].name);
        g.label = f->hops[i] && columns > g.label ? columns : g.label;
    }
    g.label = g.label > MOST_LABEL ? MOST_LABEL : g.label;
    for (size_t i = 0; i < p->n_hops; i++) {
        int columns[3] = {(int)strlen(layer_cell(f, p, i, text)), (int)strlen(scale_cell(p->hops[i].scale, text)),
                          snprintf(text, sizeof text, "%zu", i)};
        for (int k = 0; k < 3; k++)
            g.cell = columns[k] > g.cell ? columns[k] : g.cell;
    }
    g.cell += 1;
    if (g.label + (int)p->n_hops * (g.cell + 1) <= width)       /* there is room for more air */
        g.cell += 1;
    g.hops = width > g.label + g.cell ? (size_t)((width - g.label) / g.cell) : 1;
    return g;
}

static void end_line(string *s)
{
    while (s->length && s->text[s->length - 1] == ' ')
        s->text[--s->length] = '\0';
    string_puts(s, "\n");
}

/* Hops [first, end): their numbers, a row for each source that is on the path there, the scales that are not 1. */
static void add_block(string *s, const layer_path *p, const path_facts *f, const grid *g, size_t first, size_t end)
{
    char text[CELL];
    bool *here = memory_new(p->n_sources, sizeof *here), scaled = false;
    for (size_t i = first; i < end; i++) {
        here[p->hops[i].source] = true;
        scaled = scaled || p->hops[i].scale != 1;
    }
    terminal_add(s, "hop", g->label, 0);
    for (size_t i = first; i < end; i++)
        string_print(s, "%*zu", g->cell, i);
    string_puts(s, "\n");
    for (size_t k = 0; k < p->n_sources; k++) {
        if (!here[k])
            continue;
        terminal_add(s, p->sources[k].name, g->label, g->label);
        for (size_t i = first; i < end; i++)
            string_print(s, "%*s", g->cell, p->hops[i].source == (int)k ? layer_cell(f, p, i, text) : "");
        end_line(s);
    }
    if (scaled) {
        terminal_add(s, "scale", g->label, 0);
        for (size_t i = first; i < end; i++)
            string_print(s, "%*s", g->cell, scale_cell(p->hops[i].scale, text));
        end_line(s);
    }
    free(here);
}

/* A paragraph, its further lines indented. */
static void add_wrapped(string *s, const char *text, int indent, int width)
{
    for (bool first = true; *text; first = false) {
        char *line = terminal_take(&text, first ? width : width - indent);
        string_print(s, "%*s%s\n", first ? 0 : indent, "", line);
        free(line);
    }
}

static void add_source(string *s, const layer_path *p, const path_facts *f, const int *layers, int k, int label, int width)
{
    string line = {0};
    char *list = path_layers_text(p, k);
    terminal_add(&line, p->sources[k].name, label, 0);
    string_puts(&line, "  ");
    if (layers)
        string_print(&line, "%zu of %d layers%s%s", f->distinct[k], layers[k], *list ? ": " : "", list);
    else
        string_print(&line, "%zu layers: %s", f->distinct[k], list);
    if (layers && k == 0)
        string_puts(&line, "; embeddings, final norm, head and tokenizer");
    add_wrapped(s, line.text, label + 2, width);
    free(list);
    free(line.text);
}

char *path_drawing(const layer_path *p, const int *layers, int width)
{
    path_facts f = path_facts_new(p);
    grid g = layout(p, &f, width);
    string s = {0}, total = {0};
    for (size_t i = 0; i < p->n_hops; i += g.hops) {
        add_block(&s, p, &f, &g, i, i + g.hops < p->n_hops ? i + g.hops : p->n_hops);
        string_puts(&s, "\n");
    }
    for (size_t k = 0; k < p->n_sources; k++)
        if (f.distinct[k] || layers)
            add_source(&s, p, &f, layers, (int)k, g.label, width);
    string_print(&total, "%zu hops through %zu distinct layers", p->n_hops, p->n_hops - f.repeats);
    if (f.repeats)
        string_print(&total, " (%zu repeat%s: ')", f.repeats, f.repeats == 1 ? "" : "s");
    if (f.scaled)
        string_puts(&total, "; a scale multiplies what the MLP of the hop before puts out (hop 0: the embeddings)");
    add_wrapped(&s, total.text, 2, width);
    free(total.text);
    path_facts_free(&f);
    return s.text;
}

/* ---- of a study */

/* [source, layer, scale]; sources in the order in which they come unless they are known. */
static bool add_hop(layer_path *p, const json_t *hop)
{
    const json_t *source = json_array_get(hop, 0), *layer = json_array_get(hop, 1), *scale = json_array_get(hop, 2);
    if (!json_is_string(source) || !json_is_integer(layer) || (scale && !json_is_number(scale)))
        return false;
    json_int_t number = json_integer_value(layer);
    double factor = scale ? json_number_value(scale) : 1;
    if (number < 0 || number >= PATH_MAX_HOPS || !(fabs(factor) <= PATH_MAX_SCALE))
        return false;
    int index = path_find_source(p, json_string_value(source));
    if (index < 0 && p->n_sources == PATH_MAX_SOURCES)
        return false;
    if (index < 0)
        index = path_add_source(p, json_string_value(source), "");
    path_add_hop(p, index, (int)number, factor);
    return true;
}

static layer_path *path_of_hops(const json_t *hops, const json_t *sources)
{
    const json_t *item;
    size_t i;
    if (json_array_size(hops) == 0 || json_array_size(hops) > PATH_MAX_HOPS || json_array_size(sources) > PATH_MAX_SOURCES)
        return NULL;
    layer_path *p = path_new();
    bool good = true;
    json_array_foreach(sources, i, item)
        if (json_is_string(item) && path_find_source(p, json_string_value(item)) < 0)
            path_add_source(p, json_string_value(item), "");
    json_array_foreach(hops, i, item)
        good = good && add_hop(p, item);
    if (good)
        return p;
    path_free(p);
    return NULL;
}

/* The layer of "NAME.LAYER.on", "NAME.LAYER.r2.scale" (search/flow.c); -1: another name. */
static int slot_layer(const char *dimension, const char *name)
{
    size_t n = strlen(name);
    int layer = -1, end = 0;
    if (strncmp(dimension, name, n) != 0 || dimension[n] != '.' || !isdigit((unsigned char)dimension[n + 1]))
        return -1;
    if (sscanf(dimension + n + 1, "%6d.%n", &layer, &end) != 1 || end == 0)
        return -1;
    const char *rest = dimension + n + 1 + end;
    if (rest[0] == 'r' && isdigit((unsigned char)rest[1]) && strchr(rest, '.'))
        rest = strchr(rest, '.') + 1;
    return (strcmp(rest, "on") == 0 || strcmp(rest, "scale") == 0) && layer < PATH_MAX_HOPS ? layer : -1;
}

/* A source's layers are those that the step has dimensions for, and those that are on the path. */
static int *count_layers(const layer_path *p, const json_t *step)
{
    int *layers = memory_new(p->n_sources + 1, sizeof *layers);
    const json_t *d;
    size_t k;
    for (size_t i = 0; i < p->n_hops; i++)
        if (p->hops[i].layer >= layers[p->hops[i].source])
            layers[p->hops[i].source] = p->hops[i].layer + 1;
    for (size_t i = 0; i < p->n_sources; i++)
        json_array_foreach(json_object_get(json_object_get(step, "genome"), "dimensions"), k, d) {
            int layer = slot_layer(member_text(d, "name"), p->sources[i].name);
            layers[i] = layer >= layers[i] ? layer + 1 : layers[i];
        }
    return layers;
}

/* Whether the step could have found these hops. */
static bool has_sources(const json_t *step, const layer_path *p)
{
    const json_t *sources = json_object_get(step, "sources"), *item;
    size_t i, found = 0;
    if (strcmp(member_text(step, "space"), "data-flow") != 0)
        return false;
    for (size_t k = 0; k < p->n_sources; k++)
        json_array_foreach(sources, i, item)
            if (json_is_string(item) && strcmp(json_string_value(item), p->sources[k].name) == 0) {
                found++;
                break;
            }
    return found == p->n_sources;
}

layer_path *path_of_row(const json_t *row, const json_t *settings, int **layers)
{
    const json_t *hops = json_object_get(row, "hops"), *step, *known = NULL;
    layer_path *p = path_of_hops(hops, NULL);
    size_t k;
    *layers = NULL;
    if (!p)
        return NULL;
    json_array_foreach(json_object_get(json_object_get(settings, "fixed"), "steps"), k, step) {
        const char *name = member_text(step, "name");
        bool named = *name && strncmp(member_text(row, "name"), name, strlen(name)) == 0;
        if (has_sources(step, p) && (!known || named))
            known = step;
    }
    layer_path *ordered = known ? path_of_hops(hops, json_object_get(known, "sources")) : NULL;
    if (!ordered)
        return p;
    path_free(p);
    *layers = count_layers(ordered, known);
    return ordered;
}
