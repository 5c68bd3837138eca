/* Tasks, in the goldens of the Japanese ones. For golden_jp_lmeh.c. */
#ifndef GOLDEN_JP_TASKS_H
#define GOLDEN_JP_TASKS_H

#include "golden_lines.h"

extern const golden_kind golden_jp_kinds[];
extern const size_t golden_n_jp_kinds;

/* A line of aggregate*.jsonl with a task's figures. */
void golden_jp_figures(const json_t *line, size_t number, const char *name, golden_tally *t);

/* Absolute paths of DIR/jp-lmeh and of the tokenizers' folder, which must outlive the checks; jp_scene_close afterwards. */
int golden_jp_open(const char *folder, const char *tokenizers, error *err);

#endif
