/* The only things that a pickle can have made: an OrderedDict, a storage that lies beside it, a tensor that views one. */
#include <string.h>

#include "tensor/pickle_machine.h"

/* What a name stands for. Of `dtype`: a typed storage, and the types that _rebuild_tensor_v3 is told. */
enum meaning { ORDERED_DICT, REBUILD_TENSOR, REBUILD_TYPED, REBUILD_PARAMETER, STORAGE_OF, UNTYPED_STORAGE, TYPE };
static const struct {
    const char *module, *name;
    enum meaning meaning;
    enum dtype dtype;
} names[] = {
    {"collections", "OrderedDict", ORDERED_DICT, 0},
    {"torch._utils", "_rebuild_tensor_v2", REBUILD_TENSOR, 0},
    {"torch._utils", "_rebuild_tensor_v3", REBUILD_TYPED, 0},
    {"torch._utils", "_rebuild_parameter", REBUILD_PARAMETER, 0},
    {"torch", "FloatStorage", STORAGE_OF, DTYPE_F32},
    {"torch", "HalfStorage", STORAGE_OF, DTYPE_F16},
    {"torch", "BFloat16Storage", STORAGE_OF, DTYPE_BF16},
    {"torch", "DoubleStorage", STORAGE_OF, DTYPE_F64},
    {"torch", "LongStorage", STORAGE_OF, DTYPE_I64},
    {"torch", "IntStorage", STORAGE_OF, DTYPE_I32},
    {"torch", "ShortStorage", STORAGE_OF, DTYPE_I16},
    {"torch", "CharStorage", STORAGE_OF, DTYPE_I8},
    {"torch", "ByteStorage", STORAGE_OF, DTYPE_U8},
    {"torch", "BoolStorage", STORAGE_OF, DTYPE_BOOL},
    {"torch.storage", "UntypedStorage", UNTYPED_STORAGE, 0},
    {"torch", "float32", TYPE, DTYPE_F32},
    {"torch", "float16", TYPE, DTYPE_F16},
    {"torch", "bfloat16", TYPE, DTYPE_BF16},
    {"torch", "uint16", TYPE, DTYPE_U16},
    {"torch", "uint32", TYPE, DTYPE_U32},
    {"torch", "uint64", TYPE, DTYPE_U64},
    {"torch", "float8_e4m3fn", TYPE, DTYPE_F8_E4M3},
    {"torch", "float8_e5m2", TYPE, DTYPE_F8_E5M2},
};

int pickle_push_name(machine *m, const char *module, size_t module_bytes, const char *name, size_t name_bytes)
{
    for (uint32_t i = 0; i < sizeof names / sizeof *names; i++)
        if (pickle_same(names[i].module, module, module_bytes) && pickle_same(names[i].name, name, name_bytes))
            return pickle_push(m, (value){.kind = NAME, .at = i});
    return fail(m->err, ERROR_UNSUPPORTED, "%s: the pickle asks for '%.*s.%.*s' at byte %zu" PICKLE_HARM, m->path, (int)(module_bytes < 100 ? module_bytes : 100),
                module, (int)(name_bytes < 100 ? name_bytes : 100), name, m->opcode);
}

/* ('storage', type, key, device, elements) */
int pickle_push_storage(machine *m)
{
    const value *id = pickle_pop(m, 1);
    if (!id)
        return -1;
    const container *c = id->kind == TUPLE ? &m->containers[id->at] : NULL;
    const value *v = c ? c->items : NULL;
    if (!c || c->count != 5 || v[0].kind != TEXT || !pickle_same("storage", (const char *)m->bytes + v[0].at, (size_t)v[0].number) || v[1].kind != NAME ||
        (names[v[1].at].meaning != STORAGE_OF && names[v[1].at].meaning != UNTYPED_STORAGE) || v[2].kind != TEXT || v[3].kind != TEXT || v[4].kind != NUMBER)
        return fail(m->err, ERROR_UNSUPPORTED, "%s: opcode BINPERSID at byte %zu names something else than a storage" PICKLE_HARM, m->path, m->opcode);
    if (v[4].number < 0)
        return fail(m->err, ERROR_FORMAT, "%s: a storage of %lld elements at byte %zu", m->path, (long long)v[4].number, m->opcode);
    if (pickle_check_things(m) != 0)
        return -1;
    m->storages = pickle_grow(m->storages, m->n_storages, sizeof *m->storages);
    m->storages[m->n_storages] = (storage){.key = v[2], .elements = v[4].number, .name = v[1].at};
    return pickle_push(m, (value){.kind = STORAGE, .at = m->n_storages++});
}

/* A tuple of whole numbers that are not negative into out [TENSOR_MAX_RANK]. */
static int read_numbers(const machine *m, value v, const char *what, int64_t *out, int *n)
{
    const container *c = v.kind == TUPLE ? &m->containers[v.at] : NULL;
    if (!c || c->count > TENSOR_MAX_RANK)
        return fail(m->err, ERROR_FORMAT, "%s: a tensor at byte %zu should have a tuple of at most %d numbers as its %s", m->path, m->opcode, TENSOR_MAX_RANK,
                    what);
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->items[i].kind != NUMBER || c->items[i].number < 0)
            return fail(m->err, ERROR_FORMAT, "%s: a tensor at byte %zu has %lld in its %s", m->path, m->opcode,
                        (long long)(c->items[i].kind == NUMBER ? c->items[i].number : 0), what);
        out[i] = c->items[i].number;
    }
    *n = (int)c->count;
    return 0;
}

/* Products of some dimensions only are taken too: that of all which are not zero must fit. */
static int check_size(const machine *m, const pickle_tensor *t)
{
    int64_t product = (int64_t)dtype_size(t->dtype);
    for (int i = 0; i < t->rank; i++)
        if (t->shape[i] > 0 && __builtin_mul_overflow(product, t->shape[i], &product))
            return fail(m->err, ERROR_FORMAT, "%s: a tensor at byte %zu has a shape whose size overflows at dimension %d (%lld)", m->path, m->opcode, i,
                        (long long)t->shape[i]);
    return 0;
}

static int fill_tensor(const machine *m, const value *args, bool typed, pickle_tensor *t)
{
    const storage *s = &m->storages[args[0].at];
    int strides;
    bool of_bytes = names[s->name].meaning == UNTYPED_STORAGE;
    if (of_bytes != typed)
        return pickle_broken(m, "a tensor and its storage do not agree whether they have a type");
    t->dtype = names[typed ? args[6].at : s->name].dtype;
    t->key = (const char *)m->bytes + s->key.at;
    t->key_bytes = (size_t)s->key.number;
    if (__builtin_mul_overflow((uint64_t)s->elements, of_bytes ? 1 : dtype_size(t->dtype), &t->storage_bytes))
        return fail(m->err, ERROR_FORMAT, "%s: a storage of %lld elements at byte %zu: its size overflows", m->path, (long long)s->elements, m->opcode);
    if (args[1].number < 0)
        return fail(m->err, ERROR_FORMAT, "%s: a tensor at byte %zu begins at element %lld of its storage", m->path, m->opcode, (long long)args[1].number);
    t->offset = (uint64_t)args[1].number;
    if (read_numbers(m, args[2], "shape", t->shape, &t->rank) != 0 || read_numbers(m, args[3], "strides", t->stride, &strides) != 0)
        return -1;
    if (strides != t->rank)
        return fail(m->err, ERROR_FORMAT, "%s: a tensor at byte %zu has %d dimensions and %d strides", m->path, m->opcode, t->rank, strides);
    return check_size(m, t);
}

/* (storage, offset, shape, strides, requires_grad, hooks[, dtype][, metadata]): gradients and hooks are no part of the weights. */
static int push_tensor(machine *m, const container *c, bool typed)
{
    uint32_t least = typed ? 7 : 6;
    const value *v = c->items;
    bool fits = (c->count == least || c->count == least + 1) && v[0].kind == STORAGE && v[1].kind == NUMBER &&
                (!typed || (v[6].kind == NAME && names[v[6].at].meaning == TYPE));
    if (fits && c->count > least)
        fits = v[least].kind == NOTHING || (v[least].kind == DICT && m->containers[v[least].at].count == 0);
    if (!fits)
        return fail(m->err, ERROR_UNSUPPORTED, "%s: a tensor at byte %zu is rebuilt from something else than storage, offset, shape and strides", m->path,
                    m->opcode);
    if (pickle_check_things(m) != 0)
        return -1;
    m->tensors = pickle_grow(m->tensors, m->n_tensors, sizeof *m->tensors);
    m->tensors[m->n_tensors] = (pickle_tensor){0};
    if (fill_tensor(m, v, typed, &m->tensors[m->n_tensors]) != 0)
        return -1;
    return pickle_push(m, (value){.kind = TENSOR, .at = m->n_tensors++});
}

int pickle_reduce(machine *m)
{
    const value *v = pickle_pop(m, 2);
    if (!v)
        return -1;
    const container *args = v[1].kind == TUPLE ? &m->containers[v[1].at] : NULL;
    int meaning = v[0].kind == NAME && args ? (int)names[v[0].at].meaning : -1;
    if (meaning == ORDERED_DICT && args->count == 0)
        return pickle_push_container(m, ORDERED, NULL, 0);
    if (meaning == REBUILD_TENSOR || meaning == REBUILD_TYPED)
        return push_tensor(m, args, meaning == REBUILD_TYPED);
    if (meaning == REBUILD_PARAMETER && args->count == 3 && args->items[0].kind == TENSOR)
        return pickle_push(m, args->items[0]);
    return fail(m->err, ERROR_UNSUPPORTED, "%s: opcode REDUCE at byte %zu calls %s with %s" PICKLE_HARM, m->path, m->opcode,
                v[0].kind == NAME ? names[v[0].at].name : pickle_kind_names[v[0].kind], pickle_kind_names[v[1].kind]);
}

/* The attributes of an OrderedDict (a state dict's _metadata) are no part of the weights. */
int pickle_build(machine *m)
{
    const value *v = pickle_pop(m, 2);
    if (!v)
        return -1;
    if (v[0].kind == ORDERED && v[1].kind == DICT)
        return pickle_push(m, v[0]);
    return fail(m->err, ERROR_UNSUPPORTED, "%s: opcode BUILD at byte %zu sets attributes of %s" PICKLE_HARM, m->path, m->opcode, pickle_kind_names[v[0].kind]);
}

