/* Tensors are taken in groups, so that what is needed beside the sources is bounded and sources larger than memory are read from disk
 * once. Nothing depends on the groups. */
#include "merge/merge.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "merge/mask.h"
#include "merge/method.h"
#include "merge/tensors.h"
#include "merge/walk.h"
#include "model/config.h"

#define GROUP_ELEMENTS ((int64_t)32 << 20)

struct merger {
    const method *method;
    checkpoint *const *models;   /* borrowed */
    int n_models, base, config_from;
    merge_options options;
    tensor_plan plan;
};

static int check_models(const recipe *r, const method *m, error *err)
{
    int n = (int)r->n_models - (method_sets_base_apart(m) && r->base >= 0);
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
    m->models = models;
    m->n_models = (int)r->n_models;
    m->base = r->base;
    m->config_from = r->config_from >= 0 ? r->config_from : r->base >= 0 ? r->base : 0;
    if (options)
        m->options = *options;
    if (tensors_plan(r, models, &m->plan, err) != 0) {
        merge_free(m);
        return NULL;
    }
    note_configs(m);
    return m;
}

void merge_free(merger *m)
{
    if (!m)
        return;
    tensors_free(&m->plan);
    free(m);
}

char *merge_notes(const merger *m)
{
    const string *notes = &m->plan.notes;
    size_t n = notes->length;
    return memory_text_n(n ? notes->text : "", n && notes->text[n - 1] == '\n' ? n - 1 : n);
}

static void set_untied(json_t *config)
{
    json_t *objects[] = {config, json_object_get(config, "text_config")};
    for (int i = 0; i < 2; i++)
        if (json_is_true(json_object_get(objects[i], "tie_word_embeddings")))
            json_object_set_new(objects[i], "tie_word_embeddings", json_false());
}

checkpoint *merge_allocate(const merger *m, error *err)
{
    checkpoint_item *items = memory_new(m->plan.count, sizeof *items);
    for (size_t i = 0; i < m->plan.count; i++)
        items[i] = (checkpoint_item){.name = (char *)m->plan.items[i].name, .tensor = m->plan.items[i].shape};
    const checkpoint *from = m->models[m->config_from], *words = m->models[m->base >= 0 ? m->base : 0];
    json_t *config = from->config ? json_deep_copy(from->config) : NULL;
    if (config && m->plan.has_head)
        set_untied(config);
    checkpoint *c = checkpoint_new("the merge", words->folder, config, items, m->plan.count, err);
    json_t *fitting = c && config ? checkpoint_config(c, err) : NULL;
    if (fitting) {
        json_decref(c->config);
        c->config = fitting;
    } else if (c && config) {
        checkpoint_free(c);
        c = NULL;
    }
    json_decref(config);
    free(items);
    return c;
}

static int by_drawing_order(const void *a, const void *b)
{
    return strcmp((*(const merge_tensor *const *)a)->drawn_as, (*(const merge_tensor *const *)b)->drawn_as);
}

/* mergekit's masks come from one stream, tensor after tensor in the order of their names: where each one begins. NULL: native masks, or
 * an error. */
static mask_stream *find_streams(const merger *m, const recipe *r, error *err)
{
    size_t count = m->plan.count;
    mask_stream *streams = memory_new(count, sizeof *streams), at;
    const merge_tensor **order = memory_new(count, sizeof *order);
    int status = 0;
    for (size_t i = 0; i < count; i++)
        order[i] = &m->plan.items[i];
    qsort(order, count, sizeof *order, by_drawing_order);
    mask_stream_seed(&at, (uint32_t)r->seed);
    for (size_t i = 0; i < count && status == 0; i++) {
        merge_job j;
        streams[order[i] - m->plan.items] = at;
        status = walk_begin(&j, m->method->kernel, r, order[i], err);
        for (int k = 0; status == 0 && j.draws && k < j.n_models; k++)
            if (j.draws[k])
                mask_stream_skip(&at, order[i]->count);
        walk_end(&j);
    }
    free(order);
    if (status == 0)
        return streams;
    free(streams);
    return NULL;
}

int merge_run(merger *m, const recipe *r, checkpoint *out, error *err)
{
    size_t count = m->plan.count;
    bool drawn = r->mask == MERGE_MASK_MT19937;
    mask_stream *streams = drawn ? find_streams(m, r, err) : NULL;
    merge_job *jobs = memory_new(count, sizeof *jobs);
    int status = drawn && !streams ? -1 : 0;
    for (size_t at = 0; at < count && status == 0;) {
        size_t n = 0;
        for (int64_t elements = 0; at < count && (n == 0 || elements + m->plan.items[at].count <= GROUP_ELEMENTS) && status == 0; at++) {
            const merge_tensor *t = &m->plan.items[at];
            elements += t->count;
            status = walk_begin(&jobs[n], m->method->kernel, r, t, err);
            jobs[n].stream = streams ? &streams[at] : NULL;
            jobs[n++].out = checkpoint_find(out, t->name)->data;
        }
        if (status == 0)
            status = walk_group(m->method->kernel, jobs, n, &(walk_options){.pool = m->options.pool, .block_rows = m->options.block_rows}, err);
        for (size_t i = 0; i < n; i++)
            walk_end(&jobs[i]);
    }
    for (int i = 0; i < m->n_models && status == 0; i++)
        status = checkpoint_check(m->models[i], err);
    free(jobs);
    free(streams);
    return status;
}
