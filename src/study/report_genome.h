/* What the candidates of each step were, over its generations. */
#ifndef STUDY_REPORT_GENOME_H
#define STUDY_REPORT_GENOME_H

#include <jansson.h>

#include "base/memory.h"
#include "study/store.h"

/* Numbers: the candidates' mean as a line in the band from their least to their greatest value. Binaries of a path's slots: the share of
 * candidates that have them on, slots upwards, as shades. fixed.steps[k].genome.dimensions of the settings names them; they may be missing.
 * Of a step at most 64 numbers, 512 slots and 400 generations of them are drawn, and at most 64 steps: the page says so. */
void report_genomes(string *page, const trial *trials, size_t n, const json_t *settings);

#endif
