/* What the goldens of the Japanese tasks need around them: the documents where tasks look for them, and the tasks themselves. */
#ifndef GOLDEN_JP_SCENE_H
#define GOLDEN_JP_SCENE_H

#include "golden_lines.h"
#include "task/prompts.h"

/* Lays the documents of DIR/jp-lmeh/docs.jsonl out and goes there; jp_scene_close goes back and takes all away. */
int jp_scene_open(const char *folder, error *err);
void jp_scene_close(void);

/* A task by the goldens' name for it: lm-eval's (of recipes/tasks/ja-leaderboard, else of DIR/jp-lmeh/yaml), or Stability's
 * ("jnli-1.3-0.3", of recipes/tasks/jp-lmeh, other prompt versions from prompts_stability.jsonl). Borrowed; NULL and *err where it cannot be read. */
const task *jp_task(const char *harness, const char *name, error *err);

/* The same with another seed for the draws of examples. */
const task *jp_task_seeded(const char *harness, const char *name, int64_t seed, error *err);

/* A question of its split, as it is asked of a model with Mistral's tokenizer and so many positions. */
const prompt *jp_prompt(const task *t, size_t doc, int64_t positions, error *err);

#endif
