/* Text in the columns of a terminal. Names and answers come from files: what a terminal would obey becomes '?'. */
#ifndef STUDY_TERMINAL_H
#define STUDY_TERMINAL_H

#include "base/memory.h"

int terminal_width(void);                       /* of stdout; 80 where that is no terminal */
int terminal_columns(const char *text);         /* characters of East Asian scripts take two */

/* Adds at most `most` columns (0: all) of the text in one line, "..." at the end of what was cut, and spaces up to `width`. */
void terminal_add(string *s, const char *text, int width, int most);

/* Takes from *text what fits into `width` columns, to the last space if there is one; *text goes on behind it, at the end "". free() it. */
char *terminal_take(const char **text, int width);

#endif
