/* The report's charts, as inline SVG appended to the page. Numbers that are not finite are left out. */
#ifndef STUDY_REPORT_CHART_H
#define STUDY_REPORT_CHART_H

#include <jansson.h>

#include "base/memory.h"
#include "study/store.h"

/* As HTML text or attribute. What no page should obey (control characters, the marks that turn the direction of text) becomes U+FFFD. */
void report_escape(string *page, const char *text);

/* Score over generations: complete candidates as points, the generation's mean and best as lines. */
void report_scores(string *page, const trial *trials, size_t n, const char *metric);

/* Each dimension over generations: the candidates' mean as a line in the band from their least to their greatest value;
 * `dimensions`: [{name, low, high}] or NULL. At most 64 are drawn, and the page says so. */
void report_parameters(string *page, const trial *trials, size_t n, const json_t *dimensions);

/* A share of 1 with its interval, as a dot on a line from 0 to 1. */
void report_interval(string *page, double score, double low, double high);

#endif
