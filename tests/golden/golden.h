/* Comparing with folders laid out like the goldens of this project: DIR/engine, DIR/tokenizer, ...
 *
 * One file a folder: golden_ENGINE.c and so on, each a row in golden.c's table. A handler walks the
 * cases of its folder that `wanted` selects, runs each, and reports one line a case. */
#ifndef GOLDEN_GOLDEN_H
#define GOLDEN_GOLDEN_H

#include <stdbool.h>

typedef struct golden_context {
    const char *root;      /* DIR: holds the folders; file names inside a golden are relative to its parent ... */
    const char *parent;    /* ... DIR/.. (a merge recipe's to DIR/mergekit) */
    const char *backend;   /* kernel family to force; NULL: each that this CPU has */
    bool quiet;            /* only failing checks and the case lines */
} golden_context;

/* Whether FOLDER/CASE was asked for: no arguments, FOLDER alone, FOLDER/CASE, or a longer name below FOLDER/CASE. */
bool golden_wanted(const golden_context *c, const char *name);

/* Prints "NAME: N passed, N failed, N not supported" and adds to the totals. */
void golden_report(const golden_context *c, const char *name, int passed, int failed, int unsupported);

/* A failing check: one line on stderr. */
void golden_mismatch(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

void golden_chat(const golden_context *c);
void golden_engine(const golden_context *c);
void golden_image(const golden_context *c);
void golden_jp_lmeh(const golden_context *c);
void golden_merge(const golden_context *c);
void golden_mergekit(const golden_context *c);
void golden_metrics(const golden_context *c);
void golden_optim(const golden_context *c);
void golden_pictures(const golden_context *c);
void golden_study(const golden_context *c);
void golden_tokenizer(const golden_context *c);

#endif
