/* What the parts of the report's page share: text made harmless. */
#ifndef STUDY_REPORT_PAGE_H
#define STUDY_REPORT_PAGE_H

#include "base/memory.h"

/* As HTML text or attribute. What no page should obey (control characters, the marks that turn the direction of text) becomes U+FFFD. */
void report_escape(string *page, const char *text);
void report_between(string *page, const char *before, const char *text, const char *after);     /* text escaped */

#endif
