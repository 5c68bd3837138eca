/* Which of the models a candidate is like before there is one: whose config, tokenizer and eyes it has. */
#include "model/vision_config.h"
#include "study/session.h"
#include "tensor/names.h"

static const session_model *model_at(const session *s, int index)
{
    for (size_t i = 0; i < s->n_models; i++)
        if (s->models[i].index == index)
            return &s->models[i];
    return NULL;
}

/* As merge/component.c chooses: by name, the base, the first. */
static const session_model *seeing(const session *s, const step *st)
{
    const recipe *r = st->recipe;
    int at = r->config_from >= 0 ? r->config_from : r->base >= 0 && names_sees(st->models[r->base]) ? r->base : -1;
    for (size_t i = 0; i < st->n_models && at < 0; i++)
        if (names_sees(st->models[i]))
            at = (int)i;
    return at < 0 ? NULL : model_at(s, st->model[at]);
}

const session_model *shape_of(const session *s, int index)
{
    const step *st = &s->steps[index];
    const session_model *frame = st->recipe && st->recipe->language_only ? seeing(s, st) : NULL;
    if (frame)
        return frame;
    if (st->recipe)
        return model_at(s, st->recipe->config_from >= 0 ? st->model[st->recipe->config_from] : step_shape_model(s->file, index));
    return st->model[0] >= 0 ? model_at(s, st->model[0]) : shape_of(s, st->winner_of[0]);
}

bool shape_is_blind(const checkpoint *model, const question_set *sets, size_t n)
{
    bool pictures = false;
    for (size_t i = 0; i < n; i++)
        pictures = pictures || sets[i].task->image_field;
    return pictures && !(model->config && vision_config_is(model->config));
}

/* Before hours of search: every candidate of a step must be able to answer the study's questions. */
int shape_check(const session *s, const step *st, error *err)
{
    const checkpoint *shape = shape_of(s, st->index)->checkpoint;
    if (st->path && st->file->language_only && !names_sees(shape))
        return fail(err, ERROR_USAGE, "%s: step '%s' has component: language_model, but its first source, which gives all but the layers, has no vision tower and no projector: name first "
                    "a model that sees", s->file->path, st->file->name);
    const question_pool *pools[] = {&s->search, &s->select, &s->held_out};
    for (int i = 0; i < 3; i++)
        if (shape_is_blind(shape, pools[i]->sets, pools[i]->count))
            return fail(err, ERROR_USAGE, "%s: step '%s' makes models like '%s', which read text only, and the tasks have pictures: %s", s->file->path, st->file->name, shape->name,
                        st->path ? "name a model that sees as its first source" : "'component: language_model' with a source that sees makes models that see");
    return 0;
}
