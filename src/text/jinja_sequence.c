/* Walking, measuring, cutting and sorting what holds items. */
#include <string.h>

#include "text/jinja_run.h"
#include "text/jinja_text.h"
#include "text/utf8.h"

/* ---- items */

static int characters(jrun *r, jvalue v, const jvalue **items, size_t *count)
{
    jvalue list;
    size_t n = jtext_count(v.as.text.s, v.as.text.n), at = 0;
    if (jlist_make(r, J_LIST, n, &list) != 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        uint32_t c;
        size_t length = (size_t)utf8_get(v.as.text.s + at, &c);
        list.as.list->items[i] = jvalue_text(v.as.text.s + at, length);
        at += length;
    }
    *items = list.as.list->items;
    *count = n;
    return jstep(r, n / 16);
}

int jitems(jrun *r, jvalue v, const jvalue **items, size_t *count)
{
    *items = NULL;
    *count = 0;
    if (v.type == J_TEXT)
        return characters(r, v, items, count);
    if (v.type == J_DICT) {
        *items = v.as.dict->keys;
        *count = v.as.dict->count;
        return 0;
    }
    if (v.type == J_UNDEFINED && !jis_strict(r, v))
        return 0;
    if (!jvalue_is_list(v))
        return jfail_type(r, "'%s' object is not iterable", v);
    jlist *l = v.as.list;
    *items = l->items ? l->items + l->taken : NULL;
    *count = l->count - l->taken;
    if (v.type == J_GENERATOR)
        l->taken = l->count;
    return 0;
}

int jlength(jrun *r, jvalue v, size_t *out)
{
    *out = 0;
    if (v.type == J_TEXT)
        *out = jtext_count(v.as.text.s, v.as.text.n);
    else if (v.type == J_LIST || v.type == J_TUPLE || v.type == J_VIEW)
        *out = v.as.list->count;
    else if (v.type == J_DICT)
        *out = v.as.dict->count;
    else if (v.type == J_LOOP)
        *out = v.as.loop->count;
    else if (v.type != J_UNDEFINED || jis_strict(r, v))
        return jfail_type(r, "object of type '%s' has no len()", v);
    return v.type == J_TEXT ? jstep(r, v.as.text.n / 64) : 0;
}

/* ---- one item */

static int no_element(jrun *r, jvalue v, jvalue key, jvalue *out)
{
    jvalue text;
    size_t mark = r->out.length;
    if (key.type == J_TEXT)
        return jundefined(jprint_text(r, "'%s object' has no attribute '%.*s'", jvalue_type_name(v), (int)(key.as.text.n < 100 ? key.as.text.n : 100), key.as.text.s), out);
    if (jput_repr(r, key) != 0 || jtake(r, mark, &text) != 0)
        return -1;
    return jundefined(jprint_text(r, "%s object has no element %.*s", jvalue_type_name(v), (int)(text.as.text.n < 100 ? text.as.text.n : 100), text.as.text.s), out);
}

static bool is_indexed(jvalue v)
{
    return v.type == J_LIST || v.type == J_TUPLE || v.type == J_TEXT || (v.type == J_VIEW && strncmp(v.as.list->label, "range(", 6) == 0);
}

int jsubscript(jrun *r, jvalue v, jvalue key, jvalue *out)
{
    jwhole i;
    size_t n;
    if (v.type == J_UNDEFINED)
        return jrefuse_undefined(r, v);
    if (v.type == J_DICT && jvalue_is_key(key)) {
        const jvalue *found = jdict_find(v.as.dict, key);
        if (found) {
            *out = *found;
            return 0;
        }
    }
    if (is_indexed(v) && jwhole_of(key, &i)) {
        if (jlength(r, v, &n) != 0)
            return -1;
        if (i < 0)
            i += (jwhole)n;
        if (i < 0 || i >= (jwhole)n)
            return no_element(r, v, key, out);
        if (v.type != J_TEXT) {
            *out = v.as.list->items[i];
            return 0;
        }
        uint32_t c;
        const char *s = v.as.text.s + jtext_offset(v.as.text.s, v.as.text.n, (size_t)i);
        *out = jvalue_text(s, (size_t)utf8_get(s, &c));
        return 0;
    }
    if (key.type == J_TEXT) {   /* subscript and attribute are the same, in another order */
        const char *name = jprint_text(r, "%.*s", (int)(key.as.text.n < 200 ? key.as.text.n : 200), key.as.text.s);
        if (!name)
            return -1;
        bool no_attribute = v.type == J_DICT && strncmp(name, "__", 2) != 0 && !jrow_find(jdict_methods, name);
        return no_attribute ? no_element(r, v, key, out) : jattribute(r, v, name, out);
    }
    return no_element(r, v, key, out);
}

/* ---- slices */

static int slice_part(jrun *r, jvalue part, int64_t *out)
{
    jwhole x;
    if (part.type == J_NONE || part.type == J_ABSENT)
        return 0;
    if (!jwhole_of(part, &x))
        return part.type == J_UNDEFINED ? jrefuse_undefined(r, part) : jfail(r, "slice indices must be integers or None");
    *out = x > INT32_MAX ? INT32_MAX : x < -INT32_MAX ? -INT32_MAX : (int64_t)x;
    return 0;
}

/* Begin, step and number of the items that Python's slice takes of n. */
static int slice_range(jrun *r, const jvalue parts[3], int64_t n, int64_t *begin, int64_t *step, int64_t *count)
{
    *step = 1;
    if (slice_part(r, parts[2], step) != 0)
        return -1;
    if (*step == 0)
        return jfail(r, "slice step cannot be zero");
    int64_t ends[2] = {*step > 0 ? 0 : n - 1, *step > 0 ? n : -1 - n};
    for (int i = 0; i < 2; i++) {
        if (slice_part(r, parts[i], &ends[i]) != 0)
            return -1;
        if (ends[i] < 0)
            ends[i] += n;
        int64_t low = *step > 0 ? 0 : -1, high = *step > 0 ? n : n - 1;
        ends[i] = ends[i] < low ? low : ends[i] > high ? high : ends[i];
    }
    *begin = ends[0];
    int64_t length = *step > 0 ? ends[1] - ends[0] : ends[0] - ends[1], stride = *step > 0 ? *step : -*step;
    *count = length <= 0 ? 0 : (length + stride - 1) / stride;
    return 0;
}

static int slice_text(jrun *r, jvalue v, int64_t begin, int64_t step, int64_t count, jvalue *out)
{
    const char *s = v.as.text.s;
    size_t n = v.as.text.n, from = jtext_offset(s, n, (size_t)(begin < 0 ? 0 : begin));
    if (jstep(r, n / 64) != 0)
        return -1;
    if (count == 0 || step == 1) {
        *out = jvalue_text(s + from, count ? jtext_offset(s + from, n - from, (size_t)count) : 0);
        return 0;
    }
    const jvalue *items;
    size_t n_items, mark = r->out.length;
    if (characters(r, v, &items, &n_items) != 0)
        return -1;
    for (int64_t i = 0, at = begin; i < count; i++, at += step)
        if (jput(r, items[at].as.text.s, items[at].as.text.n) != 0)
            return -1;
    return jtake(r, mark, out);
}

int jslice(jrun *r, jvalue v, const jvalue parts[3], jvalue *out)
{
    size_t n;
    int64_t begin = 0, step = 1, count = 0;
    if (v.type == J_UNDEFINED)
        return jrefuse_undefined(r, v);
    if (!is_indexed(v))
        return jfail_type(r, "'%s' object cannot be sliced", v);
    if (jlength(r, v, &n) != 0 || slice_range(r, parts, (int64_t)n, &begin, &step, &count) != 0)
        return -1;
    if (v.type == J_TEXT)
        return slice_text(r, v, begin, step, count, out);
    if (jlist_make(r, v.type == J_VIEW ? J_LIST : v.type, (size_t)count, out) != 0)
        return -1;
    for (int64_t i = 0, at = begin; i < count; i++, at += step)
        out->as.list->items[i] = v.as.list->items[at];
    out->as.list->count = (size_t)count;
    return 0;
}

/* ---- sorting: by merging, which keeps equal items in their order */

static int merge(jrun *r, const uint32_t *from, uint32_t *to, const jvalue *keys, size_t begin, size_t middle, size_t end, bool reverse)
{
    size_t a = begin, b = middle;
    for (size_t i = begin; i < end; i++) {
        bool second = a == middle;
        if (a < middle && b < end) {
            int order;
            if (jorder(r, "<", keys[from[b]], keys[from[a]], &order) != 0)
                return -1;
            second = order == (reverse ? 1 : -1);
        }
        to[i] = from[second ? b++ : a++];
    }
    return 0;
}

int jsort(jrun *r, jvalue *items, const jvalue *keys, size_t n, bool reverse)
{
    uint32_t *from = jnew(r, (n + 1) * sizeof *from), *to = jnew(r, (n + 1) * sizeof *to);
    jvalue *sorted = jnew(r, (n + 1) * sizeof *sorted);
    if (!from || !to || !sorted)
        return -1;
    for (size_t i = 0; i < n; i++)
        from[i] = (uint32_t)i;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t i = 0; i < n; i += 2 * width) {
            size_t middle = i + width < n ? i + width : n, end = i + 2 * width < n ? i + 2 * width : n;
            if (merge(r, from, to, keys, i, middle, end, reverse) != 0)
                return -1;
        }
        uint32_t *swap = from;
        from = to;
        to = swap;
    }
    for (size_t i = 0; i < n; i++)
        sorted[i] = items[from[i]];
    if (n)
        memcpy(items, sorted, n * sizeof *items);
    return 0;
}
