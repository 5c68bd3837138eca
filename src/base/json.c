#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define DEFAULT_LIMIT ((size_t)256 << 20)

json_t *json_parse(const char *text, size_t n, const char *name, error *err)
{
    json_error_t where;
    json_t *value = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
    if (!value)
        fail(err, ERROR_FORMAT, "%s: not valid JSON at line %d, column %d: %s", name, where.line, where.column, where.text);
    return value;
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
