/* A lineup: what is run and scored, one model or several with a path through them. It owns nothing.
 *
 *     plan *p = lineup_plan(&(lineup){.models = &model}, err);
 *     plan *q = lineup_plan(&(lineup){.models = models, .path = path}, err);
 */
#ifndef MODEL_LINEUP_H
#define MODEL_LINEUP_H

#include "model/path.h"
#include "model/plan.h"

typedef struct lineup {
    checkpoint *const *models;      /* [path->n_sources], or one; the first has the tokenizer */
    const layer_path *path;         /* NULL: all layers of the one model, in order */
} lineup;

static inline size_t lineup_count(const lineup *l)
{
    return l->path ? l->path->n_sources : 1;
}

static inline plan *lineup_plan(const lineup *l, error *err)
{
    return l->path ? plan_build_path(l->models, l->path, err) : plan_build(l->models[0], err);
}

#endif
