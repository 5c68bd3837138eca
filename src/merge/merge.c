#include "merge/merge.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "merge/method.h"
#include "merge/merger.h"
#include "model/config.h"
#include "tensor/names.h"


static int check_models(const recipe *r, const method *m, error *err)
{
    int n = (int)r->n_models - (method_sets_base_apart(m) && r->base >= 0);
    if (r->n_slices)
        return 0;                /* counted slice by slice when it was read */
    if (m->base == BASE_NEEDED && r->base < 0)
        return fail(err, ERROR_FORMAT, "%s needs a base_model", m->name);
    if (n < m->min_models || (m->max_models && n > m->max_models))
        return fail(err, ERROR_FORMAT, "%s takes %s%d model%s%s, not %d", m->name, m->max_models ? "" : "at least ", m->min_models, m->min_models == 1 ? "" : "s",
                    method_sets_base_apart(m) ? " beside the base" : "", n);
    return 0;
}

static void note_configs(merger *m)
{
    model_config ours, other;
    char line[512];
    const checkpoint *winner = m->models[m->config_from];
    if (!winner->config || config_read(winner->config, winner->name, &ours, NULL) != 0)
        return;
    for (int i = 0; i < m->n_models; i++) {
        const checkpoint *c = m->models[i];
        if (c == winner || !c->config || config_read(c->config, c->name, &other, NULL) != 0)
            continue;
        if (config_differences(&ours, &other, line, sizeof line))
            string_print(&m->plan.notes, "configs differ, %s wins over %s: %s\n", winner->name, c->name, line);
    }
}

/* Sources of 16 bits in two types meet in float32, which takes twice the room of either. */
static void note_types(merger *m)
{
    for (size_t i = 0; i < m->plan.count && m->recipe->dtype < 0 && m->recipe->out_dtype < 0; i++) {
        const merge_tensor *t = &m->plan.items[i];
        for (int k = 1; k < t->n_models; k++) {
            enum dtype a = t->sources[0]->dtype, b = t->sources[k]->dtype;
            if (a == b || dtype_size(a) != 2 || dtype_size(b) != 2)
                continue;
            string_print(&m->plan.notes, "'%s' is %s in one source and %s in another: the merge has it as F32; a dtype (float16, bfloat16) in the recipe says otherwise\n", t->name,
                         dtype_name(a), dtype_name(b));
            return;
        }
    }
}

merger *merge_prepare(const recipe *r, checkpoint *const *models, const merge_options *options, error *err)
{
    const method *found = method_find(r->method);
    if (!found) {
        fail(err, ERROR_UNSUPPORTED, "unknown merge method '%s'", r->method ? r->method : "");
        return NULL;
    }
    if (check_models(r, found, err) != 0)
        return NULL;
    merger *m = memory_new(1, sizeof *m);
    m->method = found;
    m->recipe = r;
    m->models = models;
    m->n_models = (int)r->n_models;
    m->base = r->base;
    if (options)
        m->options = *options;
    string notes = {0};
    int status = component_find(r, models, &m->component, &notes, err);
    m->config_from = m->component.frame >= 0 ? m->component.frame : r->config_from >= 0 ? r->config_from : r->base >= 0 ? r->base : 0;
    if (status == 0)
        status = tokens_plan(r, models, &m->tokens, err);
    if (status == 0 && (status = component_check_tokens(&m->component, models, m->tokens.file, err)) == 0)
        status = tensors_plan(r, models, m->config_from, &m->component, &m->tokens, &m->plan, err);
    if (status == 0) {
        string_add(&m->plan.notes, notes.text ? notes.text : "", notes.length);
        string_add(&m->plan.notes, m->tokens.notes.text ? m->tokens.notes.text : "", m->tokens.notes.length);
        note_configs(m);
        note_types(m);
    } else {
        merge_free(m);
        m = NULL;
    }
    free(notes.text);
    return m;
}

void merge_free(merger *m)
{
    if (!m)
        return;
    tensors_free(&m->plan);
    tokens_free(&m->tokens);
    free(m->needs);
    free(m);
}

char *merge_notes(const merger *m)
{
    const string *notes = &m->plan.notes;
    size_t n = notes->length;
    return memory_text_n(n ? notes->text : "", n && notes->text[n - 1] == '\n' ? n - 1 : n);
}

static json_t *text_config(json_t *config)
{
    json_t *nested = json_object_get(config, "text_config");
    return json_is_object(nested) ? nested : config;
}

static void set_untied(json_t *config)
{
    json_t *objects[] = {config, json_object_get(config, "text_config")};
    for (int i = 0; i < 2; i++)
        if (json_is_true(json_object_get(objects[i], "tie_word_embeddings")))
            json_object_set_new(objects[i], "tie_word_embeddings", json_false());
}

/* A list with an entry for every layer (layer_types) follows its layers through the slices. */
static void move_lists(const merger *m, const recipe *r, json_t *config)
{
    json_t *text = text_config(config);
    const char *key;
    json_t *list;
    int64_t layers = 0;
    tensor_names *names = names_read(m->models[m->config_from], r->layers);
    if (names_main(names))
        layers = names_main(names)->layers;
    names_free(names);
    json_object_foreach(text, key, list) {
        if (!json_is_array(list) || layers == 0 || (int64_t)json_array_size(list) != layers)
            continue;
        json_t *moved = json_array();
        for (size_t s = 0; s < r->n_slices; s++) {
            const recipe_source *source = &r->slices[s].sources[0];
            const json_t *own = json_object_get(text_config(m->models[source->model]->config), key);
            for (int64_t layer = source->first; layer < source->end; layer++)
                json_array_append(moved, json_array_get(own ? own : list, (size_t)layer));
        }
        json_object_set_new(text, key, moved);
    }
}

static json_t *make_config(const merger *m, const checkpoint *shape, error *err)
{
    json_t *config = json_deep_copy(m->models[m->config_from]->config), *fitting;
    if (m->plan.has_head)
        set_untied(config);
    if (m->recipe->n_slices && m->recipe->slices[0].sources[0].end >= 0)
        move_lists(m, m->recipe, config);
    tokens_move_ids(&m->tokens, m->config_from, config);
    checkpoint with_config = *shape;
    with_config.config = config;
    fitting = checkpoint_config(&with_config, err);
    json_decref(config);
    return fitting;
}

checkpoint *merge_outline(const merger *m, error *err)
{
    const checkpoint *words = m->models[m->component.frame >= 0 ? m->component.frame : m->base >= 0 ? m->base : 0];
    checkpoint *c = memory_new(1, sizeof *c);
    c->name = memory_text("the merge");
    c->folder = memory_text(words->folder);
    c->items = memory_new(m->plan.count, sizeof *c->items);
    c->count = m->plan.count;
    for (size_t i = 0; i < m->plan.count; i++)
        c->items[i] = (checkpoint_item){.name = memory_text(m->plan.items[i].name), .tensor = m->plan.items[i].shape};
    if ((!m->models[m->config_from]->config || (c->config = make_config(m, c, err))) && tokens_put_files(&m->tokens, c, err) == 0)
        return c;
    checkpoint_free(c);
    return NULL;
}

checkpoint *merge_allocate(const merger *m, error *err)
{
    checkpoint *outline = merge_outline(m, err), *c = NULL;
    if (outline)
        c = checkpoint_new(outline->name, outline->folder, outline->config, outline->items, outline->count, err);
    for (size_t i = 0; c && i < outline->n_files; i++)
        checkpoint_put_file(c, outline->files[i].name, outline->files[i].text);
    checkpoint_free(outline);
    return c;
}
