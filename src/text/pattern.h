/* Patterns of tokenizer.json: {"String": ...} is literal, {"Regex": ...} is an Oniguruma expression (Ruby's syntax), which
 * pattern_translate rewrites for PCRE2. A pattern is read-only and may be searched by several threads at once; a search
 * belongs to one. No pattern can backtrack without end: beyond a number of steps the search fails.
 *
 *     pattern_search *s = pattern_search_new(p);
 *     pattern_search_begin(s, text, n);
 *     while ((found = pattern_next(s, &start, &end, err)) > 0) ...
 *     pattern_search_free(s);
 */
#ifndef TEXT_PATTERN_H
#define TEXT_PATTERN_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/memory.h"

typedef struct pattern pattern;
typedef struct pattern_search pattern_search;

/* `where` is what errors call it: "FILE: pre_tokenizer". */
pattern *pattern_new(const char *source, bool regex, const char *where, error *err);
pattern *pattern_read(const json_t *value, const char *where, error *err);
void pattern_free(pattern *p);
void pattern_describe(const pattern *p, string *out);

pattern_search *pattern_search_new(const pattern *p);
void pattern_search_free(pattern_search *s);

/* text [n bytes of valid UTF-8] is borrowed until the search ends. */
void pattern_search_begin(pattern_search *s, const char *text, size_t n);

/* 1 and the next match, which starts where the last ended or later; 0 when there is none; -1 on failure.
 * No empty match follows a match at once. */
int pattern_next(pattern_search *s, size_t *start, size_t *end, error *err);

/* The same expression in PCRE2's syntax (options UTF, UCP and MULTILINE); free() it.
 * NULL and *err where the two differ too much. */
char *pattern_translate(const char *source, const char *where, error *err);

#endif
