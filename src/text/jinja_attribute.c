/* v.name: an attribute of Python's object, else the item of that key. The sandbox is here: what begins with two underscores is
 * refused, and so is what would change a list or a dict. */
#include <string.h>

#include "text/jinja_run.h"

/* Attributes that Python has and we have not; a template that asks for them would otherwise find nothing in silence. */
static const char *const unknown_text[] = {"encode", "format_map", "isidentifier", "maketrans", "translate", NULL};
static const char *const unknown_dict[] = {"fromkeys", NULL};
static const char *const changes_list[] = {"append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort", NULL};
static const char *const changes_dict[] = {"clear", "pop", "popitem", "setdefault", "update", NULL};

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

static int check_sandbox(jrun *r, jvalue v, const char *name)
{
    if (strncmp(name, "__", 2) == 0)
        return jfail(r, "access to attribute '%.60s' of '%s' object is unsafe", name, jvalue_type_name(v));
    if ((v.type == J_LIST && is_one_of(name, changes_list)) || (v.type == J_DICT && is_one_of(name, changes_dict)))
        return jfail(r, "access to attribute '%.60s' of '%s' object is unsafe: it would change it", name, jvalue_type_name(v));
    if ((v.type == J_TEXT && is_one_of(name, unknown_text)) || (v.type == J_DICT && is_one_of(name, unknown_dict)))
        return jfail_code(r, ERROR_UNSUPPORTED, "the method '%s' of '%s' is not known here", name, jvalue_type_name(v));
    return 0;
}

static const jrow *method_of(jvalue v, const char *name)
{
    const jrow *row = NULL;
    if (v.type == J_TEXT) {
        row = jrow_find(jtext_methods, name);
        return row ? row : jrow_find(jtext_kind_methods, name);
    }
    if (v.type == J_LIST || v.type == J_TUPLE)
        row = jrow_find(jlist_methods, name);
    else if (v.type == J_DICT)
        row = jrow_find(jdict_methods, name);
    else if (v.type == J_LOOP)
        row = jrow_find(jloop_methods, name);
    return row;
}

/* ---- loop */

static int loop_attribute(const jloop *l, const char *name, jvalue *out)
{
    const struct { const char *name; jwhole value; } numbers[] = {
        {"index", (jwhole)l->at + 1}, {"index0", (jwhole)l->at}, {"revindex", (jwhole)(l->count - l->at)}, {"revindex0", (jwhole)(l->count - l->at) - 1},
        {"length", (jwhole)l->count}, {"depth", l->depth0 + 1}, {"depth0", l->depth0},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(numbers[i].name, name) == 0) {
            *out = jvalue_int(numbers[i].value);
            return 1;
        }
    bool first = l->at == 0, last = l->at + 1 == l->count;
    if (strcmp(name, "first") == 0)
        *out = jvalue_bool(first);
    else if (strcmp(name, "last") == 0)
        *out = jvalue_bool(last);
    else if (strcmp(name, "previtem") == 0)
        *out = first ? (jvalue){.type = J_UNDEFINED, .as.why = "there is no previous item"} : l->items[l->at - 1];
    else if (strcmp(name, "nextitem") == 0)
        *out = last ? (jvalue){.type = J_UNDEFINED, .as.why = "there is no next item"} : l->items[l->at + 1];
    else
        return 0;
    return 1;
}

/* ---- the look-up */

/* 1: *out is an attribute in Python's sense; 0: there is none; -1. */
static int find_attribute(jrun *r, jvalue v, const char *name, jvalue *out)
{
    const jrow *row = method_of(v, name);
    if (row) {
        jmethod *m = jnew(r, sizeof *m);
        if (!m)
            return -1;
        *m = (jmethod){v, row};
        *out = (jvalue){.type = J_METHOD, .as.method = m};
        return 1;
    }
    if (v.type == J_LOOP)
        return loop_attribute(v.as.loop, name, out);
    if (v.type == J_MACRO && strcmp(name, "name") == 0) {
        *out = jvalue_word(v.as.macro->node->name);
        return 1;
    }
    if (v.type == J_TUPLE && v.as.list->grouped && (strcmp(name, "grouper") == 0 || strcmp(name, "list") == 0)) {
        *out = v.as.list->items[name[0] == 'l'];
        return 1;
    }
    return 0;
}

int jattribute(jrun *r, jvalue v, const char *name, jvalue *out)
{
    if (v.type == J_UNDEFINED)
        return jrefuse_undefined(r, v);
    if (check_sandbox(r, v, name) != 0)
        return -1;
    int found = find_attribute(r, v, name, out);
    if (found)
        return found < 0 ? -1 : 0;
    const jvalue *item = v.type == J_DICT || v.type == J_NAMESPACE ? jdict_find_word(v.as.dict, name) : NULL;
    if (item) {
        *out = *item;
        return 0;
    }
    return jundefined(jprint_text(r, "'%s object' has no attribute '%.100s'", jvalue_type_name(v), name), out);
}

/* ---- attribute="a.b.0" */

static int follow(jrun *r, jvalue key, const jvalue *standard, jvalue *v)
{
    if (jsubscript(r, *v, key, v) != 0)
        return -1;
    if (v->type == J_UNDEFINED && standard && standard->type != J_NONE)
        *v = *standard;
    return 0;
}

int jattribute_path(jrun *r, jvalue v, jvalue path, const jvalue *standard, jvalue *out)
{
    *out = v;
    if (path.type == J_NONE || path.type == J_ABSENT)
        return 0;
    if (path.type != J_TEXT)
        return follow(r, path, standard, out);
    const char *s = path.as.text.s, *end = s + path.as.text.n;
    for (bool more = true; more;) {
        const char *dot = memchr(s, '.', (size_t)(end - s)), *stop = dot ? dot : end;
        jvalue key = jvalue_text(s, (size_t)(stop - s));
        jwhole number = 0;
        bool digits = stop > s && stop - s < 18;
        for (const char *c = s; digits && c < stop; c++) {
            digits = *c >= '0' && *c <= '9';
            number = 10 * number + (*c - '0');
        }
        if (follow(r, digits ? jvalue_int(number) : key, standard, out) != 0)
            return -1;
        more = dot != NULL;
        s = stop + 1;
    }
    return 0;
}
