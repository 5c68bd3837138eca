/* str() and repr(): what a template prints. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/jinja_run.h"
#include "text/jinja_text.h"
#include "text/utf8.h"

int jput_whole(jrun *r, jwhole x)
{
    char text[48];
    size_t at = sizeof text;
    unsigned __int128 rest = x < 0 ? -(unsigned __int128)x : (unsigned __int128)x;
    do
        text[--at] = (char)('0' + (int)(rest % 10));
    while ((rest /= 10) != 0);
    if (x < 0)
        text[--at] = '-';
    return jput(r, text + at, sizeof text - at);
}

/* The fewest digits that read back as the same number, written as Python does. */
void jformat_real(double x, char out[40])
{
    if (!isfinite(x)) {
        strcpy(out, isnan(x) ? "nan" : x < 0 ? "-inf" : "inf");
        return;
    }
    int digits = 0;
    do
        snprintf(out, 40, "%.*e", digits, x);
    while (strtod(out, NULL) != x && ++digits < 17);
    int exponent = atoi(strchr(out, 'e') + 1);
    if (exponent < -4 || exponent >= 16)
        return;
    snprintf(out, 40, "%.*f", digits > exponent ? digits - exponent : 0, x);
    if (!strchr(out, '.'))
        strcat(out, ".0");
}

static int put_escaped(jrun *r, uint32_t c, char quote)
{
    char text[12];
    if (c == '\\' || c == (unsigned char)quote)
        snprintf(text, sizeof text, "\\%c", (char)c);
    else if (c == '\n' || c == '\r' || c == '\t')
        snprintf(text, sizeof text, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
    else if (!jchar_is_printable(c))
        snprintf(text, sizeof text, c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
    else
        text[utf8_put(c, text)] = '\0';
    return jputs(r, text);
}

static int put_quoted(jrun *r, const char *s, size_t n)
{
    bool single = n && memchr(s, '\'', n), twice = n && memchr(s, '"', n);
    char quote = single && !twice ? '"' : '\'';
    if (jput(r, &quote, 1) != 0)
        return -1;
    for (size_t i = 0; i < n;) {
        uint32_t c;
        i += (size_t)utf8_get(s + i, &c);
        if (put_escaped(r, c, quote) != 0)
            return -1;
    }
    return jput(r, &quote, 1);
}

static int put_items(jrun *r, const jlist *l, const char *open, const char *close)
{
    if (jputs(r, open) != 0)
        return -1;
    for (size_t i = 0; i < l->count; i++)
        if ((i && jputs(r, ", ") != 0) || jput_repr(r, l->items[i]) != 0)
            return -1;
    return jputs(r, close);
}

static int put_dict(jrun *r, const jdict *d)
{
    if (jputs(r, "{") != 0)
        return -1;
    for (size_t i = 0; i < d->count; i++)
        if ((i && jputs(r, ", ") != 0) || jput_repr(r, d->keys[i]) != 0 || jputs(r, ": ") != 0 || jput_repr(r, d->values[i]) != 0)
            return -1;
    return jputs(r, "}");
}

static int put_view(jrun *r, const jlist *l)
{
    if (jputs(r, l->label) != 0)
        return -1;
    return strchr(l->label, '(') ? 0 : put_items(r, l, "([", "])");
}

static int put_object(jrun *r, jvalue v)
{
    switch (v.type) {
    case J_NAMESPACE:
        return jputs(r, "<Namespace ") == 0 && put_dict(r, v.as.dict) == 0 ? jputs(r, ">") : -1;
    case J_MACRO:
        return jputs(r, "<Macro ") == 0 && put_quoted(r, v.as.macro->node->name, strlen(v.as.macro->node->name)) == 0 ? jputs(r, ">") : -1;
    case J_LOOP:
        return jputs(r, "<LoopContext ") == 0 && jput_whole(r, (jwhole)v.as.loop->at + 1) == 0 && jputs(r, "/") == 0 &&
                       jput_whole(r, (jwhole)v.as.loop->count) == 0 ? jputs(r, ">") : -1;
    default:
        return jfail_type(r, "a %s is nothing that can be printed", v);
    }
}

int jput_repr(jrun *r, jvalue v)
{
    char real[40];
    int status = 0;
    if (jstep(r, 1) != 0 || jenter(r) != 0)
        return -1;
    switch (v.type) {
    case J_UNDEFINED:
        status = jputs(r, "Undefined");
        break;
    case J_NONE:
        status = jputs(r, "None");
        break;
    case J_BOOL:
        status = jputs(r, v.as.truth ? "True" : "False");
        break;
    case J_INT:
        status = jput_whole(r, v.as.whole);
        break;
    case J_FLOAT:
        jformat_real(v.as.real, real);
        status = jputs(r, real);
        break;
    case J_TEXT:
        status = put_quoted(r, v.as.text.s, v.as.text.n);
        break;
    case J_LIST:
        status = put_items(r, v.as.list, "[", "]");
        break;
    case J_TUPLE:
        status = put_items(r, v.as.list, "(", v.as.list->count == 1 ? ",)" : ")");
        break;
    case J_VIEW:
        status = put_view(r, v.as.list);
        break;
    case J_DICT:
        status = put_dict(r, v.as.dict);
        break;
    default:
        status = put_object(r, v);
    }
    r->depth--;
    return status;
}

int jput_value(jrun *r, jvalue v)
{
    if (v.type == J_TEXT)
        return jput(r, v.as.text.s, v.as.text.n);
    if (v.type == J_UNDEFINED)
        return jis_strict(r, v) ? jrefuse_undefined(r, v) : 0;
    return jput_repr(r, v);
}

int jto_text(jrun *r, jvalue v, jvalue *out)
{
    *out = v;
    if (v.type == J_TEXT)
        return 0;
    size_t mark = r->out.length;
    return jput_value(r, v) == 0 ? jtake(r, mark, out) : -1;
}
