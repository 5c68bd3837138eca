/* The paths that a study has found, drawn: hops from left to right, layers upwards, a marker a source, scales as bars below. */
#ifndef STUDY_REPORT_PATH_H
#define STUDY_REPORT_PATH_H

#include <jansson.h>

#include "base/memory.h"

/* Of the table's evolved rows that have one, the winner's first. At most 16, and of each 512 hops, are drawn: the page says so. */
void report_paths(string *page, const json_t *table, const json_t *settings);

#endif
