/* Regular expressions as Python's `re` reads them (str patterns), over PCRE2: for the filters and metrics of lm-eval's task
 * files. Bounded: an expression that backtracks without end fails. Read-only once made, for several threads.
 *
 *     python_span found[PYTHON_GROUPS];
 *     python_cursor at = {0};
 *     while ((status = python_regex_next(re, text, n, &at, found, err)) > 0) ...      // re.finditer */
#ifndef TASK_PYTHON_REGEX_H
#define TASK_PYTHON_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define PYTHON_GROUPS 100   /* group 0, the match, and at most 99 others */

typedef struct python_regex python_regex;
typedef struct python_span { size_t begin, end; } python_span;      /* both SIZE_MAX: the group took no part */
typedef struct python_cursor { size_t at; bool empty; } python_cursor;   /* where the last match ended, and that it was empty */

/* `where` is what errors call it. */
python_regex *python_regex_new(const char *source, const char *where, error *err);
void python_regex_free(python_regex *re);
const char *python_regex_source(const python_regex *re);
int python_regex_groups(const python_regex *re);   /* without group 0 */

/* 1 and the next match of text [n bytes of valid UTF-8], 0 where there is none, -1 on failure. */
int python_regex_next(const python_regex *re, const char *text, size_t n, python_cursor *cursor, python_span *groups, error *err);

/* re.sub(re, "", text); free() it. NULL on failure. */
char *python_regex_remove(const python_regex *re, const char *text, error *err);

#endif
