/* map, select, reject and their like: filters that apply another filter or a test to every item. */
#include <string.h>

#include "text/jinja_run.h"

/* A filter's or test's name, as an argument. */
static const char *name_of(jrun *r, jvalue v)
{
    if (v.type == J_TEXT)
        return jprint_text(r, "%.*s", (int)(v.as.text.n < 100 ? v.as.text.n : 100), v.as.text.s);
    jfail_type(r, "the name of a filter or a test should be a text, not %s", v);
    return NULL;
}

static jargs without(const jargs *a, size_t first)
{
    jargs rest = *a;
    rest.items = first ? rest.items + first : rest.items;
    rest.count -= first;
    return rest;
}

static int map_attribute(jrun *r, const jargs *a, const jvalue *items, size_t n, jlist *made)
{
    const jvalue *standard = jargs_named(a, "default");
    if (a->n_named > 1 + (size_t)(standard != NULL))
        return jfail(r, "'map' takes attribute and default, and nothing else");
    for (; made->count < n; made->count++)
        if (jstep(r, 1) != 0 || jattribute_path(r, items[made->count], *jargs_named(a, "attribute"), standard, &made->items[made->count]) != 0)
            return -1;
    return 0;
}

static int map_filter(jrun *r, const jargs *a, const jvalue *items, size_t n, jlist *made)
{
    const char *name = a->count ? name_of(r, a->items[0]) : NULL;
    if (!name)
        return a->count ? -1 : jfail(r, "map requires a filter argument");
    const jargs rest = without(a, 1);
    for (; made->count < n; made->count++)
        if (jstep(r, 1) != 0 || jcall_filter(r, name, items[made->count], &rest, &made->items[made->count]) != 0)
            return -1;
    return 0;
}

static int filter_map(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    const jvalue *items;
    size_t n;
    bool any;
    if (jtruth(r, self, &any) != 0)
        return -1;
    if (!any)
        return jlist_make(r, J_GENERATOR, 0, out);
    if (jitems(r, self, &items, &n) != 0 || jlist_make(r, J_GENERATOR, n, out) != 0)
        return -1;
    bool attribute = a->count == 0 && jargs_named(a, "attribute");
    return (attribute ? map_attribute : map_filter)(r, a, items, n, out->as.list);
}

/* ---- select */

typedef struct jselection { bool by_attribute, wanted; } jselection;

static int passes(jrun *r, const jselection *s, jvalue item, const jargs *a, const char *test, const jargs *rest, bool *out)
{
    if (jstep(r, 1) != 0 || (s->by_attribute && jattribute_path(r, item, a->items[0], NULL, &item) != 0))
        return -1;
    return test ? jcall_test(r, test, item, rest, out) : jtruth(r, item, out);
}

static int select_items(jrun *r, const jselection *s, jvalue self, const jargs *a, jvalue *out)
{
    const jvalue *items;
    size_t n, capacity = 0, place = s->by_attribute;
    bool any;
    const char *test = NULL;
    if (jtruth(r, self, &any) != 0 || jlist_make(r, J_GENERATOR, 0, out) != 0)
        return -1;
    if (!any)
        return 0;
    if (a->count < place)
        return jfail(r, "Missing parameter for attribute name");
    if (a->count > place && !(test = name_of(r, a->items[place])))
        return -1;
    const jargs rest = without(a, a->count > place ? place + 1 : a->count);
    if (jitems(r, self, &items, &n) != 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        bool truth;
        if (passes(r, s, items[i], a, test, &rest, &truth) != 0 || (truth == s->wanted && jlist_append(r, out->as.list, &capacity, items[i]) != 0))
            return -1;
    }
    return 0;
}

static int filter_select(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return select_items(r, &(jselection){false, true}, self, a, out);
}

static int filter_reject(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return select_items(r, &(jselection){false, false}, self, a, out);
}

static int filter_selectattr(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return select_items(r, &(jselection){true, true}, self, a, out);
}

static int filter_rejectattr(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return select_items(r, &(jselection){true, false}, self, a, out);
}

const jrow jselect_filters[] = {
    {"map", filter_map, NULL, 0}, {"select", filter_select, NULL, 0}, {"reject", filter_reject, NULL, 0}, {"selectattr", filter_selectattr, NULL, 0},
    {"rejectattr", filter_rejectattr, NULL, 0}, {0},
};
