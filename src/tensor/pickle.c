/* Invariants
 * 1. Memory grows by at most a constant for each byte of the pickle: values are copied between stack, memo and containers as 16 bytes,
 *    texts stay in the pickle.
 * 2. Containers may hold one another in any way, themselves too: nothing here walks them deeper than the two levels of a state dict. */
#include "tensor/pickle.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define MAX_PICKLE 100000000u
#define MAX_STACK 4000000u
#define MAX_THINGS 8000000u      /* containers, storages, tensors */
#define MAX_TENSORS 1000000u
#define NEWEST_PROTOCOL 5
#define HARM "; this could run code, so the file is not opened (convert the model to safetensors where you trust it)"

enum kind { MARK, NOTHING, TRUTH, NUMBER, REAL, TEXT, TUPLE, LIST, DICT, ORDERED, NAME, STORAGE, TENSOR };
static const char *const kind_names[] = {"a mark", "None", "a truth value", "a number", "a real number", "a text", "a tuple", "a list", "a dictionary",
                                         "a dictionary", "a name", "a storage", "a tensor"};

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

typedef struct value {
    enum kind kind;
    uint32_t at;       /* TEXT: its place in the pickle; containers, storages and tensors: which; NAME: the row above */
    int64_t number;    /* TEXT: its bytes */
} value;

typedef struct container {
    value *items;      /* [count] owned; of a dictionary: key, value, key, value, ... */
    uint32_t count, room;
} container;

typedef struct storage {
    value key;
    int64_t elements;
    uint32_t name;     /* STORAGE_OF or UNTYPED_STORAGE */
} storage;

typedef struct machine {
    const unsigned char *bytes;
    size_t size, at, opcode;     /* opcode: where the present one stands */
    const char *path;
    error *err;
    value *stack, *memo;         /* [depth], [memo_count] owned */
    size_t depth, stack_room, memo_count;
    container *containers;       /* owned, with their items */
    storage *storages;           /* owned */
    pickle_tensor *tensors;      /* owned */
    uint32_t n_containers, n_storages, n_tensors;
} machine;

/* Room for one more in an array that grows by doubling. */
static void *grow(void *array, size_t count, size_t size)
{
    bool full = count == 0 || (count & (count - 1)) == 0;
    return full ? memory_grow(array, count ? 2 * count : 1, size) : array;
}

static int broken(const machine *m, const char *what)
{
    return fail(m->err, ERROR_FORMAT, "%s: the pickle is broken at byte %zu: %s", m->path, m->opcode, what);
}

static const unsigned char *take(machine *m, size_t n)
{
    if (n > m->size - m->at) {
        broken(m, "it was cut short");
        return NULL;
    }
    const unsigned char *p = m->bytes + m->at;
    m->at += n;
    return p;
}

static int take_number(machine *m, int bytes, uint64_t *out)
{
    const unsigned char *p = take(m, (size_t)bytes);
    *out = 0;
    for (int i = bytes; p && i-- > 0;)
        *out = *out << 8 | p[i];
    return p ? 0 : -1;
}

static int push(machine *m, value v)
{
    if (m->depth == MAX_STACK)
        return fail(m->err, ERROR_LIMIT, "%s: the pickle stacks more than the limit of %u values at byte %zu", m->path, MAX_STACK, m->opcode);
    if (m->depth == m->stack_room) {
        m->stack_room = m->stack_room ? 2 * m->stack_room : 256;
        m->stack = memory_grow(m->stack, m->stack_room, sizeof *m->stack);
    }
    m->stack[m->depth++] = v;
    return 0;
}

static int push_number(machine *m, enum kind kind, int64_t number)
{
    return push(m, (value){.kind = kind, .number = number});
}

static int check_things(const machine *m)
{
    if ((uint64_t)m->n_containers + m->n_storages + m->n_tensors >= MAX_THINGS || m->n_tensors >= MAX_TENSORS)
        return fail(m->err, ERROR_LIMIT, "%s: the pickle makes more than the limit of %u things or %u tensors at byte %zu", m->path, MAX_THINGS, MAX_TENSORS,
                    m->opcode);
    return 0;
}

/* The topmost n values, which stay where they are until the next push. */
static value *pop(machine *m, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (i >= m->depth || m->stack[m->depth - 1 - i].kind == MARK) {
            broken(m, "the stack holds too little");
            return NULL;
        }
    m->depth -= n;
    return m->stack + m->depth;
}

static value *pop_to_mark(machine *m, size_t *n)
{
    size_t begin = m->depth;
    while (begin && m->stack[begin - 1].kind != MARK)
        begin--;
    if (!begin) {
        broken(m, "there is no mark on the stack");
        return NULL;
    }
    *n = m->depth - begin;
    m->depth = begin - 1;
    return m->stack + begin;
}

static void append(container *c, const value *items, size_t n)
{
    if (c->room - c->count < n) {
        size_t room = c->count + n > 2 * (size_t)c->room ? c->count + n : 2 * (size_t)c->room;
        c->items = memory_grow(c->items, room, sizeof *c->items);
        c->room = (uint32_t)room;
    }
    if (n)
        memcpy(c->items + c->count, items, n * sizeof *items);
    c->count += (uint32_t)n;
}

static int push_container(machine *m, enum kind kind, const value *items, size_t n)
{
    if (check_things(m) != 0)
        return -1;
    m->containers = grow(m->containers, m->n_containers, sizeof *m->containers);
    container *c = &m->containers[m->n_containers];
    *c = (container){0};
    append(c, items, n);
    return push(m, (value){.kind = kind, .at = m->n_containers++});
}

/* The container that the topmost value is, if it is of one of these kinds. */
static container *top_container(machine *m, enum kind a, enum kind b)
{
    const value *top = m->depth ? &m->stack[m->depth - 1] : NULL;
    if (!top || (top->kind != a && top->kind != b)) {
        broken(m, "what is to be filled is not a list or a dictionary");
        return NULL;
    }
    return &m->containers[top->at];
}

static int add_items(machine *m, const value *items, size_t n, bool pairs)
{
    if (!items)
        return -1;
    if (pairs && n % 2)
        return broken(m, "a key without a value");
    container *c = pairs ? top_container(m, DICT, ORDERED) : top_container(m, LIST, LIST);
    if (!c)
        return -1;
    if (n > MAX_STACK - (size_t)c->count)
        return fail(m->err, ERROR_LIMIT, "%s: a container of more than the limit of %u values at byte %zu", m->path, MAX_STACK, m->opcode);
    append(c, items, n);
    return 0;
}

static int push_text(machine *m, int length_bytes)
{
    uint64_t n;
    if (take_number(m, length_bytes, &n) != 0)
        return -1;
    value v = {.kind = TEXT, .at = (uint32_t)m->at, .number = (int64_t)n};
    return take(m, n) ? push(m, v) : -1;
}

static int push_long(machine *m)
{
    uint64_t n, bits;
    if (take_number(m, 1, &n) != 0)
        return -1;
    if (n > 8)
        return fail(m->err, ERROR_LIMIT, "%s: a number of %llu bytes at byte %zu; 8 are possible", m->path, (unsigned long long)n, m->opcode);
    if (take_number(m, (int)n, &bits) != 0)
        return -1;
    if (n && n < 8 && bits >> (8 * n - 1))
        bits |= ~(uint64_t)0 << 8 * n;
    return push_number(m, NUMBER, (int64_t)bits);
}

static int memoize(machine *m, uint64_t index)
{
    if (!m->depth || m->stack[m->depth - 1].kind == MARK)
        return broken(m, "there is nothing to remember");
    /* A pickle cannot remember more than it has bytes: what a stranger's number may take is bounded by what he sent. */
    if (index >= m->size)
        return fail(m->err, ERROR_FORMAT, "%s: the pickle remembers number %llu at byte %zu and has %zu bytes", m->path, (unsigned long long)index, m->opcode,
                    m->size);
    while (m->memo_count <= index) {
        m->memo = grow(m->memo, m->memo_count, sizeof *m->memo);
        m->memo[m->memo_count++] = (value){.kind = MARK};
    }
    m->memo[index] = m->stack[m->depth - 1];
    return 0;
}

static int recall(machine *m, int index_bytes)
{
    uint64_t index;
    if (take_number(m, index_bytes, &index) != 0)
        return -1;
    if (index >= m->memo_count || m->memo[index].kind == MARK)
        return broken(m, "it recalls what it never remembered");
    return push(m, m->memo[index]);
}

static int memoize_at(machine *m, int index_bytes)
{
    uint64_t index;
    return take_number(m, index_bytes, &index) == 0 ? memoize(m, index) : -1;
}

static bool same(const char *text, const char *bytes, size_t n)
{
    return strlen(text) == n && memcmp(text, bytes, n) == 0;
}

static int push_name(machine *m, const char *module, size_t module_bytes, const char *name, size_t name_bytes)
{
    for (uint32_t i = 0; i < sizeof names / sizeof *names; i++)
        if (same(names[i].module, module, module_bytes) && same(names[i].name, name, name_bytes))
            return push(m, (value){.kind = NAME, .at = i});
    return fail(m->err, ERROR_UNSUPPORTED, "%s: the pickle asks for '%.*s.%.*s' at byte %zu" HARM, m->path, (int)(module_bytes < 100 ? module_bytes : 100),
                module, (int)(name_bytes < 100 ? name_bytes : 100), name, m->opcode);
}

static int global_by_lines(machine *m)
{
    const char *text[2];
    size_t n[2];
    for (int i = 0; i < 2; i++) {
        const unsigned char *end = memchr(m->bytes + m->at, '\n', m->size - m->at);
        if (!end)
            return broken(m, "it was cut short");
        text[i] = (const char *)m->bytes + m->at;
        n[i] = (size_t)(end - m->bytes) - m->at;
        m->at += n[i] + 1;
    }
    return push_name(m, text[0], n[0], text[1], n[1]);
}

static int global_by_stack(machine *m)
{
    const value *v = pop(m, 2);
    if (!v)
        return -1;
    if (v[0].kind != TEXT || v[1].kind != TEXT)
        return broken(m, "a name should be two texts");
    return push_name(m, (const char *)m->bytes + v[0].at, (size_t)v[0].number, (const char *)m->bytes + v[1].at, (size_t)v[1].number);
}

/* ('storage', type, key, device, elements) */
static int push_storage(machine *m)
{
    const value *id = pop(m, 1);
    if (!id)
        return -1;
    const container *c = id->kind == TUPLE ? &m->containers[id->at] : NULL;
    const value *v = c ? c->items : NULL;
    if (!c || c->count != 5 || v[0].kind != TEXT || !same("storage", (const char *)m->bytes + v[0].at, (size_t)v[0].number) || v[1].kind != NAME ||
        (names[v[1].at].meaning != STORAGE_OF && names[v[1].at].meaning != UNTYPED_STORAGE) || v[2].kind != TEXT || v[3].kind != TEXT || v[4].kind != NUMBER)
        return fail(m->err, ERROR_UNSUPPORTED, "%s: opcode BINPERSID at byte %zu names something else than a storage" HARM, m->path, m->opcode);
    if (v[4].number < 0)
        return fail(m->err, ERROR_FORMAT, "%s: a storage of %lld elements at byte %zu", m->path, (long long)v[4].number, m->opcode);
    if (check_things(m) != 0)
        return -1;
    m->storages = grow(m->storages, m->n_storages, sizeof *m->storages);
    m->storages[m->n_storages] = (storage){.key = v[2], .elements = v[4].number, .name = v[1].at};
    return push(m, (value){.kind = STORAGE, .at = m->n_storages++});
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
        return broken(m, "a tensor and its storage do not agree whether they have a type");
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
    if (check_things(m) != 0)
        return -1;
    m->tensors = grow(m->tensors, m->n_tensors, sizeof *m->tensors);
    m->tensors[m->n_tensors] = (pickle_tensor){0};
    if (fill_tensor(m, v, typed, &m->tensors[m->n_tensors]) != 0)
        return -1;
    return push(m, (value){.kind = TENSOR, .at = m->n_tensors++});
}

static int reduce(machine *m)
{
    const value *v = pop(m, 2);
    if (!v)
        return -1;
    const container *args = v[1].kind == TUPLE ? &m->containers[v[1].at] : NULL;
    int meaning = v[0].kind == NAME && args ? (int)names[v[0].at].meaning : -1;
    if (meaning == ORDERED_DICT && args->count == 0)
        return push_container(m, ORDERED, NULL, 0);
    if (meaning == REBUILD_TENSOR || meaning == REBUILD_TYPED)
        return push_tensor(m, args, meaning == REBUILD_TYPED);
    if (meaning == REBUILD_PARAMETER && args->count == 3 && args->items[0].kind == TENSOR)
        return push(m, args->items[0]);
    return fail(m->err, ERROR_UNSUPPORTED, "%s: opcode REDUCE at byte %zu calls %s with %s" HARM, m->path, m->opcode,
                v[0].kind == NAME ? names[v[0].at].name : kind_names[v[0].kind], kind_names[v[1].kind]);
}

/* The attributes of an OrderedDict (a state dict's _metadata) are no part of the weights. */
static int build(machine *m)
{
    const value *v = pop(m, 2);
    if (!v)
        return -1;
    if (v[0].kind == ORDERED && v[1].kind == DICT)
        return push(m, v[0]);
    return fail(m->err, ERROR_UNSUPPORTED, "%s: opcode BUILD at byte %zu sets attributes of %s" HARM, m->path, m->opcode, kind_names[v[0].kind]);
}

static int refuse_opcode(const machine *m, unsigned char opcode)
{
    static const struct {
        unsigned char opcode;
        const char *name;
    } calling[] = {{'i', "INST"}, {'o', "OBJ"}, {0x81, "NEWOBJ"}, {0x92, "NEWOBJ_EX"}, {'P', "PERSID"}, {0x82, "EXT1"}, {0x83, "EXT2"}, {0x84, "EXT4"}};
    for (size_t i = 0; i < sizeof calling / sizeof *calling; i++)
        if (calling[i].opcode == opcode)
            return fail(m->err, ERROR_UNSUPPORTED, "%s: opcode %s at byte %zu of the pickle" HARM, m->path, calling[i].name, m->opcode);
    return fail(m->err, ERROR_UNSUPPORTED, "%s: opcode 0x%02x at byte %zu of the pickle, which no dictionary of tensors needs; not opened", m->path, opcode,
                m->opcode);
}

static int read_protocol(machine *m)
{
    uint64_t protocol;
    if (take_number(m, 1, &protocol) != 0)
        return -1;
    return protocol <= NEWEST_PROTOCOL ? 0
                                       : fail(m->err, ERROR_UNSUPPORTED, "%s: pickle protocol %llu, newer than %d", m->path, (unsigned long long)protocol,
                                              NEWEST_PROTOCOL);
}

static int push_int32(machine *m)
{
    uint64_t n;
    return take_number(m, 4, &n) == 0 ? push_number(m, NUMBER, (int32_t)(uint32_t)n) : -1;
}

static int push_unsigned(machine *m, int bytes)
{
    uint64_t n;
    return take_number(m, bytes, &n) == 0 ? push_number(m, NUMBER, (int64_t)n) : -1;
}

static int push_tuple(machine *m, size_t n)
{
    const value *v = pop(m, n);
    return v ? push_container(m, TUPLE, v, n) : -1;
}

static int push_tuple_to_mark(machine *m)
{
    size_t n;
    const value *v = pop_to_mark(m, &n);
    return v ? push_container(m, TUPLE, v, n) : -1;
}

static int add_to_mark(machine *m, bool pairs)
{
    size_t n;
    const value *v = pop_to_mark(m, &n);
    return v ? add_items(m, v, n, pairs) : -1;
}

static int step(machine *m, unsigned char opcode)
{
    switch (opcode) {
    case 0x80: return read_protocol(m);
    case 0x95: return take(m, 8) ? 0 : -1;                              /* FRAME: how it was sent */
    case 'c': return global_by_lines(m);
    case 0x93: return global_by_stack(m);
    case 'Q': return push_storage(m);
    case 'R': return reduce(m);
    case 'b': return build(m);
    case '(': return push(m, (value){.kind = MARK});
    case ')': return push_container(m, TUPLE, NULL, 0);
    case ']': return push_container(m, LIST, NULL, 0);
    case '}': return push_container(m, DICT, NULL, 0);
    case 't': return push_tuple_to_mark(m);
    case 0x85: case 0x86: case 0x87: return push_tuple(m, opcode - 0x84u);
    case 'a': return add_items(m, pop(m, 1), 1, false);
    case 'e': return add_to_mark(m, false);
    case 's': return add_items(m, pop(m, 2), 2, true);
    case 'u': return add_to_mark(m, true);
    case 'q': return memoize_at(m, 1);
    case 'r': return memoize_at(m, 4);
    case 0x94: return memoize(m, m->memo_count);
    case 'h': return recall(m, 1);
    case 'j': return recall(m, 4);
    case 'K': return push_unsigned(m, 1);
    case 'M': return push_unsigned(m, 2);
    case 'J': return push_int32(m);
    case 0x8a: return push_long(m);
    case 'G': return take(m, 8) ? push(m, (value){.kind = REAL}) : -1;
    case 'N': return push(m, (value){.kind = NOTHING});
    case 0x88: case 0x89: return push_number(m, TRUTH, opcode == 0x88);
    case 'X': return push_text(m, 4);
    case 0x8c: return push_text(m, 1);
    case 0x8d: return push_text(m, 8);
    default: return refuse_opcode(m, opcode);
    }
}

static int run(machine *m)
{
    for (;;) {
        m->opcode = m->at;
        const unsigned char *opcode = take(m, 1);
        if (!opcode)
            return -1;
        if (*opcode == '.')
            break;
        if (step(m, *opcode) != 0)
            return -1;
    }
    if (m->at != m->size)
        return fail(m->err, ERROR_FORMAT, "%s: %zu bytes behind the end of the pickle", m->path, m->size - m->at);
    return m->depth == 1 && m->stack[0].kind != MARK ? 0 : broken(m, "it ends with a stack that does not hold one value");
}

static const container *dictionary(const machine *m, value v)
{
    return v.kind == DICT || v.kind == ORDERED ? &m->containers[v.at] : NULL;
}

static const container *find_state(const machine *m)
{
    const container *top = dictionary(m, m->stack[0]);
    for (uint32_t i = 0; top && i + 1 < top->count; i += 2) {
        const value *key = &top->items[i];
        if (key->kind == TEXT && same("state_dict", (const char *)m->bytes + key->at, (size_t)key->number) && dictionary(m, key[1]))
            return dictionary(m, key[1]);
    }
    if (!top)
        fail(m->err, ERROR_UNSUPPORTED, "%s: holds %s, not a dictionary of tensors", m->path, kind_names[m->stack[0].kind]);
    return top;
}

static int read_item(const machine *m, const value *pair, pickle_item *out)
{
    if (pair[0].kind != TEXT)
        return fail(m->err, ERROR_FORMAT, "%s: a tensor's name is %s, not a text", m->path, kind_names[pair[0].kind]);
    json_t *name = json_stringn((const char *)m->bytes + pair[0].at, (size_t)pair[0].number);
    if (!name || strlen(json_string_value(name)) != (size_t)pair[0].number) {
        json_decref(name);
        return fail(m->err, ERROR_FORMAT, "%s: the tensor's name at byte %u of the pickle is not UTF-8 or holds a NUL", m->path, pair[0].at);
    }
    out->name = memory_text(json_string_value(name));
    json_decref(name);
    if (pair[1].kind != TENSOR)
        return fail(m->err, ERROR_UNSUPPORTED, "%s: '%s' is %s, not a tensor (read are a dictionary of tensors, and one under 'state_dict')", m->path,
                    out->name, kind_names[pair[1].kind]);
    out->tensor = m->tensors[pair[1].at];
    return 0;
}

static int read_items(const machine *m, pickle_item **items, size_t *count)
{
    const container *state = find_state(m);
    if (!state)
        return -1;
    if (state->count / 2 > MAX_TENSORS)
        return fail(m->err, ERROR_LIMIT, "%s: %u tensors, more than the limit of %u", m->path, state->count / 2, MAX_TENSORS);
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
    int status = run(&m) == 0 ? read_items(&m, items, count) : -1;
    for (uint32_t i = 0; i < m.n_containers; i++)
        free(m.containers[i].items);
    free(m.containers);
    free(m.storages);
    free(m.tensors);
    free(m.stack);
    free(m.memo);
    return status;
}

void pickle_free(pickle_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(items[i].name);
    free(items);
}
