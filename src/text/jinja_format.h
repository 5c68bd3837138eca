/* How one value is written: what "%-8.2f" and "{:<8.2f}" have in common. */
#ifndef TEXT_JINJA_FORMAT_H
#define TEXT_JINJA_FORMAT_H

#include "text/jinja_run.h"

typedef struct jspec {
    char fill[5];                /* one character */
    size_t n_fill;
    char align;                  /* '<', '>', '^', or '=': the fill stands behind the sign */
    char sign;                   /* '+', ' ' or 0 */
    bool alternate;              /* '#' */
    char grouping;               /* ',', '_' or 0 */
    int64_t width, precision;    /* precision -1: not given */
} jspec;

int jspec_put(jrun *r, const jspec *s, const char *prefix, const char *body, size_t n);
int jspec_put_whole(jrun *r, const jspec *s, jwhole x, char type);   /* d b o x X */
int jspec_put_real(jrun *r, const jspec *s, double x, char type);    /* e E f F g G */

#endif
