/* What lies in the pickle: which dictionary is the model, and the names in it. */
#include "tensor/pickle.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tensor/pickle_machine.h"

#define MAX_PICKLE 100000000u

static const container *dictionary(const machine *m, value v)
{
    return v.kind == DICT || v.kind == ORDERED ? &m->containers[v.at] : NULL;
}

static const container *find_state(const machine *m)
{
    const container *top = dictionary(m, m->stack[0]);
    for (uint32_t i = 0; top && i + 1 < top->count; i += 2) {
        const value *key = &top->items[i];
        if (key->kind == TEXT && pickle_same("state_dict", (const char *)m->bytes + key->at, (size_t)key->number) && dictionary(m, key[1]))
            return dictionary(m, key[1]);
    }
    if (!top)
        fail(m->err, ERROR_UNSUPPORTED, "%s: holds %s, not a dictionary of tensors", m->path, pickle_kind_names[m->stack[0].kind]);
    return top;
}

static int read_item(const machine *m, const value *pair, pickle_item *out)
{
    if (pair[0].kind != TEXT)
        return fail(m->err, ERROR_FORMAT, "%s: a tensor's name is %s, not a text", m->path, pickle_kind_names[pair[0].kind]);
    json_t *name = json_stringn((const char *)m->bytes + pair[0].at, (size_t)pair[0].number);
    if (!name || strlen(json_string_value(name)) != (size_t)pair[0].number) {
        json_decref(name);
        return fail(m->err, ERROR_FORMAT, "%s: the tensor's name at byte %u of the pickle is not UTF-8 or holds a NUL", m->path, pair[0].at);
    }
    out->name = memory_text(json_string_value(name));
    json_decref(name);
    if (pair[1].kind != TENSOR)
        return fail(m->err, ERROR_UNSUPPORTED, "%s: '%s' is %s, not a tensor (read are a dictionary of tensors, and one under 'state_dict')", m->path,
                    out->name, pickle_kind_names[pair[1].kind]);
    out->tensor = m->tensors[pair[1].at];
    return 0;
}

static int read_items(const machine *m, pickle_item **items, size_t *count)
{
    const container *state = find_state(m);
    if (!state)
        return -1;
    if (state->count / 2 > PICKLE_MAX_TENSORS)
        return fail(m->err, ERROR_LIMIT, "%s: %u tensors, more than the limit of %u", m->path, state->count / 2, PICKLE_MAX_TENSORS);
    *items = memory_new(state->count / 2, sizeof **items);
    for (uint32_t i = 0; i < state->count; i += 2, ++*count)
        if (read_item(m, state->items + i, *items + *count) != 0) {
            pickle_free(*items, *count + 1);
            *items = NULL;
            *count = 0;
            return -1;
        }
    return 0;
}

int pickle_read(const unsigned char *bytes, size_t n, const char *path, pickle_item **items, size_t *count, error *err)
{
    machine m = {.bytes = bytes, .size = n, .path = path, .err = err};
    *items = NULL;
    *count = 0;
    if (n > MAX_PICKLE)
        return fail(err, ERROR_LIMIT, "%s: a pickle of %zu bytes, more than the limit of %u", path, n, MAX_PICKLE);
    int status = pickle_run(&m) == 0 ? read_items(&m, items, count) : -1;
    pickle_machine_free(&m);
    return status;
}

void pickle_free(pickle_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(items[i].name);
    free(items);
}
