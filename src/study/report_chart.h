/* The report's charts of scores, as inline SVG appended to the page. Numbers that are not finite are left out. */
#ifndef STUDY_REPORT_CHART_H
#define STUDY_REPORT_CHART_H

#include <jansson.h>

#include "base/memory.h"
#include "study/store.h"

/* Score over generations: complete candidates as points, the generation's mean and best as lines. Several steps are parted and named after
 * fixed.steps of the settings. */
void report_scores(string *page, const trial *trials, size_t n, const json_t *settings);

/* A share of 1 with its interval, as a dot on a line from 0 to 1. */
void report_interval(string *page, double score, double low, double high);

/* The name of a step, escaped; "step 3" where the settings have none. */
void report_step_name(string *page, const json_t *settings, uint32_t step);

#endif
