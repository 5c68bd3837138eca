/* Methods of list, dict and loop. */
#include <string.h>

#include "text/jinja_run.h"

/* ---- lists */

static int list_index(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    int64_t n = (int64_t)self.as.list->count, from = 0, to = n;
    if (jarg_int(r, a, 1, &from) != 0 || jarg_int(r, a, 2, &to) != 0)
        return -1;
    from = from < 0 ? (from + n < 0 ? 0 : from + n) : from;
    to = to < 0 ? to + n : to > n ? n : to;
    for (int64_t i = from; i < to; i++) {
        bool equal;
        if (jequal(r, self.as.list->items[i], a->items[0], &equal) != 0)
            return -1;
        if (equal) {
            *out = jvalue_int(i);
            return 0;
        }
    }
    return jfail(r, "the value is not in %s", self.type == J_LIST ? "list" : "tuple");
}

static int list_count(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    jwhole count = 0;
    for (size_t i = 0; i < self.as.list->count; i++) {
        bool equal;
        if (jequal(r, self.as.list->items[i], a->items[0], &equal) != 0)
            return -1;
        count += equal;
    }
    *out = jvalue_int(count);
    return 0;
}

static int copy(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)r;
    (void)a;
    *out = self;   /* nothing here changes one */
    return 0;
}

const jrow jlist_methods[] = {{"index", list_index, "value start stop", 1}, {"count", list_count, "value", 1}, {"copy", copy, "", 0}, {0}};

/* ---- dicts */

static int dict_get(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    jvalue key = a->items[0];
    if (jis_strict(r, key) || (!jvalue_is_key(key) && key.type != J_UNDEFINED))
        return jfail_type(r, "unhashable type: '%s'", key);
    const jvalue *found = key.type == J_UNDEFINED ? NULL : jdict_find(self.as.dict, key);
    *out = found ? *found : a->items[1].type == J_ABSENT ? jvalue_none() : a->items[1];
    return 0;
}

static int view(jrun *r, const char *label, const jvalue *items, size_t n, jvalue *out)
{
    if (jlist_make(r, J_VIEW, n, out) != 0)
        return -1;
    if (n)
        memcpy(out->as.list->items, items, n * sizeof *items);
    out->as.list->count = n;
    out->as.list->label = label;
    return 0;
}

static int dict_keys(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    return view(r, "dict_keys", self.as.dict->keys, self.as.dict->count, out);
}

static int dict_values(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    return view(r, "dict_values", self.as.dict->values, self.as.dict->count, out);
}

int jdict_items(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    const jdict *d = self.as.dict;
    if (jlist_make(r, J_VIEW, d->count, out) != 0)
        return -1;
    out->as.list->label = "dict_items";
    for (size_t i = 0; i < d->count; i++)
        if (jpair(r, d->keys[i], d->values[i], &out->as.list->items[i]) != 0)
            return -1;
    out->as.list->count = d->count;
    return 0;
}

int jpair(jrun *r, jvalue first, jvalue second, jvalue *out)
{
    jvalue pair;
    if (jlist_make(r, J_TUPLE, 2, &pair) != 0)
        return -1;
    pair.as.list->items[0] = first;
    pair.as.list->items[1] = second;
    pair.as.list->count = 2;
    *out = pair;
    return 0;
}

const jrow jdict_methods[] = {
    {"get", dict_get, "key default", 1}, {"keys", dict_keys, "", 0}, {"values", dict_values, "", 0}, {"items", jdict_items, "", 0}, {"copy", copy, "", 0}, {0},
};

/* ---- loops */

static int loop_cycle(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    if (a->count == 0)
        return jfail(r, "no items for cycling given");
    *out = a->items[self.as.loop->at % a->count];
    return 0;
}

static int loop_changed(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    jloop *l = self.as.loop;
    jvalue now;
    bool same = false;
    if (jlist_make(r, J_TUPLE, a->count, &now) != 0)
        return -1;
    if (a->count)
        memcpy(now.as.list->items, a->items, a->count * sizeof *a->items);
    now.as.list->count = a->count;
    if (l->has_changed && jequal(r, l->changed, now, &same) != 0)
        return -1;
    l->has_changed = true;
    l->changed = now;
    *out = jvalue_bool(!same);
    return 0;
}

const jrow jloop_methods[] = {{"cycle", loop_cycle, NULL, 0}, {"changed", loop_changed, NULL, 0}, {0}};
