/* Filters of texts, and the table of all. */
#include <string.h>

#include "text/jinja_run.h"
#include "text/jinja_text.h"
#include "text/utf8.h"

/* ---- those that are methods of str, of anything as a text */

static int as_method(jrun *r, const jrow *table, const char *name, jvalue self, const jargs *a, jvalue *out)
{
    jvalue text;
    return jto_text(r, self, &text) == 0 ? jcall_row(r, jrow_find(table, name), text, a, out) : -1;
}

static int filter_upper(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return as_method(r, jtext_kind_methods, "upper", self, a, out);
}

static int filter_lower(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return as_method(r, jtext_kind_methods, "lower", self, a, out);
}

static int filter_capitalize(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return as_method(r, jtext_kind_methods, "capitalize", self, a, out);
}

static int filter_trim(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    return as_method(r, jtext_methods, "strip", self, a, out);
}

static int filter_center(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    const jvalue width = a->items[0].type == J_ABSENT ? jvalue_int(80) : a->items[0];
    return as_method(r, jtext_kind_methods, "center", self, &(jargs){.items = &width, .count = 1}, out);
}

static int filter_replace(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    jvalue items[3] = {a->items[0], a->items[1], a->items[2]};
    if (jto_text(r, items[0], &items[0]) != 0 || jto_text(r, items[1], &items[1]) != 0)
        return -1;
    return as_method(r, jtext_methods, "replace", self, &(jargs){.items = items, .count = items[2].type == J_ABSENT || items[2].type == J_NONE ? 2 : 3}, out);
}

/* ---- texts */

static int filter_string(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    return jto_text(r, self, out);
}

/* Words begin behind white space and -({[<, unlike those of str.title. */
static int filter_title(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    jvalue text;
    if (jto_text(r, self, &text) != 0 || jstep(r, text.as.text.n / 8) != 0)
        return -1;
    size_t mark = r->out.length, n = text.as.text.n;
    bool begins = true;
    if (n > (JINJA_OUTPUT_LIMIT - mark) / 3)
        return jfail_code(r, ERROR_LIMIT, "the template's text is longer than the limit of %zu MB", JINJA_OUTPUT_LIMIT >> 20);
    for (size_t at = 0, length; at < n; at += length) {
        uint32_t c;
        const char *s = text.as.text.s + at;
        length = (size_t)utf8_get(s, &c);
        jtext_put_case(&r->out, s, length, begins ? CASE_UPPER : CASE_LOWER);
        begins = jchar_is_space(c) || (c && c < 0x80 && strchr("-({[<", (int)c));
    }
    return jtake(r, mark, out);
}

static int filter_escape(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    static const char marks[] = "&<>\"'";
    static const char *const names[] = {"&amp;", "&lt;", "&gt;", "&#34;", "&#39;"};
    jvalue text;
    if (jto_text(r, self, &text) != 0)
        return -1;
    size_t mark = r->out.length;
    for (size_t i = 0; i < text.as.text.n; i++) {
        const char *c = text.as.text.s + i, *found = *c ? strchr(marks, *c) : NULL;
        if (found ? jputs(r, names[found - marks]) != 0 : jput(r, c, 1) != 0)
            return -1;
    }
    return jtake(r, mark, out);
}

static int filter_indent(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    jvalue indent = a->items[0].type == J_ABSENT ? jvalue_int(4) : a->items[0], lines;
    bool first = false, blank = false;
    jwhole width;
    size_t mark = r->out.length;
    if (self.type != J_TEXT)
        return jfail_type(r, "unsupported operand type(s) for +=: '%s' and 'str'", self);
    if (indent.type != J_TEXT) {
        if (!jwhole_of(indent, &width))
            return jfail_type(r, "indent should be a whole number or a text, not %s", indent);
        if (jrepeat(r, jvalue_word(" "), width, &indent) != 0)
            return -1;
    }
    if (jarg_truth(r, a, 1, &first) != 0 || jarg_truth(r, a, 2, &blank) != 0 || jconcat(r, self, jvalue_word("\n"), &self) != 0 ||
        jcall_row(r, jrow_find(jtext_methods, "splitlines"), self, &(jargs){0}, &lines) != 0)
        return -1;
    for (size_t i = 0; i < lines.as.list->count; i++) {
        jvalue line = lines.as.list->items[i];
        bool indented = i == 0 ? first : blank || line.as.text.n;
        if ((i && jputs(r, "\n") != 0) || (indented && jput_value(r, indent) != 0) || jput_value(r, line) != 0)
            return -1;
    }
    return jtake(r, mark, out);
}

static int filter_truncate(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    int64_t length = 255, leeway = 5;
    bool kill = false;
    jvalue end = jvalue_word("...");
    if (self.type != J_TEXT)
        return jfail_type(r, "object of type '%s' cannot be truncated", self);
    if (jarg_int(r, a, 0, &length) != 0 || jarg_truth(r, a, 1, &kill) != 0 || jarg_text(r, a, 2, &end) != 0 || jarg_int(r, a, 3, &leeway) != 0)
        return -1;
    int64_t n_end = (int64_t)jtext_count(end.as.text.s, end.as.text.n);
    if (length < n_end || leeway < 0)
        return length < n_end ? jfail(r, "expected length >= %lld, got %lld", (long long)n_end, (long long)length)
                              : jfail(r, "expected leeway >= 0, got %lld", (long long)leeway);
    const char *s = self.as.text.s;
    size_t n = self.as.text.n, cut = jtext_offset(s, n, (size_t)(length - n_end));
    if (jstep(r, n / 32) != 0)
        return -1;
    *out = self;
    if ((int64_t)jtext_count(s, n) - leeway <= length)
        return 0;
    const char *space = kill ? NULL : memrchr(s, ' ', cut);
    jvalue kept = jvalue_text(s, space ? (size_t)(space - s) : cut);
    return jconcat(r, kept, end, out);
}

static int filter_wordcount(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    jvalue text;
    jwhole count = 0;
    bool inside = false;
    if (jto_text(r, self, &text) != 0)
        return -1;
    for (size_t at = 0; at < text.as.text.n;) {
        uint32_t c;
        at += (size_t)utf8_get(text.as.text.s + at, &c);
        bool word = c == '_' || jchar_is_alpha(c) || jchar_is_numeric(c) || jchar_is_digit(c);
        count += word && !inside;
        inside = word;
    }
    *out = jvalue_int(count);
    return jstep(r, text.as.text.n / 8);
}

static int filter_urlencode(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    (void)a;
    jvalue text;
    if (jvalue_is_list(self) || self.type == J_DICT)
        return jfail_code(r, ERROR_UNSUPPORTED, "the filter 'urlencode' of a %s is not known here", jvalue_type_name(self));
    if (jto_text(r, self, &text) != 0)
        return -1;
    size_t mark = r->out.length;
    for (size_t i = 0; i < text.as.text.n; i++) {
        unsigned char c = (unsigned char)text.as.text.s[i];
        bool plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c && strchr("_.-~/", c));
        if (plain) {
            if (jput(r, text.as.text.s + i, 1) != 0)
                return -1;
            continue;
        }
        const char hex[] = {'%', "0123456789ABCDEF"[c >> 4], "0123456789ABCDEF"[c & 15]};
        if (jput(r, hex, 3) != 0)
            return -1;
    }
    return jtake(r, mark, out);
}

static int filter_format(jrun *r, jvalue self, const jargs *a, jvalue *out)
{
    jvalue text;
    if (a->count && a->n_named)
        return jfail(r, "can't handle positional and keyword arguments at the same time");
    return jto_text(r, self, &text) == 0 ? jformat_percent(r, text, a, out) : -1;
}

const jrow jtext_filters[] = {
    {"upper", filter_upper, "", 0}, {"lower", filter_lower, "", 0}, {"capitalize", filter_capitalize, "", 0}, {"title", filter_title, "", 0},
    {"trim", filter_trim, "chars", 0}, {"center", filter_center, "width", 0}, {"replace", filter_replace, "old new count", 2}, {"string", filter_string, "", 0},
    {"safe", filter_string, "", 0}, {"e", filter_escape, "", 0}, {"escape", filter_escape, "", 0}, {"forceescape", filter_escape, "", 0},
    {"indent", filter_indent, "width first blank", 0}, {"truncate", filter_truncate, "length killwords end leeway", 0}, {"wordcount", filter_wordcount, "", 0},
    {"urlencode", filter_urlencode, "", 0}, {"format", filter_format, NULL, 0}, {0},
};

/* ---- all */

static const jrow chat_filters[] = {{"tojson", jtojson, "ensure_ascii indent separators sort_keys", 0}, {0}};
static const jrow prompt_filters[] = {{"tojson", jtojson, "indent", 0}, {"regex_replace", jregex_replace, "pattern repl count", 2}, {0}};

const jrow *jfilter_find(const jrun *r, const char *name)
{
    const jrow *const tables[] = {jtext_filters, jlist_filters, jselect_filters, jnumber_filters, r->source->setting == JINJA_CHAT ? chat_filters : prompt_filters};
    const jrow *found = NULL;
    for (size_t i = 0; !found && i < sizeof tables / sizeof *tables; i++)
        found = jrow_find(tables[i], name);
    return found;
}
