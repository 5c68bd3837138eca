/* What a person sees while they wait, on stderr: one bar on a terminal, plain lines elsewhere
 * (at most one in ten seconds), nothing with --quiet. And ^C. */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* 0 quiet, 1 normal. */
void progress_set_level(int level);
int progress_level(void);

/* A line on stderr (after clearing the bar), unless quiet. A newline is added. */
void progress_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Draws or redraws "label  [=====     ]  done/total  text". Cheap to call often: it draws at most 10 times a second. */
void progress_bar(const char *label, uint64_t done, uint64_t total, const char *text);
void progress_clear(void);

/* "3.2 GB", "4 min 10 s": formats into out. */
const char *progress_bytes(char out[32], double bytes);
const char *progress_duration(char out[32], double seconds);

double progress_seconds(void);  /* monotonic clock */

/* Installs the ^C handler: the first SIGINT or SIGTERM sets a flag, the second ends the process at once with status 130. */
void progress_catch_interrupts(void);
bool progress_interrupted(void);

#endif
