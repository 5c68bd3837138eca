/* tojson: in JINJA_CHAT json.dumps(value, ensure_ascii=False), in JINJA_PROMPT Jinja's own, which sorts keys and escapes <, >, &, '. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "text/jinja_run.h"
#include "text/utf8.h"

typedef struct jdump {
    bool ascii, html, sorted, broken;   /* broken: a line for each item */
    jvalue indent, comma, colon;        /* texts */
    int depth;
} jdump;

static int put(jrun *r, const jdump *d, jvalue v);

/* ---- texts */

static int put_escape(jrun *r, uint32_t c)
{
    static const char letters[] = "\"\\\n\r\t\f\b", names[] = "\"\\nrtfb";
    char text[16];
    const char *letter = c && c < 0x80 ? strchr(letters, (int)c) : NULL;
    if (letter)
        snprintf(text, sizeof text, "\\%c", names[letter - letters]);
    else if (c < 0x10000)
        snprintf(text, sizeof text, "\\u%04x", c);
    else
        snprintf(text, sizeof text, "\\u%04x\\u%04x", 0xD800 + ((c - 0x10000) >> 10), 0xDC00 + ((c - 0x10000) & 0x3FF));
    return jputs(r, text);
}

static int put_text(jrun *r, const jdump *d, const char *s, size_t n)
{
    if (jputs(r, "\"") != 0)
        return -1;
    for (size_t at = 0, length; at < n; at += length) {
        uint32_t c;
        length = (size_t)utf8_get(s + at, &c);
        bool html = d->html && c && c < 0x80 && strchr("<>&'", (int)c);
        bool escape = c == '"' || c == '\\' || c < 0x20 || html || (d->ascii && c >= 0x7f);
        if (escape ? put_escape(r, c) != 0 : jput(r, s + at, length) != 0)
            return -1;
    }
    return jputs(r, "\"");
}

/* ---- numbers */

static int put_real(jrun *r, double x)
{
    char text[40];
    if (!isfinite(x))
        return jputs(r, isnan(x) ? "NaN" : x < 0 ? "-Infinity" : "Infinity");
    jformat_real(x, text);
    return jputs(r, text);
}

/* ---- what holds others */

static int put_break(jrun *r, const jdump *d, int depth)
{
    if (!d->broken)
        return 0;
    if (jputs(r, "\n") != 0)
        return -1;
    for (int i = 0; i < depth; i++)
        if (jput_value(r, d->indent) != 0)
            return -1;
    return 0;
}

static int put_list(jrun *r, const jdump *d, const jlist *l)
{
    jdump inner = *d;
    inner.depth++;
    if (l->count == 0)
        return jputs(r, "[]");
    for (size_t i = 0; i < l->count; i++)
        if ((i ? jput_value(r, d->comma) : jputs(r, "[")) != 0 || put_break(r, d, inner.depth) != 0 || put(r, &inner, l->items[i]) != 0)
            return -1;
    return put_break(r, d, d->depth) == 0 ? jputs(r, "]") : -1;
}

static int put_key(jrun *r, const jdump *d, jvalue key)
{
    size_t mark = r->out.length;
    jvalue text = key;
    if (key.type != J_TEXT && (put(r, d, key) != 0 || jtake(r, mark, &text) != 0))
        return -1;
    return put_text(r, d, text.as.text.s, text.as.text.n) == 0 ? jput_value(r, d->colon) : -1;
}

/* The places of a dict's entries in the order they are to be written. */
static int entry_order(jrun *r, const jdump *d, const jdict *dict, jvalue **out)
{
    *out = jnew(r, (dict->count + 1) * sizeof **out);
    for (size_t i = 0; *out && i < dict->count; i++)
        (*out)[i] = jvalue_int((jwhole)i);
    if (!*out)
        return -1;
    return d->sorted ? jsort(r, *out, dict->keys, dict->count, false) : 0;
}

static int put_dict(jrun *r, const jdump *d, const jdict *dict)
{
    jdump inner = *d;
    jvalue *order;
    inner.depth++;
    if (dict->count == 0)
        return jputs(r, "{}");
    if (entry_order(r, d, dict, &order) != 0)
        return -1;
    for (size_t i = 0; i < dict->count; i++) {
        size_t at = (size_t)order[i].as.whole;
        if ((i ? jput_value(r, d->comma) : jputs(r, "{")) != 0 || put_break(r, d, inner.depth) != 0 || put_key(r, d, dict->keys[at]) != 0 ||
            put(r, &inner, dict->values[at]) != 0)
            return -1;
    }
    return put_break(r, d, d->depth) == 0 ? jputs(r, "}") : -1;
}

static int put_plain(jrun *r, const jdump *d, jvalue v)
{
    switch (v.type) {
    case J_NONE:
        return jputs(r, "null");
    case J_BOOL:
        return jputs(r, v.as.truth ? "true" : "false");
    case J_INT:
        return jput_whole(r, v.as.whole);
    case J_FLOAT:
        return put_real(r, v.as.real);
    case J_TEXT:
        return put_text(r, d, v.as.text.s, v.as.text.n);
    case J_LIST:
    case J_TUPLE:
        return put_list(r, d, v.as.list);
    case J_DICT:
        return put_dict(r, d, v.as.dict);
    case J_UNDEFINED:
        return jfail(r, "Object of type Undefined is not JSON serializable (%s)", v.as.why);
    default:
        return jfail_type(r, "Object of type %s is not JSON serializable", v);
    }
}

static int put(jrun *r, const jdump *d, jvalue v)
{
    if (jstep(r, 1) != 0 || jenter(r) != 0)
        return -1;
    int status = put_plain(r, d, v);
    r->depth--;
    return status;
}

/* ---- the filter */

static int read_indent(jrun *r, jvalue v, jdump *d)
{
    jwhole n;
    if (v.type == J_ABSENT || v.type == J_NONE)
        return 0;
    d->broken = true;
    d->comma = jvalue_word(",");
    d->indent = v;
    if (v.type == J_TEXT)
        return 0;
    if (!jwhole_of(v, &n))
        return jfail_type(r, "indent should be a whole number or a text, not %s", v);
    return jrepeat(r, jvalue_word(" "), n, &d->indent);
}

static int read_separators(jrun *r, jvalue v, jdump *d)
{
    const jvalue *items;
    size_t n;
    if (v.type == J_ABSENT || v.type == J_NONE)
        return 0;
    if (jitems(r, v, &items, &n) != 0)
        return -1;
    if (n != 2 || items[0].type != J_TEXT || items[1].type != J_TEXT)
        return jfail(r, "separators should be two texts");
    d->comma = items[0];
    d->colon = items[1];
    return 0;
}

int jtojson(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    bool prompt = r->source->setting == JINJA_PROMPT;
    jdump d = {.ascii = prompt, .html = prompt, .sorted = prompt, .comma = jvalue_word(", "), .colon = jvalue_word(": ")};
    size_t mark = r->out.length;
    if (prompt && read_indent(r, a->items[0], &d) != 0)
        return -1;
    if (!prompt && (jarg_truth(r, a, 0, &d.ascii) != 0 || read_indent(r, a->items[1], &d) != 0 || read_separators(r, a->items[2], &d) != 0 ||
                    jarg_truth(r, a, 3, &d.sorted) != 0))
        return -1;
    return put(r, &d, self) == 0 ? jtake(r, mark, out) : -1;
}
