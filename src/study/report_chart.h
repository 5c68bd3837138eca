/* The report's two charts, as inline SVG appended to the page. */
#ifndef STUDY_REPORT_CHART_H
#define STUDY_REPORT_CHART_H

#include <jansson.h>

#include "base/memory.h"
#include "study/store.h"

void report_escape(string *page, const char *text);   /* as HTML text or attribute */

/* Score over generations: complete candidates as points, each generation's mean and the best so far as lines. */
void report_scores(string *page, const trial *trials, size_t n, const char *metric);

/* Each dimension's mean over a generation, over generations; `dimensions`: [{name, low, high}] or NULL. At most 48 are drawn. */
void report_parameters(string *page, const trial *trials, size_t n, const json_t *dimensions);

#endif
