/* What a study is going to do, for a look before the hours: `evolve --dry-run`. */
#ifndef STUDY_FORECAST_H
#define STUDY_FORECAST_H

#include "study/costs.h"

typedef struct forecast {
    costs cost;
    double candidate, search, last;             /* seconds: a candidate, all of them that are left, the final choice and the table */
    uint64_t memory, merged, kv;                /* bytes: all, of it weights that are merged, keys and values */
    uint64_t disk, disk_free, features;         /* of OUT: all, of it pictures' features */
} forecast;

char *forecast_text(const session *s, const forecast *f);      /* free() it */

#endif
