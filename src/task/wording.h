/* How a document becomes words: the prompt, the choices, the right answer, and how an example that is shown (a shot) is put together
 * with its answer. The rules are lm-eval's, which contain those of Stability's harness:
 *
 *     shot       = prompt + target_delimiter + target + delimiter
 *     question   = prompt                        (with a prefix: prompt + target_delimiter + prefix)
 *     continuation of a choice = target_delimiter + choice
 *
 * A prefix stands before a shot's target too, apart by a space unless white space is there. */
#ifndef TASK_WORDING_H
#define TASK_WORDING_H

#include "base/memory.h"
#include "task/phrase.h"

typedef struct wording {
    phrase *prompt;
    phrase *gold;              /* the right answer: a text, a list of them, a number; with choices the place or the text of one */
    phrase *target;            /* what a shot shows as its answer; NULL: the right one (of a list the first) */
    phrase *prefix;            /* NULL: none */
    phrase **choices; size_t n_choices;   /* each a phrase; or */
    phrase *choice_list;       /* a list that a question brings itself; both absent where answers are generated */
    char *target_delimiter, *delimiter;   /* owned, as all here */
} wording;

void wording_clear(wording *w);
bool wording_has_choices(const wording *w);

/* The choices as a list of texts (a new reference). Fewer than two are an error. */
json_t *wording_choices(const wording *w, const json_t *fields, const char *name, error *err);

/* The right answer (a new reference): text that is all digits becomes the number where there are `choices`, text in brackets the list
 * that it is to Python. */
json_t *wording_gold(const wording *w, const json_t *fields, const json_t *choices, const char *name, error *err);

/* The place of the right one among the choices, by number or text; -1 where it is none of them. */
long wording_gold_index(const json_t *gold, const json_t *choices);

/* Appends a shot, or the question itself. */
int wording_add_shot(const wording *w, const json_t *fields, const char *name, string *out, error *err);
int wording_add_question(const wording *w, const json_t *fields, const char *name, string *out, error *err);

#endif
