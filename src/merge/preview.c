#include "merge/preview.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "merge/merger.h"
#include "tensor/names.h"

#define SAMPLE_ELEMENTS ((int64_t)24 << 20)
#define PROBE_BYTES ((size_t)64 << 20)
#define PROBE_BLOCK ((size_t)1 << 20)

/* ---- speed */

/* Tensors of a layer in the middle, so that each kind is there as often as in the whole. What is carried takes no time to speak of. */
static size_t choose_sample(const merger *m, size_t *order)
{
    int64_t elements = 0;
    size_t n = 0, count = m->plan.count;
    for (size_t i = 0; i < count; i++) {
        size_t place = (count / 2 + i) % count;
        const merge_tensor *t = &m->plan.items[place];
        if (t->copy || (n && elements + t->count > SAMPLE_ELEMENTS))
            continue;
        order[n++] = place;
        elements += t->count;
        if (elements > SAMPLE_ELEMENTS / 2)
            break;
    }
    return n;
}

double merge_estimate(merger *m, const recipe *r, error *err)
{
    size_t *order = memory_new(m->plan.count, sizeof *order), n = choose_sample(m, order);
    int64_t sampled = 0, all = 0;
    for (size_t i = 0; i < m->plan.count; i++)
        all += m->plan.items[i].copy ? 0 : m->plan.items[i].count;
    for (size_t i = 0; i < n; i++)
        sampled += m->plan.items[order[i]].count;
    double began = progress_seconds();
    int status = merge_sample(m, r, order, n, err);
    double seconds = progress_seconds() - began;
    free(order);
    return status != 0 ? -1 : sampled ? seconds * (double)all / (double)sampled : 0;
}

/* Bytes a second to disk; 0 where the file system takes no file without a name. */
static double write_speed(const char *folder)
{
    int fd = open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    char *block = memory_new(PROBE_BLOCK, 1);
    double began = progress_seconds();
    bool wrote = fd >= 0;
    memset(block, 0x5a, PROBE_BLOCK);
    for (size_t at = 0; at < PROBE_BYTES && wrote; at += PROBE_BLOCK)
        wrote = file_write_all(fd, block, PROBE_BLOCK) == 0;
    wrote = wrote && fsync(fd) == 0;
    double seconds = progress_seconds() - began;
    if (fd >= 0)
        close(fd);
    free(block);
    return wrote && seconds > 0 ? (double)PROBE_BYTES / seconds : 0;
}

/* ---- what goes in */

static json_t *model_facts(const merger *m, int i)
{
    const checkpoint *c = m->models[i];
    tensor_names *names = names_read(c, m->recipe->layers);
    const tensor_family *main = names_main(names);
    const checkpoint_item *words = names_embedding(c);
    const json_t *type = json_object_get(c->config, "model_type");
    char *layers = main ? memory_print("%s%%d", main->prefix) : NULL;
    json_t *facts = json_pack("{s:s, s:s, s:I, s:I, s:s?, s:s?}", "model", m->recipe->models[i].path, "folder", c->name, "tensors", (json_int_t)c->count, "bytes",
                              (json_int_t)checkpoint_bytes(c), "type", json_string_value(type), "layers_are", layers);
    if (main)
        json_object_set_new(facts, "layers", json_integer(main->layers));
    if (words && words->tensor.rank == 2)
        json_object_set_new(facts, "vocabulary", json_integer(words->tensor.shape[0]));
    if (c->count)
        json_object_set_new(facts, "dtype", json_string(dtype_name((words ? words : c->items)->tensor.dtype)));
    if (i == m->base)
        json_object_set_new(facts, "base", json_true());
    free(layers);
    names_free(names);
    return facts;
}

static json_t *source_facts(const recipe *r, const recipe_source *s)
{
    json_t *facts = json_pack("{s:s}", "model", r->models[s->model].path);
    if (s->end >= 0)
        json_object_set_new(facts, "layers", json_pack("[I, I]", (json_int_t)s->first, (json_int_t)s->end));
    return facts;
}

/* Runs of output layers and what they are made of. */
static json_t *slice_facts(const recipe *r)
{
    json_t *list = json_array();
    int64_t next = 0;
    for (size_t i = 0; i < r->n_slices; i++) {
        const recipe_slice *s = &r->slices[i];
        json_t *sources = json_array(), *facts = json_object();
        for (size_t k = 0; k < s->n_sources; k++)
            json_array_append_new(sources, source_facts(r, &s->sources[k]));
        if (i == 0 || r->slices[i - 1].module != s->module)
            next = 0;
        if (s->module >= 0)
            json_object_set_new(facts, "module", json_string(r->modules[s->module].name));
        if (s->sources[0].end >= 0) {
            int64_t n = s->sources[0].end - s->sources[0].first;
            json_object_set_new(facts, "layers", json_pack("[I, I]", (json_int_t)next, (json_int_t)(next + n)));
            next += n;
        }
        if (s->base >= 0)
            json_object_set_new(facts, "base", json_string(r->models[s->base].path));
        json_object_set_new(facts, "sources", sources);
        json_array_append_new(list, facts);
    }
    return list;
}

static const char *tokenizer_from(const merger *m)
{
    const recipe *r = m->recipe;
    if (r->tokenizer.source == TOKENIZER_KEPT && m->component.frame >= 0)
        return r->models[m->component.frame].path;
    return r->tokenizer.source == TOKENIZER_UNION ? "union" : r->tokenizer.source == TOKENIZER_MODEL ? r->tokenizer.model : r->models[m->base >= 0 ? m->base : 0].path;
}

/* Of a component: what of the output is merged, and whose the rest is. */
static json_t *component_facts(const merger *m)
{
    json_int_t merged = 0;
    int64_t words = 0;
    for (size_t i = 0; i < m->plan.count; i++) {
        const merge_tensor *t = &m->plan.items[i];
        merged += !t->copy;
        words = names_is_vocabulary(t->name) ? t->rows : words;
    }
    return json_pack("{s:s, s:I, s:s, s:I, s:I}", "part", "language_model", "merged", merged, "rest_from", m->recipe->models[m->component.frame].path, "rest",
                     (json_int_t)m->plan.count - merged, "words", (json_int_t)words);
}

static json_t *output_facts(const merger *m, const checkpoint *outline)
{
    const json_t *text = json_object_get(outline->config, "text_config"), *config = json_is_object(text) ? text : outline->config;
    uint64_t bytes[DTYPE_COUNT] = {0};
    int most = 0;
    for (size_t i = 0; i < outline->count; i++)
        bytes[outline->items[i].tensor.dtype] += tensor_bytes(&outline->items[i].tensor);
    for (int d = 1; d < DTYPE_COUNT; d++)
        most = bytes[d] > bytes[most] ? d : most;
    json_t *facts = json_pack("{s:I, s:I, s:s, s:s, s:s}", "tensors", (json_int_t)outline->count, "bytes", (json_int_t)checkpoint_bytes(outline), "dtype",
                              dtype_name((enum dtype)most), "config_from", m->recipe->models[m->config_from].path, "tokenizer_from",
                              tokenizer_from(m));
    if (m->tokens.file)
        json_object_update_new(facts, json_pack("{s:i, s:I}", "tokens", m->tokens.tokens, "words", (json_int_t)m->tokens.rows));
    json_t *layers = json_object_get(config, "num_hidden_layers");
    if (layers)
        json_object_set(facts, "layers", layers);
    return facts;
}

json_t *merge_preview(const recipe *r, const merge_options *options, const char *folder, error *err)
{
    checkpoint **models = merge_open_models(r, err), *outline = NULL;
    merger *m = models ? merge_prepare(r, models, options, err) : NULL;
    json_t *what = NULL, *list = json_array();
    uint64_t free_bytes = 0;
    double seconds = -1;
    if (m && (outline = merge_outline(m, err)) && file_free_bytes(folder, &free_bytes, err) == 0)
        seconds = merge_estimate(m, r, err);
    if (seconds >= 0) {
        double speed = write_speed(folder);
        char *notes = merge_notes(m);
        for (int i = 0; i < m->n_models; i++)
            json_array_append_new(list, model_facts(m, i));
        what = json_pack("{s:s, s:s, s:s, s:O, s:o, s:o, s:s, s:I, s:I, s:f, s:f}", "method", r->method, "does", m->method->help, "mode",
                         r->mode == MERGE_COMPAT ? "compat" : "exact", "models", list, "slices", slice_facts(r), "output", output_facts(m, outline), "notes", notes, "memory",
                         (json_int_t)(merge_memory(m)), "free_disk", (json_int_t)free_bytes, "seconds",
                         seconds + (speed > 0 ? (double)checkpoint_bytes(outline) / speed : 0), "write_speed", speed);
        if (m->component.frame >= 0)
            json_object_set_new(what, "component", component_facts(m));
        free(notes);
    }
    json_decref(list);
    checkpoint_free(outline);
    merge_free(m);
    merge_close_models(r, models);
    return what;
}

/* ---- as text */

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static double number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void put_layers(string *s, const json_t *range)
{
    long long first = json_integer_value(json_array_get(range, 0)), end = json_integer_value(json_array_get(range, 1));
    if (end - first > 1)
        string_print(s, "%lld-%lld", first, end - 1);
    else if (end > first)
        string_print(s, "%lld", first);
    else
        string_puts(s, "none");
}

static void put_model(string *s, const json_t *facts)
{
    char size[32];
    string_print(s, "  %s%s: %lld tensors, %s, %s", text_of(facts, "model"), json_object_get(facts, "base") ? " (base)" : "", (long long)number_of(facts, "tensors"),
                 progress_bytes(size, number_of(facts, "bytes")), text_of(facts, "dtype"));
    if (text_of(facts, "type")[0])
        string_print(s, ", %s", text_of(facts, "type"));
    if (json_object_get(facts, "layers"))
        string_print(s, ", %lld layers %s", (long long)number_of(facts, "layers"), text_of(facts, "layers_are"));
    if (json_object_get(facts, "vocabulary"))
        string_print(s, ", %lld words", (long long)number_of(facts, "vocabulary"));
    string_puts(s, "\n");
}

static void put_slice(string *s, const json_t *facts)
{
    const json_t *source;
    size_t i;
    string_puts(s, "  ");
    if (json_object_get(facts, "module"))
        string_print(s, "%s ", text_of(facts, "module"));
    if (json_object_get(facts, "layers")) {
        string_puts(s, "layers ");
        put_layers(s, json_object_get(facts, "layers"));
    }
    string_puts(s, ":");
    json_array_foreach(json_object_get(facts, "sources"), i, source) {
        string_print(s, "%s %s ", i ? " +" : "", text_of(source, "model"));
        if (json_object_get(source, "layers"))
            put_layers(s, json_object_get(source, "layers"));
        else
            string_puts(s, "all");
    }
    string_puts(s, "\n");
}

static void put_component(string *s, const json_t *facts, const json_t *models)
{
    const json_t *model;
    const char *rest = text_of(facts, "rest_from");
    size_t i;
    string_print(s, "language part: %lld tensors and %lld words, merged of", (long long)number_of(facts, "merged"), (long long)number_of(facts, "words"));
    json_array_foreach(models, i, model)
        string_print(s, "%s %s", i ? "," : "", text_of(model, "model"));
    string_print(s, "\nthe rest: %lld tensors of vision tower and projector, config and files, all of %s\n", (long long)number_of(facts, "rest"), rest);
}

char *merge_preview_text(const json_t *p)
{
    string s = {0};
    char size[32], other[32];
    const json_t *item, *out = json_object_get(p, "output"), *part = json_object_get(p, "component");
    size_t i;
    string_print(&s, "%s: %s (%s)\nmodels:\n", text_of(p, "method"), text_of(p, "does"), text_of(p, "mode"));
    json_array_foreach(json_object_get(p, "models"), i, item)
        put_model(&s, item);
    if (json_array_size(json_object_get(p, "slices")))
        string_puts(&s, "layers:\n");
    json_array_foreach(json_object_get(p, "slices"), i, item)
        put_slice(&s, item);
    if (part)
        put_component(&s, part, json_object_get(p, "models"));
    string_print(&s, "output: %lld tensors, %s, %s", (long long)number_of(out, "tensors"), progress_bytes(size, number_of(out, "bytes")), text_of(out, "dtype"));
    if (json_object_get(out, "layers"))
        string_print(&s, ", %lld layers", (long long)number_of(out, "layers"));
    string_print(&s, "; config of %s; tokenizer: %s", text_of(out, "config_from"), text_of(out, "tokenizer_from"));
    if (json_object_get(out, "tokens"))
        string_print(&s, " with %lld tokens in %lld rows", (long long)number_of(out, "tokens"), (long long)number_of(out, "words"));
    string_puts(&s, "\n");
    string_print(&s, "needs: %s of memory beside the models' files, ", progress_bytes(size, number_of(p, "memory")));
    string_print(&s, "%s of disk (%s free), ", progress_bytes(size, number_of(out, "bytes")), progress_bytes(other, number_of(p, "free_disk")));
    string_print(&s, "about %s\n", progress_duration(size, number_of(p, "seconds")));
    string_puts(&s, text_of(p, "notes"));
    if (text_of(p, "notes")[0])
        string_puts(&s, "\n");
    return s.text;
}
