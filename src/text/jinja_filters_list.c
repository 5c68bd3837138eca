/* Filters of lists and dicts. */
#include <string.h>

#include "text/jinja_run.h"
#include "text/jinja_text.h"

/* ---- keys to sort and compare by */

static int ignore_case(jrun *r, jvalue *v)
{
    return v->type == J_TEXT ? jcall_row(r, jrow_find(jtext_kind_methods, "lower"), *v, &(jargs){0}, v) : 0;
}

static int key_of(jrun *r, jvalue item, jvalue attribute, const jvalue *standard, bool case_sensitive, jvalue *out)
{
    if (jstep(r, 1) != 0 || jattribute_path(r, item, attribute, standard, out) != 0)
        return -1;
    return case_sensitive ? 0 : ignore_case(r, out);
}

/* "a,b" sorts by a, then by b: the keys are lists. */
static int multi_key_of(jrun *r, jvalue item, jvalue attribute, bool case_sensitive, jvalue *out)
{
    jvalue list, key;
    size_t capacity = 0;
    if (attribute.type != J_TEXT || !memchr(attribute.as.text.s, ',', attribute.as.text.n))
        return key_of(r, item, attribute, NULL, case_sensitive, out);
    if (jlist_make(r, J_LIST, 0, &list) != 0)
        return -1;
    const char *s = attribute.as.text.s, *end = s + attribute.as.text.n;
    for (bool more = true; more;) {
        const char *comma = memchr(s, ',', (size_t)(end - s)), *stop = comma ? comma : end;
        if (key_of(r, item, jvalue_text(s, (size_t)(stop - s)), NULL, case_sensitive, &key) != 0 || jlist_append(r, list.as.list, &capacity, key) != 0)
            return -1;
        more = comma != NULL;
        s = stop + 1;
    }
    *out = list;
    return 0;
}

static int copy_items(jrun *r, jvalue v, jvalue *out)
{
    const jvalue *items;
    size_t n;
    if (jitems(r, v, &items, &n) != 0 || jlist_make(r, J_LIST, n, out) != 0)
        return -1;
    if (n)
        memcpy(out->as.list->items, items, n * sizeof *items);
    out->as.list->count = n;
    return 0;
}

/* ---- sorting */

static int filter_sort(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    bool reverse = false, sensitive = false;
    jvalue made;
    if (jarg_truth(r, a, 0, &reverse) != 0 || jarg_truth(r, a, 1, &sensitive) != 0 || copy_items(r, self, &made) != 0)
        return -1;
    jlist *l = made.as.list;
    jvalue *keys = jnew(r, (l->count + 1) * sizeof *keys);
    if (!keys)
        return -1;
    for (size_t i = 0; i < l->count; i++)
        if (multi_key_of(r, l->items[i], a->items[2], sensitive, &keys[i]) != 0)
            return -1;
    *out = made;
    return jsort(r, l->items, keys, l->count, reverse);
}

static int filter_dictsort(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    bool sensitive = false, reverse = false;
    jvalue by = jvalue_word("key"), items, made;
    if (self.type != J_DICT)
        return jfail_type(r, "'dictsort' takes a dict, not %s", self);
    if (jarg_truth(r, a, 0, &sensitive) != 0 || jarg_text(r, a, 1, &by) != 0 || jarg_truth(r, a, 2, &reverse) != 0 || jdict_items(r, self, NULL, &items) != 0 ||
        copy_items(r, items, &made) != 0)
        return -1;
    if (!jvalue_is_text(by, "key") && !jvalue_is_text(by, "value"))
        return jfail(r, "You can only sort by either \"key\" or \"value\"");
    jlist *l = made.as.list;
    jvalue *keys = jnew(r, (l->count + 1) * sizeof *keys), place = jvalue_int(jvalue_is_text(by, "value"));
    if (!keys)
        return -1;
    for (size_t i = 0; i < l->count; i++)
        if (key_of(r, l->items[i], place, NULL, sensitive, &keys[i]) != 0)
            return -1;
    *out = made;
    return jsort(r, l->items, keys, l->count, reverse);
}

static int extreme(jrun *r, jvalue self, const jargs *a, int wanted, jvalue *out)
{
    const jvalue *items;
    size_t n;
    bool sensitive = false;
    jvalue best = {0};
    if (jarg_truth(r, a, 0, &sensitive) != 0 || jitems(r, self, &items, &n) != 0)
        return -1;
    *out = (jvalue){.type = J_UNDEFINED, .as.why = "No aggregated item, sequence was empty."};
    for (size_t i = 0; i < n; i++) {
        jvalue key;
        int order = wanted;
        if (key_of(r, items[i], a->items[1], NULL, sensitive, &key) != 0 || (i && jorder(r, wanted > 0 ? ">" : "<", key, best, &order) != 0))
            return -1;
        if (order == wanted) {
            best = key;
            *out = items[i];
        }
    }
    return 0;
}

static int filter_max(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return extreme(r, self, a, 1, out);
}

static int filter_min(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return extreme(r, self, a, -1, out);
}

/* ---- groups */

static int filter_unique(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    const jvalue *items;
    size_t n, capacity = 0;
    bool sensitive = false;
    jvalue seen, key;
    if (jarg_truth(r, a, 0, &sensitive) != 0 || jitems(r, self, &items, &n) != 0 || jdict_make(r, &seen) != 0 || jlist_make(r, J_GENERATOR, 0, out) != 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (key_of(r, items[i], a->items[1], NULL, sensitive, &key) != 0)
            return -1;
        size_t before = seen.as.dict->count;
        if (jdict_put(r, seen.as.dict, key, jvalue_none()) != 0 ||
            (seen.as.dict->count > before && jlist_append(r, out->as.list, &capacity, items[i]) != 0))
            return -1;
    }
    return 0;
}

/* One group begins: its tuple of the key, as it stands in the first item, and a list. */
static int begin_group(jrun *r, jvalue item, const jargs *a, jvalue groups, size_t *capacity)
{
    jvalue grouper, list, pair;
    const jvalue *standard = a->items[1].type == J_ABSENT ? NULL : &a->items[1];
    if (jattribute_path(r, item, a->items[0], standard, &grouper) != 0 || jlist_make(r, J_LIST, 0, &list) != 0 || jpair(r, grouper, list, &pair) != 0)
        return -1;
    pair.as.list->grouped = true;
    return jlist_append(r, groups.as.list, capacity, pair);
}

static int filter_groupby(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    bool sensitive = false;
    jvalue made;
    size_t capacity = 0, groups_capacity = 0;
    const jvalue *standard = a->items[1].type == J_ABSENT ? NULL : &a->items[1];
    if (jarg_truth(r, a, 2, &sensitive) != 0 || copy_items(r, self, &made) != 0 || jlist_make(r, J_LIST, 0, out) != 0)
        return -1;
    jlist *l = made.as.list;
    jvalue *keys = jnew(r, (l->count + 1) * sizeof *keys), last = {0};
    if (!keys)
        return -1;
    for (size_t i = 0; i < l->count; i++)
        if (key_of(r, l->items[i], a->items[0], standard, sensitive, &keys[i]) != 0)
            return -1;
    if (jsort(r, l->items, keys, l->count, false) != 0)
        return -1;
    for (size_t i = 0; i < l->count; i++) {
        jvalue key;
        bool same = false;
        if (key_of(r, l->items[i], a->items[0], standard, sensitive, &key) != 0 || (i && jequal(r, key, last, &same) != 0))
            return -1;
        if (!same && begin_group(r, l->items[i], a, *out, &groups_capacity) != 0)
            return -1;
        if (!same)
            capacity = 0;
        last = key;
        jlist *group = out->as.list->items[out->as.list->count - 1].as.list->items[1].as.list;
        if (jlist_append(r, group, &capacity, l->items[i]) != 0)
            return -1;
    }
    return 0;
}

/* ---- parts */

static int filter_batch(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    const jvalue *items;
    size_t n, capacity = 0;
    int64_t size = 0;
    if (jarg_int(r, a, 0, &size) != 0 || jitems(r, self, &items, &n) != 0 || jlist_make(r, J_GENERATOR, 0, out) != 0)
        return -1;
    if (size < 1)
        return jfail(r, "'batch' needs a size of at least 1, not %lld", (long long)size);
    bool fill = a->items[1].type != J_ABSENT && a->items[1].type != J_NONE;
    for (size_t i = 0; i < n; i += (size_t)size) {
        jvalue part;
        size_t length = n - i < (size_t)size ? n - i : (size_t)size, room = fill ? (size_t)size : length;
        if (room > JINJA_MEMORY_LIMIT / sizeof(jvalue))
            return jfail_code(r, ERROR_LIMIT, "the template's values take more than the limit of %zu MB", JINJA_MEMORY_LIMIT >> 20);
        if (jlist_make(r, J_LIST, room, &part) != 0)
            return -1;
        memcpy(part.as.list->items, items + i, length * sizeof *items);
        for (part.as.list->count = length; part.as.list->count < room; part.as.list->count++)
            part.as.list->items[part.as.list->count] = a->items[1];
        if (jlist_append(r, out->as.list, &capacity, part) != 0)
            return -1;
        if ((size_t)size > n)
            break;
    }
    return 0;
}

static int filter_slice(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    const jvalue *items;
    size_t n, capacity = 0, at = 0;
    int64_t slices = 0;
    if (jarg_int(r, a, 0, &slices) != 0 || jitems(r, self, &items, &n) != 0 || jlist_make(r, J_GENERATOR, 0, out) != 0)
        return -1;
    if (slices < 1)
        return jfail(r, "'slice' needs at least 1 slice, not %lld", (long long)slices);
    bool fill = a->items[1].type != J_ABSENT && a->items[1].type != J_NONE;
    for (int64_t i = 0; i < slices; i++) {
        jvalue part;
        bool extra = i < (int64_t)(n % (size_t)slices);
        size_t length = n / (size_t)slices + extra;
        if (jstep(r, 1) != 0 || jlist_make(r, J_LIST, length + 1, &part) != 0)
            return -1;
        if (length)
            memcpy(part.as.list->items, items + at, length * sizeof *items);
        at += length;
        part.as.list->count = length;
        if (fill && !extra)
            part.as.list->items[part.as.list->count++] = a->items[1];
        if (jlist_append(r, out->as.list, &capacity, part) != 0)
            return -1;
    }
    return 0;
}

static int filter_first(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    const jvalue *items;
    size_t n, before = self.type == J_GENERATOR ? self.as.list->taken : 0;
    if (jitems(r, self, &items, &n) != 0)
        return -1;
    if (self.type == J_GENERATOR && n)
        self.as.list->taken = before + 1;
    *out = n ? items[0] : (jvalue){.type = J_UNDEFINED, .as.why = "No first item, sequence was empty."};
    return 0;
}

static int filter_last(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    const jvalue *items;
    size_t n;
    if (self.type == J_GENERATOR)
        return jfail(r, "'generator' object is not reversible");
    if (jitems(r, self, &items, &n) != 0)
        return -1;
    *out = n ? items[n - 1] : (jvalue){.type = J_UNDEFINED, .as.why = "No last item, sequence was empty."};
    return 0;
}

static int filter_reverse(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    jvalue made;
    if (self.type == J_TEXT)
        return jslice(r, self, (const jvalue[]){{0}, {0}, jvalue_int(-1)}, out);
    if (copy_items(r, self, &made) != 0)
        return -1;
    jlist *l = made.as.list;
    for (size_t i = 0; i < l->count / 2; i++) {
        jvalue swap = l->items[i];
        l->items[i] = l->items[l->count - 1 - i];
        l->items[l->count - 1 - i] = swap;
    }
    made.type = J_GENERATOR;
    *out = made;
    return 0;
}

/* ---- the rest */

static int filter_list(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    return copy_items(r, self, out);
}

static int filter_length(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    size_t n;
    if (jlength(r, self, &n) != 0)
        return -1;
    *out = jvalue_int((jwhole)n);
    return 0;
}

static int filter_items(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    if (self.type == J_UNDEFINED)
        return jlist_make(r, J_GENERATOR, 0, out);
    if (self.type != J_DICT)
        return jfail(r, "Can only get item pairs from a mapping.");
    if (jdict_items(r, self, a, out) != 0)
        return -1;
    out->type = J_GENERATOR;
    return 0;
}

static int filter_join(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    const jvalue *items;
    size_t n, mark = r->out.length;
    jvalue between = jvalue_text("", 0);
    if ((a->items[0].type != J_ABSENT && jto_text(r, a->items[0], &between) != 0) || jitems(r, self, &items, &n) != 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        jvalue v;
        if (jstep(r, 1) != 0 || jattribute_path(r, items[i], a->items[1], NULL, &v) != 0 || (i && jput_value(r, between) != 0) || jput_value(r, v) != 0)
            return -1;
    }
    return jtake(r, mark, out);
}

static int filter_default(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    bool empty = self.type == J_UNDEFINED, by_truth = false, truth = true;
    if (jarg_truth(r, a, 1, &by_truth) != 0 || (!empty && by_truth && jtruth(r, self, &truth) != 0))
        return -1;
    *out = !empty && truth ? self : a->items[0].type == J_ABSENT ? jvalue_text("", 0) : a->items[0];
    return 0;
}

static int filter_attr(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    jvalue name = {0};
    if (jarg_text(r, a, 0, &name) != 0)
        return -1;
    const char *text = jprint_text(r, "%.*s", (int)(name.as.text.n < 200 ? name.as.text.n : 200), name.as.text.s);
    if (!text)
        return -1;
    if (self.type == J_DICT && strncmp(text, "__", 2) != 0 && !jrow_find(jdict_methods, text))   /* attributes only, no keys */
        return jundefined(jprint_text(r, "'dict object' has no attribute '%.100s'", text), out);
    return jattribute(r, self, text, out);
}

const jrow jlist_filters[] = {
    {"sort", filter_sort, "reverse case_sensitive attribute", 0}, {"dictsort", filter_dictsort, "case_sensitive by reverse", 0},
    {"max", filter_max, "case_sensitive attribute", 0}, {"min", filter_min, "case_sensitive attribute", 0}, {"unique", filter_unique, "case_sensitive attribute", 0},
    {"groupby", filter_groupby, "attribute default case_sensitive", 1}, {"batch", filter_batch, "linecount fill_with", 1}, {"slice", filter_slice, "slices fill_with", 1},
    {"first", filter_first, "", 0}, {"last", filter_last, "", 0}, {"reverse", filter_reverse, "", 0}, {"list", filter_list, "", 0}, {"length", filter_length, "", 0},
    {"count", filter_length, "", 0}, {"items", filter_items, "", 0}, {"join", filter_join, "d attribute", 0}, {"default", filter_default, "default_value boolean", 0},
    {"d", filter_default, "default_value boolean", 0}, {"attr", filter_attr, "name", 1}, {0},
};
