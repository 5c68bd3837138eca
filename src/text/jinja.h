/* Jinja, the template language of chat templates and of lm-evaluation-harness's prompts, with the values and operators of Python that
 * such templates use. A template comes from a stranger: it can do nothing but make text, and its time, memory, depth and output are
 * limited. What is not known here (include, extends, a filter nobody uses in prompts) is an error that names it with line and column.
 *
 *     jinja *t = jinja_parse("chat_template.jinja", text, n, JINJA_CHAT, err);
 *     json_t *variables = json_pack("{s:o, s:b}", "messages", messages, "add_generation_prompt", 1);
 *     char *prompt = jinja_render(t, variables, &length, err);
 *
 * Follows Jinja2 3.1 and transformers 5 (JINJA_CHAT), lm-evaluation-harness 0.4 (JINJA_PROMPT). Whole numbers have 127 bits. A template is read-only
 * once parsed: any number of threads may render it. */
#ifndef TEXT_JINJA_H
#define TEXT_JINJA_H

#include <jansson.h>
#include <stddef.h>
#include <time.h>

#include "base/error.h"

/* What a template may take before it is an error that names the limit. */
#define JINJA_TEXT_LIMIT ((size_t)1 << 20)       /* bytes of a template */
#define JINJA_NESTING_LIMIT 200                  /* blocks and expressions inside one another, of a template */
#define JINJA_DEPTH_LIMIT 1000                   /* ... while it runs: macros that call one another, lists in lists */
#define JINJA_STEP_LIMIT ((size_t)5000000)       /* expressions evaluated; copying and searching counts by length */
#define JINJA_MEMORY_LIMIT ((size_t)256 << 20)   /* bytes of all values made while it runs */
#define JINJA_OUTPUT_LIMIT ((size_t)64 << 20)    /* bytes of the text */

/* Two settings that differ in white space around blocks, in what a missing name is, in tojson and in a few names:
 * JINJA_CHAT    trim_blocks, lstrip_blocks, one newline at the end dropped; missing names print as nothing; break and continue;
 *               tojson as json.dumps(ensure_ascii=False); raise_exception, strftime_now; generation blocks.
 * JINJA_PROMPT  white space kept as it is; any use of a missing name is an error; tojson escapes <, >, &, ' and what is not ASCII;
 *               regex_replace. */
enum jinja_setting { JINJA_CHAT, JINJA_PROMPT };

typedef struct jinja jinja;

/* text [n bytes of UTF-8] is copied; name is what errors call it ("NAME:LINE:COLUMN: ..."). NULL and *err on failure. */
jinja *jinja_parse(const char *name, const char *text, size_t n, enum jinja_setting setting, error *err);
void jinja_free(jinja *t);

/* What strftime_now tells instead of the present. */
void jinja_set_clock(jinja *t, const struct tm *now);

/* The text, NUL-terminated and of *n bytes (n may be NULL; the text may hold NUL); free() it. `variables` is an object, or NULL for none. */
char *jinja_render(const jinja *t, const json_t *variables, size_t *n, error *err);

#endif
