#include "text/companion.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "tensor/gguf.h"
#include "tensor/gguf_model.h"

#define MAX_BYTES ((size_t)256 << 20)

/* Whole numbers were read as reals: those that are small enough become integers again. */
static json_t *restore_integers(json_t *value)
{
    const char *key;
    json_t *item;
    void *next;
    size_t i;
    if (json_is_real(value)) {
        double x = json_real_value(value);
        bool whole = x > -0x1p53 && x < 0x1p53 && x == (double)(json_int_t)x;
        return whole ? json_integer((json_int_t)x) : json_incref(value);
    }
    json_object_foreach_safe(value, next, key, item)
        json_object_set_new(value, key, restore_integers(item));
    json_array_foreach(value, i, item)
        json_array_set_new(value, i, restore_integers(item));
    return json_incref(value);
}

/* Takes text over. */
static int parse_object(char *text, const char *model, const char *name, json_t **out, error *err)
{
    json_error_t where;
    json_t *read = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, &where);
    free(text);
    if (!read)
        return fail(err, ERROR_FORMAT, "%s: %s: not valid JSON at line %d, column %d: %s", model, name, where.line, where.column, where.text);
    if (json_is_object(read))
        *out = restore_integers(read);
    json_decref(read);
    return *out ? 0 : fail(err, ERROR_FORMAT, "%s: %s: should be an object", model, name);
}

int companion_object_of(const checkpoint *c, const char *name, json_t **out, error *err)
{
    char *text;
    size_t n;
    *out = NULL;
    if (companion_of(c, name, MAX_BYTES, &text, &n, err) != 0)
        return -1;
    return text ? parse_object(text, c->name ? c->name : c->folder, name, out, err) : 0;
}

int companion_object(const char *model, const char *name, json_t **out, error *err)
{
    return companion_object_of(&(checkpoint){.folder = (char *)model}, name, out, err);
}

bool companion_has_tokenizer(const char *model)
{
    char *json = file_join(model, "tokenizer.json"), *pieces = file_join(model, "tokenizer.model");
    bool there = gguf_is(model) || file_exists(json) || file_exists(pieces);
    free(json);
    free(pieces);
    return there;
}
