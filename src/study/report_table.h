/* The report's table of results: rows with intervals, and what was found against what else answered the same questions. */
#ifndef STUDY_REPORT_TABLE_H
#define STUDY_REPORT_TABLE_H

#include <jansson.h>

#include "base/memory.h"

void report_table(string *page, const json_t *table);

#endif
