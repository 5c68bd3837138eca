/* White space of any script, as Python's str has it: Unicode's separators (U+3000 among them) and ASCII's control spaces. */
#ifndef TASK_SPACE_H
#define TASK_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool space_is(uint32_t c);
char *space_trim(const char *text);   /* without white space at both ends; free() it */
char *space_fold(const char *text);   /* trimmed, and every run of white space inside is one space; free() it */

bool space_begins(const char *text);              /* white space is its first character */
size_t space_trimmed_length(const char *text);   /* bytes without the white space at the end */

#endif
