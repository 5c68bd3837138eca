#include "merge/component.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tensor/names.h"
#include "text/companion.h"
#include "text/tokenizer.h"

/* ---- the frame */

static int fail_blind(const recipe *r, checkpoint *const *models, error *err)
{
    string all = {0};
    for (size_t i = 0; i < r->n_models; i++)
        string_print(&all, "%s%s", i ? ", " : "", models[i]->name);
    fail(err, ERROR_FORMAT, "component is language_model, but none of the models has a vision tower or a projector (%.300s): leave 'component' out, or name one that sees",
         all.text);
    free(all.text);
    return -1;
}

/* A name as every model that sees would have it: "vision_model.encoder.layers.0..." with or without vision_tower in front, the projector's parts by
 * what they are. free() it. */
static char *plain_name(const char *name)
{
    static const struct { const char *here, *plain; } spellings[] = {{"mm_projector.0.", "linear_1."}, {"mm_projector.2.", "linear_2."}, {"multi_modal_projector.", ""},
                                                                     {"vision_model.", ""}, {"vision_tower.", ""}};
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++)
        for (const char *at = strstr(name, spellings[i].here), *next; at; at = next) {
            next = strstr(at + 1, spellings[i].here);
            if (!next)
                return memory_print("%s%s", spellings[i].plain, at + strlen(spellings[i].here));
        }
    return memory_text(strncmp(name, "model.", 6) == 0 ? name + 6 : name);
}

typedef struct eye { char *name; const checkpoint_item *item; } eye;
typedef struct eyes { eye *items; size_t count; } eyes;

static int by_name(const void *a, const void *b)
{
    return strcmp(((const eye *)a)->name, ((const eye *)b)->name);
}

static eyes eyes_of(const checkpoint *c)
{
    eyes e = {memory_new(c->count, sizeof *e.items), 0};
    for (size_t i = 0; i < c->count; i++)
        if (names_part_of(c->items[i].name) != NAMES_LANGUAGE)
            e.items[e.count++] = (eye){plain_name(c->items[i].name), &c->items[i]};
    if (e.count)
        qsort(e.items, e.count, sizeof *e.items, by_name);
    return e;
}

static void eyes_free(eyes *e)
{
    for (size_t i = 0; i < e->count; i++)
        free(e->items[i].name);
    free(e->items);
}

/* Values that have to be computed first are not looked at. */
static bool same(const tensor *a, const tensor *b)
{
    if (a->dtype != b->dtype || !tensor_same_shape(a, b))
        return false;
    return !a->data || !b->data || memcmp(a->data, b->data, tensor_bytes(a)) == 0;
}

/* What the first tensor that differs is called; NULL: they see in the same way. */
static const char *first_difference(const eyes *a, const eyes *b)
{
    for (size_t i = 0; i < a->count && i < b->count; i++)
        if (strcmp(a->items[i].name, b->items[i].name) != 0 || !same(&a->items[i].item->tensor, &b->items[i].item->tensor))
            return a->items[i].item->name;
    return a->count > b->count ? a->items[b->count].item->name : b->count > a->count ? b->items[a->count].item->name : NULL;
}

/* Others that see: nothing of their eyes comes into the output. */
static int check_others(const recipe *r, checkpoint *const *models, int frame, bool named, string *notes, error *err)
{
    eyes ours = eyes_of(models[frame]);
    int status = 0;
    for (size_t i = 0; i < r->n_models && status == 0; i++) {
        if ((int)i == frame || !names_sees(models[i]))
            continue;
        eyes others = eyes_of(models[i]);
        const char *differs = first_difference(&ours, &others);
        if (differs && !named)
            status = fail(err, ERROR_FORMAT, "%s and %s see in different ways ('%s' is not the same): 'merganser: {config_from: %s}' in a recipe, or config_from in a study's step, says whose "
                          "vision tower and projector the merge gets", models[frame]->name, models[i]->name, differs, r->models[frame].path);
        else if (differs)
            string_print(notes, "%s sees in another way than %s, and nothing of that is in the merge\n", models[i]->name, models[frame]->name);
        eyes_free(&others);
    }
    eyes_free(&ours);
    return status;
}

static int find_frame(const recipe *r, checkpoint *const *models, int *frame, string *notes, error *err)
{
    bool base = r->base >= 0 && names_sees(models[r->base]);
    *frame = r->config_from >= 0 ? r->config_from : base ? r->base : -1;
    bool named = *frame >= 0;
    if (named && !names_sees(models[*frame]))
        return fail(err, ERROR_FORMAT, "config_from is %s, which has no vision tower and no projector; with component: language_model it should be one of the models that see",
                    models[*frame]->name);
    for (size_t i = 0; i < r->n_models && *frame < 0; i++)
        if (names_sees(models[i]))
            *frame = (int)i;
    return *frame < 0 ? fail_blind(r, models, err) : check_others(r, models, *frame, named, notes, err);
}

/* ---- the vocabulary */

typedef struct words {
    tokenizer *tokenizer;      /* NULL: the model has none */
    int64_t rows;
} words;

static int words_open(const checkpoint *c, words *out, error *err)
{
    const checkpoint_item *item = names_embedding(c) ? names_embedding(c) : names_head(c);
    *out = (words){.rows = item && item->tensor.rank == 2 ? item->tensor.shape[0] : 0};
    if (!c->folder || !companion_has_tokenizer(c->folder))
        return 0;
    out->tokenizer = tokenizer_of(c, err);
    return out->tokenizer ? 0 : -1;
}

static bool same_token(const words *a, const words *b, int64_t row)
{
    const char *x = tokenizer_text(a->tokenizer, (int32_t)row), *y = tokenizer_text(b->tokenizer, (int32_t)row);
    return x && y && strcmp(x, y) == 0;
}

/* A token of the frame's that the other has too, in another row: their vocabularies do not go on side by side. */
static int check_rest(const checkpoint *frame, const words *ours, const checkpoint *other, const words *theirs, int64_t from, const char *fix, error *err)
{
    for (int64_t row = from; row < ours->rows && row < tokenizer_size(ours->tokenizer); row++) {
        const char *text = tokenizer_text(ours->tokenizer, (int32_t)row);
        int32_t there = text ? tokenizer_find(theirs->tokenizer, text) : -1;
        if (there >= 0 && there < theirs->rows) {
            const char *here = tokenizer_text(ours->tokenizer, (int32_t)from), *with = tokenizer_text(theirs->tokenizer, (int32_t)from);
            return fail(err, ERROR_FORMAT, "row %lld of the vocabulary is '%.60s' in %s and '%.60s' in %s, which both have '%.60s' in their further rows: '%s' puts rows together that "
                        "stand for the same tokens", (long long)from, here ? here : "", frame->name, with ? with : "", other->name, text, fix);
        }
    }
    return 0;
}

static void note_rows(const checkpoint *c, const words *w, int64_t from, string *notes)
{
    if (from >= w->rows)
        return;
    const char *text = w->tokenizer ? tokenizer_text(w->tokenizer, (int32_t)from) : NULL;
    string_print(notes, "%s: rows %lld to %lld of its vocabulary are dropped%s%.60s%s\n", c->name, (long long)from, (long long)w->rows - 1, text ? ", the first is '" : "", text ? text : "",
                 text ? "'" : "");
}

/* The rows from the first on that stand for the same tokens in all models. */
static int share_rows(const recipe *r, checkpoint *const *models, const words *all, int frame, int64_t *rows, string *notes, error *err)
{
    const words *ours = &all[frame];
    char *fix = memory_print("tokenizer_source: %s", r->models[frame].path);
    int status = 0;
    *rows = ours->rows;
    for (int i = 0; i < (int)r->n_models && status == 0; i++) {
        int64_t shared = 0, least = all[i].rows < ours->rows ? all[i].rows : ours->rows;
        bool told = ours->tokenizer && all[i].tokenizer;
        while (told && shared < least && same_token(ours, &all[i], shared))
            shared++;
        if (i != frame && told)
            status = check_rest(models[frame], ours, models[i], &all[i], shared, fix, err);
        else if (i != frame)
            string_print(notes, "%s has no tokenizer: its first %lld rows count as those of %s's tokens\n", models[all[i].tokenizer ? frame : i]->name, (long long)least, models[frame]->name);
        least = told ? shared : least;
        *rows = i != frame && least < *rows ? least : *rows;
    }
    for (int i = 0; i < (int)r->n_models && status == 0; i++)
        if (i != frame)
            note_rows(models[i], &all[i], *rows, notes);
    if (status == 0 && *rows == 0)
        status = fail(err, ERROR_FORMAT, "the models' vocabularies have nothing in common; '%s' puts rows together that stand for the same tokens", fix);
    if (status == 0 && *rows < ours->rows)
        string_print(notes, "%s: rows %lld to %lld of its vocabulary, which the others lack, stay as they are\n", models[frame]->name, (long long)*rows, (long long)ours->rows - 1);
    free(fix);
    return status;
}

static json_int_t image_token(const json_t *config)
{
    const json_t *index = json_object_get(config, "image_token_index"), *id = json_object_get(config, "image_token_id");
    return json_is_integer(index) ? json_integer_value(index) : json_is_integer(id) ? json_integer_value(id) : -1;
}

int component_check_tokens(const component *c, checkpoint *const *models, const tokenizer_file *merged, error *err)
{
    const checkpoint *frame = c->frame >= 0 ? models[c->frame] : NULL;
    json_int_t image = frame && merged ? image_token(frame->config) : -1;
    if (image < 0 || image > INT32_MAX || !frame->folder || !companion_has_tokenizer(frame->folder))
        return 0;
    tokenizer *t = tokenizer_of(frame, err);
    const char *text = t ? tokenizer_text(t, (int32_t)image) : NULL;
    int status = !t ? -1 : 0;
    if (text && tokenizer_file_find(merged, text) < 0)
        status = fail(err, ERROR_FORMAT, "the recipe's tokenizer lacks '%.60s', which stands for a picture in %s: leave the tokenizer out, and %s's is kept", text, frame->name, frame->name);
    tokenizer_free(t);
    return status;
}

int component_find(const recipe *r, checkpoint *const *models, component *out, string *notes, error *err)
{
    *out = (component){.frame = -1, .rows = -1};
    if (!r->language_only)
        return 0;
    if (find_frame(r, models, &out->frame, notes, err) != 0)
        return -1;
    if (r->tokenizer.source != TOKENIZER_KEPT)
        return 0;
    words *all = memory_new(r->n_models, sizeof *all);
    int status = 0;
    for (size_t i = 0; i < r->n_models && status == 0; i++)
        status = words_open(models[i], &all[i], err);
    if (status == 0)
        status = share_rows(r, models, all, out->frame, &out->rows, notes, err);
    for (size_t i = 0; i < r->n_models; i++)
        tokenizer_free(all[i].tokenizer);
    free(all);
    return status;
}
