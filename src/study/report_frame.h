/* What the report's charts over generations have in common: the frame with its axes, and lines in it. */
#ifndef STUDY_REPORT_FRAME_H
#define STUDY_REPORT_FRAME_H

#include <stdbool.h>

#include "base/memory.h"
#include "study/store.h"

#define FRAME_LEFT 52
#define FRAME_RIGHT 10
#define FRAME_BOTTOM 24

typedef struct chart {
    double x_low, x_high, y_low, y_high;
    int width, height, top;
    double margin;      /* of the x axis on either side, in its unit */
} chart;

/* Generations that have trials, in order: a stranger's study may number them as it likes. */
typedef struct generations { uint32_t *at; size_t count; } generations;     /* owned */

generations generations_list(const trial *trials, size_t n);
size_t generations_place(const generations *g, uint32_t generation);        /* of one that is there */

double chart_x(const chart *c, double x);
double chart_y(const chart *c, double y);
double chart_step(double range, int most);          /* 1, 2 or 5 times a power of ten, so that there are at most `most` steps */
void chart_open(string *page, const chart *c, bool share, int ticks);      /* <svg>, ticks of y, generations below */
void chart_generations(string *page, const chart *c);
void chart_line(string *page, const chart *c, const generations *g, size_t first, size_t end, const double *y, const char *class);

#endif
