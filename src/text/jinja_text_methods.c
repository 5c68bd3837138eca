/* Methods of str that search, split and join. Places are characters, as in Python. */
#include <string.h>

#include "text/jinja_run.h"
#include "text/jinja_text.h"
#include "text/utf8.h"

typedef struct jspan { const char *s; size_t n; } jspan;

static jspan span_of(jvalue text)
{
    return (jspan){text.as.text.s, text.as.text.n};
}

/* ---- stripping */

static bool holds(jspan set, const char *s, size_t n)
{
    return jtext_find(set.s, set.n, s, n, 0) <= set.n;
}

static int strip(jrun *r, jvalue self, const jargs *a, bool left, bool right, jvalue *out)
{
    jspan t = span_of(self), set = {0};
    uint32_t c;
    bool given = a->items[0].type != J_ABSENT && a->items[0].type != J_NONE;
    if (given && jarg_text(r, a, 0, out) != 0)
        return -1;
    if (given)
        set = span_of(*out);
    if (jstep(r, t.n / 64 * (set.n + 1)) != 0)
        return -1;
    while (left && t.n) {
        size_t n = (size_t)utf8_get(t.s, &c);
        if (given ? !holds(set, t.s, n) : !jchar_is_space(c))
            break;
        t = (jspan){t.s + n, t.n - n};
    }
    while (right && t.n) {
        size_t n = (size_t)utf8_last(t.s, t.n, &c);
        if (given ? !holds(set, t.s + t.n - n, n) : !jchar_is_space(c))
            break;
        t.n -= n;
    }
    *out = jvalue_text(t.s, t.n);
    return 0;
}

static int method_strip(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return strip(r, self, a, true, true, out);
}

static int method_lstrip(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return strip(r, self, a, true, false, out);
}

static int method_rstrip(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return strip(r, self, a, false, true, out);
}

/* ---- searching */

/* The part [begin, end) that the arguments `first` and the next ask for, in bytes; false in *out where begin lies behind the text. */
static int part_of(jrun *r, jvalue self, const jargs *a, size_t first, size_t *begin, size_t *end, bool *inside)
{
    jspan t = span_of(self);
    *begin = 0;
    *end = t.n;
    *inside = true;
    if (a->items[first].type == J_ABSENT)
        return 0;
    int64_t chars = (int64_t)jtext_count(t.s, t.n), from = 0, to = chars;
    if (jarg_int(r, a, first, &from) != 0 || jarg_int(r, a, first + 1, &to) != 0)
        return -1;
    from = from < 0 ? (from + chars < 0 ? 0 : from + chars) : from;
    to = to < 0 ? (to + chars < 0 ? 0 : to + chars) : to > chars ? chars : to;
    *inside = from <= chars && from <= to;
    *begin = jtext_offset(t.s, t.n, (size_t)from);
    *end = jtext_offset(t.s, t.n, (size_t)to);
    return jstep(r, t.n / 32);
}

static int find(jrun *r, jvalue self, const jargs *a, bool from_right, bool must, jvalue *out)
{
    jvalue what = {0};
    size_t begin, end;
    bool inside;
    if (jarg_text(r, a, 0, &what) != 0 || part_of(r, self, a, 1, &begin, &end, &inside) != 0 || jstep(r, self.as.text.n / 16) != 0)
        return -1;
    const char *s = self.as.text.s, *w = what.as.text.s;
    size_t m = what.as.text.n, place = end + 1;
    if (inside && !from_right)
        place = jtext_find(s, end, w, m, begin);
    for (size_t at = end - (m < end ? m : end) + 1; inside && from_right && m <= end && place > end && at-- > begin;) {
        if (m && s[at] == w[0] && jstep(r, m / 64) != 0)
            return -1;
        if (memcmp(s + at, w, m) == 0)
            place = at;
    }
    if (place > end && must)
        return jfail(r, "substring not found");
    *out = jvalue_int(place > end ? -1 : (jwhole)jtext_count(s, place));
    return 0;
}

static int method_find(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return find(r, self, a, false, false, out);
}

static int method_rfind(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return find(r, self, a, true, false, out);
}

static int method_index(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return find(r, self, a, false, true, out);
}

static int method_rindex(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return find(r, self, a, true, true, out);
}

static int method_count(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    jvalue what = {0};
    size_t begin, end, count = 0;
    bool inside;
    if (jarg_text(r, a, 0, &what) != 0 || part_of(r, self, a, 1, &begin, &end, &inside) != 0 || jstep(r, self.as.text.n / 16) != 0)
        return -1;
    size_t m = what.as.text.n;
    if (inside && m == 0)
        count = jtext_count(self.as.text.s + begin, end - begin) + 1;
    for (size_t at = begin; inside && m && (at = jtext_find(self.as.text.s, end, what.as.text.s, m, at)) <= end; at += m)
        count++;
    *out = jvalue_int((jwhole)count);
    return 0;
}

/* startswith and endswith take one text or a tuple of them. */
static int has_end(jrun *r, jvalue self, const jargs *a, bool at_end, jvalue *out)
{
    jvalue what = a->items[0];
    const jvalue *items = &what;
    size_t n = 1, begin, end;
    bool inside, found = false;
    if (what.type == J_TUPLE && jitems(r, what, &items, &n) != 0)
        return -1;
    if (part_of(r, self, a, 1, &begin, &end, &inside) != 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (items[i].type != J_TEXT)
            return jfail_type(r, "startswith and endswith take a str or a tuple of str, not %s", items[i]);
        size_t m = items[i].as.text.n;
        found = found || (inside && m <= end - begin && memcmp(self.as.text.s + (at_end ? end - m : begin), items[i].as.text.s, m) == 0);
    }
    *out = jvalue_bool(found);
    return 0;
}

static int method_startswith(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return has_end(r, self, a, false, out);
}

static int method_endswith(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return has_end(r, self, a, true, out);
}

static int method_removeprefix(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    jvalue what = {0};
    if (jarg_text(r, a, 0, &what) != 0)
        return -1;
    size_t m = what.as.text.n;
    bool there = m <= self.as.text.n && memcmp(self.as.text.s, what.as.text.s, m) == 0;
    *out = there ? jvalue_text(self.as.text.s + m, self.as.text.n - m) : self;
    return 0;
}

static int method_removesuffix(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    jvalue what = {0};
    if (jarg_text(r, a, 0, &what) != 0)
        return -1;
    size_t n = self.as.text.n, m = what.as.text.n;
    bool there = m && m <= n && memcmp(self.as.text.s + n - m, what.as.text.s, m) == 0;
    *out = there ? jvalue_text(self.as.text.s, n - m) : self;
    return 0;
}

/* ---- replacing */

static int method_replace(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    jvalue old = {0}, new = {0};
    int64_t most = -1;
    size_t mark = r->out.length, at = 0, n = self.as.text.n;
    const char *s = self.as.text.s;
    if (jarg_text(r, a, 0, &old) != 0 || jarg_text(r, a, 1, &new) != 0 || jarg_int(r, a, 2, &most) != 0 || jstep(r, n / 16) != 0)
        return -1;
    size_t m = old.as.text.n;
    for (; most != 0; most -= most > 0) {
        size_t found = m ? jtext_find(s, n, old.as.text.s, m, at) : at;
        if (found > n)
            break;
        uint32_t c;
        size_t step = m ? m : found < n ? (size_t)utf8_get(s + found, &c) : 1;   /* the empty text stands before every character */
        if (jstep(r, 1) != 0 || jput(r, s + at, found - at) != 0 || jput(r, new.as.text.s, new.as.text.n) != 0 ||
            (!m && found < n && jput(r, s + found, step) != 0))
            return -1;
        at = found + step;
    }
    if (at < n && jput(r, s + at, n - at) != 0)
        return -1;
    return jtake(r, mark, out);
}

/* ---- splitting */

static int add_part(jrun *r, jvalue list, size_t *capacity, const char *s, size_t n)
{
    return jstep(r, 1) == 0 ? jlist_append(r, list.as.list, capacity, jvalue_text(s, n)) : -1;
}

static void reverse(jlist *l)
{
    for (size_t i = 0; i < l->count / 2; i++) {
        jvalue swap = l->items[i];
        l->items[i] = l->items[l->count - 1 - i];
        l->items[l->count - 1 - i] = swap;
    }
}

static int split_at_space(jrun *r, jspan t, int64_t most, jvalue list)
{
    size_t capacity = 0;
    for (;;) {
        size_t space = jtext_space(t.s, t.n), n = 0;
        t = (jspan){t.s + space, t.n - space};
        if (t.n == 0)
            return 0;
        if (most-- == 0)
            return add_part(r, list, &capacity, t.s, t.n);
        for (uint32_t c; n < t.n;) {
            size_t length = (size_t)utf8_get(t.s + n, &c);
            if (jchar_is_space(c))
                break;
            n += length;
        }
        if (add_part(r, list, &capacity, t.s, n) != 0)
            return -1;
        t = (jspan){t.s + n, t.n - n};
    }
}

static int rsplit_at_space(jrun *r, jspan t, int64_t most, jvalue list)
{
    size_t capacity = 0;
    for (;;) {
        t.n = jtext_strip_right(t.s, t.n);
        size_t n = t.n, length;
        if (n == 0)
            break;
        if (most-- == 0) {
            if (add_part(r, list, &capacity, t.s, t.n) != 0)
                return -1;
            break;
        }
        for (uint32_t c; n; n -= length) {
            length = (size_t)utf8_last(t.s, n, &c);
            if (jchar_is_space(c))
                break;
        }
        if (add_part(r, list, &capacity, t.s + n, t.n - n) != 0)
            return -1;
        t.n = n;
    }
    reverse(list.as.list);
    return 0;
}

static int split_at(jrun *r, jspan t, jspan mark, int64_t most, jvalue list)
{
    size_t capacity = 0, at = 0;
    for (; most != 0; most--) {
        size_t found = jtext_find(t.s, t.n, mark.s, mark.n, at);
        if (found > t.n)
            break;
        if (add_part(r, list, &capacity, t.s + at, found - at) != 0)
            return -1;
        at = found + mark.n;
    }
    return add_part(r, list, &capacity, t.s + at, t.n - at);
}

static int rsplit_at(jrun *r, jspan t, jspan mark, int64_t most, jvalue list)
{
    size_t capacity = 0, end = t.n;
    for (size_t at = end; most != 0 && at >= mark.n;) {
        if (t.s[at - mark.n] == mark.s[0] && jstep(r, mark.n / 64) != 0)
            return -1;
        if (memcmp(t.s + at - mark.n, mark.s, mark.n) != 0) {
            at--;
            continue;
        }
        if (add_part(r, list, &capacity, t.s + at, end - at) != 0)
            return -1;
        end = at = at - mark.n;
        most--;
    }
    if (add_part(r, list, &capacity, t.s, end) != 0)
        return -1;
    reverse(list.as.list);
    return 0;
}

static int split(jrun *r, jvalue self, const jargs *a, bool from_right, jvalue *out)
{
    jvalue mark = {0};
    int64_t most = -1;
    bool space = a->items[0].type == J_ABSENT || a->items[0].type == J_NONE;
    if ((!space && jarg_text(r, a, 0, &mark) != 0) || jarg_int(r, a, 1, &most) != 0 || jlist_make(r, J_LIST, 0, out) != 0 || jstep(r, self.as.text.n / 16) != 0)
        return -1;
    if (!space && mark.as.text.n == 0)
        return jfail(r, "empty separator");
    if (space)
        return (from_right ? rsplit_at_space : split_at_space)(r, span_of(self), most, *out);
    return (from_right ? rsplit_at : split_at)(r, span_of(self), span_of(mark), most, *out);
}

static int method_split(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return split(r, self, a, false, out);
}

static int method_rsplit(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return split(r, self, a, true, out);
}

static bool ends_line(uint32_t c)
{
    return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

static int method_splitlines(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    bool keep = false;
    size_t capacity = 0, begin = 0, at = 0, n = self.as.text.n;
    const char *s = self.as.text.s;
    if (jarg_truth(r, a, 0, &keep) != 0 || jlist_make(r, J_LIST, 0, out) != 0 || jstep(r, n / 16) != 0)
        return -1;
    while (at < n) {
        uint32_t c;
        size_t length = (size_t)utf8_get(s + at, &c);
        if (ends_line(c)) {
            length += c == '\r' && at + 1 < n && s[at + 1] == '\n';
            if (add_part(r, *out, &capacity, s + begin, at - begin + (keep ? length : 0)) != 0)
                return -1;
            begin = at + length;
        }
        at += length;
    }
    return begin < n ? add_part(r, *out, &capacity, s + begin, n - begin) : 0;
}

static int partition(jrun *r, jvalue self, const jargs *a, bool from_right, jvalue *out)
{
    jvalue mark = {0}, place, nothing = jvalue_text("", 0);
    const jargs only = {.items = (const jvalue[]){a->items[0], {0}, {0}}, .count = 3};
    if (jarg_text(r, a, 0, &mark) != 0)
        return -1;
    if (mark.as.text.n == 0)
        return jfail(r, "empty separator");
    if (find(r, self, &only, from_right, false, &place) != 0 || jlist_make(r, J_TUPLE, 3, out) != 0)
        return -1;
    jvalue *items = out->as.list->items;
    out->as.list->count = 3;
    items[0] = items[1] = items[2] = nothing;
    if (place.as.whole < 0) {
        items[from_right ? 2 : 0] = self;
        return 0;
    }
    const char *s = self.as.text.s;
    size_t at = jtext_offset(s, self.as.text.n, (size_t)place.as.whole), behind = at + mark.as.text.n;
    items[0] = jvalue_text(s, at);
    items[1] = mark;
    items[2] = jvalue_text(s + behind, self.as.text.n - behind);
    return 0;
}

static int method_partition(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return partition(r, self, a, false, out);
}

static int method_rpartition(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return partition(r, self, a, true, out);
}

/* ---- joining */

static int method_join(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    const jvalue *items;
    size_t n, mark = r->out.length;
    if (jitems(r, a->items[0], &items, &n) != 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (items[i].type != J_TEXT)
            return items[i].type == J_UNDEFINED ? jrefuse_undefined(r, items[i])
                                                : jfail(r, "sequence item %zu: expected str instance, %s found", i, jvalue_type_name(items[i]));
        if ((i && jput(r, self.as.text.s, self.as.text.n) != 0) || jput(r, items[i].as.text.s, items[i].as.text.n) != 0)
            return -1;
    }
    return jtake(r, mark, out);
}

const jrow jtext_methods[] = {
    {"strip", method_strip, "chars", 0}, {"lstrip", method_lstrip, "chars", 0}, {"rstrip", method_rstrip, "chars", 0},
    {"find", method_find, "sub start end", 1}, {"rfind", method_rfind, "sub start end", 1}, {"index", method_index, "sub start end", 1},
    {"rindex", method_rindex, "sub start end", 1}, {"count", method_count, "sub start end", 1}, {"startswith", method_startswith, "prefix start end", 1},
    {"endswith", method_endswith, "suffix start end", 1}, {"removeprefix", method_removeprefix, "prefix", 1}, {"removesuffix", method_removesuffix, "suffix", 1},
    {"replace", method_replace, "old new count", 2}, {"split", method_split, "sep maxsplit", 0}, {"rsplit", method_rsplit, "sep maxsplit", 0},
    {"splitlines", method_splitlines, "keepends", 0}, {"partition", method_partition, "sep", 1}, {"rpartition", method_rpartition, "sep", 1},
    {"join", method_join, "iterable", 1}, {0},
};
