#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"

#define DEFAULT_LIMIT ((size_t)256 << 20)

static bool is_escaped(const char *text, size_t at)
{
    size_t n = 0;
    while (n < at && text[at - 1 - n] == '\\')
        n++;
    return n % 2;
}

/* jansson stops behind the closing quote of the second key, at text[end], and does not say which key it was. */
static void fail_duplicate(const char *text, size_t end, const char *name, const json_error_t *where, error *err)
{
    size_t begin = end;
    while (begin > 0 && (text[begin - 1] != '"' || is_escaped(text, begin - 1)))
        begin--;
    size_t n = end - begin < 200 ? end - begin : 200;
    fail(err, ERROR_FORMAT, "%s: duplicate key '%.*s' at line %d, column %d", name, (int)n, text + begin, where->line, where->column);
}

json_t *json_parse(const char *text, size_t n, const char *name, error *err)
{
    json_error_t where;
    json_t *value = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
    if (value)
        return value;
    size_t position = where.position > 0 ? (size_t)where.position : 0;
    if (json_error_code(&where) == json_error_duplicate_key && position <= n && position > 1 && text[position - 1] == '"')
        fail_duplicate(text, position - 1, name, &where, err);
    else
        fail(err, ERROR_FORMAT, "%s: not valid JSON at line %d, column %d: %s", name, where.line, where.column, where.text);
    return NULL;
}

json_t *json_read(const char *path, size_t limit, error *err)
{
    size_t n;
    char *text = file_read(path, limit ? limit : DEFAULT_LIMIT, &n, err);
    if (!text)
        return NULL;
    json_t *value = json_parse(text, n, path, err);
    free(text);
    return value;
}

static void print_text(string *s, const char *text, size_t n)
{
    string_puts(s, "\"");
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            string_print(s, "\\%c", c);
        else if (c == '\n')
            string_puts(s, "\\n");
        else if (c == '\t')
            string_puts(s, "\\t");
        else if (c < 0x20 || c == 0x7f)
            string_print(s, "\\u%04x", c);
        else
            string_add(s, text + i, 1);
    }
    string_puts(s, "\"");
}

static void print_real(string *s, double x)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    string_puts(s, text);
    if (!strpbrk(text, ".e"))
        string_puts(s, ".0");
}

static void print_break(string *s, int indent, int depth)
{
    if (indent >= 0)
        string_print(s, "\n%*s", indent * depth, "");
}

static void print_value(string *s, const json_t *value, int indent, int depth)
{
    const char *key;
    json_t *item;
    size_t i, printed = 0;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        string_puts(s, "{");
        json_object_foreach((json_t *)value, key, item) {
            if (printed++)
                string_puts(s, indent < 0 ? ", " : ",");
            print_break(s, indent, depth + 1);
            print_text(s, key, strlen(key));
            string_puts(s, ": ");
            print_value(s, item, indent, depth + 1);
        }
        if (printed)
            print_break(s, indent, depth);
        string_puts(s, "}");
        break;
    case JSON_ARRAY:
        string_puts(s, "[");
        json_array_foreach(value, i, item) {
            if (i)
                string_puts(s, indent < 0 ? ", " : ",");
            print_break(s, indent, depth + 1);
            print_value(s, item, indent, depth + 1);
        }
        if (i)
            print_break(s, indent, depth);
        string_puts(s, "]");
        break;
    case JSON_STRING:
        print_text(s, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        string_print(s, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        print_real(s, json_real_value(value));
        break;
    case JSON_TRUE:
        string_puts(s, "true");
        break;
    case JSON_FALSE:
        string_puts(s, "false");
        break;
    case JSON_NULL:
        string_puts(s, "null");
        break;
    }
}

char *json_print(json_t *value, int indent)
{
    string s = {0};
    if (value)
        print_value(&s, value, indent, 0);
    json_decref(value);
    return s.text ? s.text : memory_text("");
}

static const json_t *member(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

int json_want_text(const json_t *object, const char *key, const char *name, const char **out, error *err)
{
    const json_t *value = member(object, key);
    if (!value)
        return 0;
    if (!json_is_string(value))
        return fail(err, ERROR_FORMAT, "%s: '%s' should be a string", name, key);
    *out = json_string_value(value);
    return 0;
}

int json_want_int(const json_t *object, const char *key, const char *name, int64_t low, int64_t high, int64_t *out, error *err)
{
    const json_t *value = member(object, key);
    if (!value)
        return 0;
    if (!json_is_integer(value))
        return fail(err, ERROR_FORMAT, "%s: '%s' should be a whole number", name, key);
    int64_t n = json_integer_value(value);
    if (n < low || n > high)
        return fail(err, ERROR_FORMAT, "%s: '%s' is %lld, outside [%lld, %lld]", name, key, (long long)n, (long long)low, (long long)high);
    *out = n;
    return 0;
}

int json_want_real(const json_t *object, const char *key, const char *name, double *out, error *err)
{
    const json_t *value = member(object, key);
    if (!value)
        return 0;
    if (!json_is_number(value) || !isfinite(json_number_value(value)))
        return fail(err, ERROR_FORMAT, "%s: '%s' should be a number", name, key);
    *out = json_number_value(value);
    return 0;
}

int json_want_bool(const json_t *object, const char *key, const char *name, bool *out, error *err)
{
    const json_t *value = member(object, key);
    if (!value)
        return 0;
    if (!json_is_boolean(value))
        return fail(err, ERROR_FORMAT, "%s: '%s' should be true or false", name, key);
    *out = json_is_true(value);
    return 0;
}

int json_lines(const char *path, int (*each)(void *, const json_t *, size_t, error *), void *context, error *err)
{
    size_t n;
    char *text = file_read(path, (size_t)4 << 30, &n, err);
    if (!text)
        return -1;
    int status = 0;
    size_t line = 0;
    for (char *at = text, *end = text + n; at < end && status == 0;) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((stop ? stop : end) - at);
        line++;
        if (strspn(at, " \t\r\n") < length) {
            char name[512];
            snprintf(name, sizeof name, "%.450s line %zu", path, line);
            json_t *value = json_parse(at, length, name, err);
            status = value ? each(context, value, line, err) : -1;
            json_decref(value);
        }
        at += length + 1;
    }
    free(text);
    return status;
}
