#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "text/parts.h"

static void add(post_processor *p, int32_t id)
{
    p->item = memory_grow(p->item, p->count + 1, sizeof *p->item);
    p->item[p->count++] = id;
}

static int check_id(const json_t *value, const char *where, int32_t *id, error *err)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) >= VOCABULARY_LIMIT)
        return fail(err, ERROR_FORMAT, "%s: an id should be a whole number in [0, %d)", where, VOCABULARY_LIMIT);
    *id = (int32_t)json_integer_value(value);
    return 0;
}

static int template_item(post_processor *out, const json_t *item, const json_t *specials, const post_processor *inner,
                         const char *where, error *err)
{
    const json_t *sequence = json_object_get(item, "Sequence"), *special = json_object_get(item, "SpecialToken");
    const char *id = json_string_value(json_object_get(sequence ? sequence : special, "id"));
    if (!id)
        return fail(err, ERROR_FORMAT,
                    "%s: 'single' should hold {\"Sequence\": {\"id\": ...}} and {\"SpecialToken\": {\"id\": ...}}", where);
    if (sequence) {
        if (strcmp(id, "A") != 0)
            return fail(err, ERROR_FORMAT, "%s: 'single' names sequence '%.100s'; there is only A", where, id);
        for (size_t i = 0; i < inner->count; i++)
            add(out, inner->item[i]);
        return 0;
    }
    const json_t *ids = json_object_get(json_object_get(specials, id), "ids");
    if (!json_is_array(ids))
        return fail(err, ERROR_FORMAT, "%s: 'special_tokens' has no ids for '%.100s'", where, id);
    for (size_t i = 0; i < json_array_size(ids); i++) {
        int32_t token = 0;
        if (check_id(json_array_get(ids, i), where, &token, err) != 0)
            return -1;
        add(out, token);
    }
    return 0;
}

static int read_template(post_processor *p, const json_t *value, const char *where, error *err)
{
    const json_t *single = json_object_get(value, "single");
    if (!json_is_array(single))
        return fail(err, ERROR_FORMAT, "%s: 'single' should be a list", where);
    post_processor out = {0};
    int status = 0;
    for (size_t i = 0; i < json_array_size(single) && status == 0; i++) {
        status = template_item(&out, json_array_get(single, i), json_object_get(value, "special_tokens"), p, where, err);
        if (status == 0 && out.count > 10000)   /* templates within a sequence multiply */
            status = fail(err, ERROR_LIMIT, "%s: more than 10000 items", where);
    }
    free(p->item);
    *p = out;
    return status;
}

/* [CLS] text [SEP], with ["[CLS]", 101] for each. */
static int read_pair(post_processor *p, const json_t *value, const char *where, error *err)
{
    int32_t cls = 0, sep = 0;
    if (check_id(json_array_get(json_object_get(value, "cls"), 1), where, &cls, err) != 0
        || check_id(json_array_get(json_object_get(value, "sep"), 1), where, &sep, err) != 0)
        return -1;
    add(p, sep);
    add(p, 0);
    memmove(p->item + 1, p->item, (p->count - 1) * sizeof *p->item);
    p->item[0] = cls;
    return 0;
}

typedef struct reading { post_processor *post; const char *file; } reading;

static int read_step(void *context, const json_t *value, error *err)
{
    reading *r = context;
    const char *type;
    if (component_type(value, "post_processor", r->file, &type, err) != 0)
        return -1;
    if (strcmp(type, "Sequence") == 0)
        return component_each(value, "processors", "post_processor", r->file, read_step, r, err);
    if (strcmp(type, "ByteLevel") == 0)   /* only moves offsets */
        return 0;
    char *where = memory_print("%s: post_processor %s", r->file, type);
    int status = strcmp(type, "TemplateProcessing") == 0 ? read_template(r->post, value, where, err)
                 : strcmp(type, "RobertaProcessing") == 0 || strcmp(type, "BertProcessing") == 0
                     ? read_pair(r->post, value, where, err)
                     : component_unknown("post_processor", type, r->file, err);
    free(where);
    return status;
}

void post_start(post_processor *p)
{
    add(p, POST_TEXT);
}

int post_read(post_processor *p, const json_t *value, const char *file, error *err)
{
    post_start(p);
    return value && !json_is_null(value) ? read_step(&(reading){p, file}, value, err) : 0;
}

void post_set_edges(post_processor *p, int add_bos, int32_t bos, int add_eos, int32_t eos)
{
    post_processor out = {0};
    size_t from = 0, to = p->count;
    if (add_bos >= 0 && bos >= 0 && to > from && p->item[from] == bos)
        from++;
    if (add_eos >= 0 && eos >= 0 && to > from && p->item[to - 1] == eos)
        to--;
    if (add_bos > 0 && bos >= 0)
        add(&out, bos);
    for (size_t i = from; i < to; i++)
        add(&out, p->item[i]);
    if (add_eos > 0 && eos >= 0)
        add(&out, eos);
    free(p->item);
    *p = out;
}

void post_describe(const post_processor *p, string *out)
{
    string_puts(out, "post_processor");
    for (size_t i = 0; i < p->count; i++)
        string_print(out, " %d", p->item[i]);
    string_puts(out, "\n");
}
