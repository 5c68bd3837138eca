/* Invariants
 * 1. Memory grows by at most a constant for each byte of the pickle: values are copied between stack, memo and containers as 16 bytes,
 *    texts stay in the pickle.
 * 2. Containers may hold one another in any way, themselves too: nothing here walks them deeper than the two levels of a state dict. */
#include "tensor/pickle_machine.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define MAX_STACK 4000000u
#define MAX_THINGS 8000000u      /* containers, storages, tensors */
#define NEWEST_PROTOCOL 5

const char *const pickle_kind_names[] = {"a mark", "None", "a truth value", "a number", "a real number", "a text", "a tuple", "a list", "a dictionary",
                                         "a dictionary", "a name", "a storage", "a tensor"};

/* Room for one more in an array that grows by doubling. */
void *pickle_grow(void *array, size_t count, size_t size)
{
    bool full = count == 0 || (count & (count - 1)) == 0;
    return full ? memory_grow(array, count ? 2 * count : 1, size) : array;
}

int pickle_broken(const machine *m, const char *what)
{
    return fail(m->err, ERROR_FORMAT, "%s: the pickle is broken at byte %zu: %s", m->path, m->opcode, what);
}

static const unsigned char *take(machine *m, size_t n)
{
    if (n > m->size - m->at) {
        pickle_broken(m, "it was cut short");
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

int pickle_push(machine *m, value v)
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
    return pickle_push(m, (value){.kind = kind, .number = number});
}

int pickle_check_things(const machine *m)
{
    if ((uint64_t)m->n_containers + m->n_storages + m->n_tensors >= MAX_THINGS || m->n_tensors >= PICKLE_MAX_TENSORS)
        return fail(m->err, ERROR_LIMIT, "%s: the pickle makes more than the limit of %u things or %u tensors at byte %zu", m->path, MAX_THINGS, PICKLE_MAX_TENSORS,
                    m->opcode);
    return 0;
}

/* The topmost n values, which stay where they are until the next push. */
value *pickle_pop(machine *m, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (i >= m->depth || m->stack[m->depth - 1 - i].kind == MARK) {
            pickle_broken(m, "the stack holds too little");
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
        pickle_broken(m, "there is no mark on the stack");
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

int pickle_push_container(machine *m, enum kind kind, const value *items, size_t n)
{
    if (pickle_check_things(m) != 0)
        return -1;
    m->containers = pickle_grow(m->containers, m->n_containers, sizeof *m->containers);
    container *c = &m->containers[m->n_containers];
    *c = (container){0};
    append(c, items, n);
    return pickle_push(m, (value){.kind = kind, .at = m->n_containers++});
}

/* The container that the topmost value is, if it is of one of these kinds. */
static container *top_container(machine *m, enum kind a, enum kind b)
{
    const value *top = m->depth ? &m->stack[m->depth - 1] : NULL;
    if (!top || (top->kind != a && top->kind != b)) {
        pickle_broken(m, "what is to be filled is not a list or a dictionary");
        return NULL;
    }
    return &m->containers[top->at];
}

static int add_items(machine *m, const value *items, size_t n, bool pairs)
{
    if (!items)
        return -1;
    if (pairs && n % 2)
        return pickle_broken(m, "a key without a value");
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
    return take(m, n) ? pickle_push(m, v) : -1;
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
        return pickle_broken(m, "there is nothing to remember");
    /* A pickle cannot remember more than it has bytes: what a stranger's number may take is bounded by what he sent. */
    if (index >= m->size)
        return fail(m->err, ERROR_FORMAT, "%s: the pickle remembers number %llu at byte %zu and has %zu bytes", m->path, (unsigned long long)index, m->opcode,
                    m->size);
    while (m->memo_count <= index) {
        m->memo = pickle_grow(m->memo, m->memo_count, sizeof *m->memo);
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
        return pickle_broken(m, "it recalls what it never remembered");
    return pickle_push(m, m->memo[index]);
}

static int memoize_at(machine *m, int index_bytes)
{
    uint64_t index;
    return take_number(m, index_bytes, &index) == 0 ? memoize(m, index) : -1;
}

bool pickle_same(const char *text, const char *bytes, size_t n)
{
    return strlen(text) == n && memcmp(text, bytes, n) == 0;
}

static int global_by_lines(machine *m)
{
    const char *text[2];
    size_t n[2];
    for (int i = 0; i < 2; i++) {
        const unsigned char *end = memchr(m->bytes + m->at, '\n', m->size - m->at);
        if (!end)
            return pickle_broken(m, "it was cut short");
        text[i] = (const char *)m->bytes + m->at;
        n[i] = (size_t)(end - m->bytes) - m->at;
        m->at += n[i] + 1;
    }
    return pickle_push_name(m, text[0], n[0], text[1], n[1]);
}

static int global_by_stack(machine *m)
{
    const value *v = pickle_pop(m, 2);
    if (!v)
        return -1;
    if (v[0].kind != TEXT || v[1].kind != TEXT)
        return pickle_broken(m, "a name should be two texts");
    return pickle_push_name(m, (const char *)m->bytes + v[0].at, (size_t)v[0].number, (const char *)m->bytes + v[1].at, (size_t)v[1].number);
}

static int refuse_opcode(const machine *m, unsigned char opcode)
{
    static const struct {
        unsigned char opcode;
        const char *name;
    } calling[] = {{'i', "INST"}, {'o', "OBJ"}, {0x81, "NEWOBJ"}, {0x92, "NEWOBJ_EX"}, {'P', "PERSID"}, {0x82, "EXT1"}, {0x83, "EXT2"}, {0x84, "EXT4"}};
    for (size_t i = 0; i < sizeof calling / sizeof *calling; i++)
        if (calling[i].opcode == opcode)
            return fail(m->err, ERROR_UNSUPPORTED, "%s: opcode %s at byte %zu of the pickle" PICKLE_HARM, m->path, calling[i].name, m->opcode);
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
    const value *v = pickle_pop(m, n);
    return v ? pickle_push_container(m, TUPLE, v, n) : -1;
}

static int push_tuple_to_mark(machine *m)
{
    size_t n;
    const value *v = pop_to_mark(m, &n);
    return v ? pickle_push_container(m, TUPLE, v, n) : -1;
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
    case 'Q': return pickle_push_storage(m);
    case 'R': return pickle_reduce(m);
    case 'b': return pickle_build(m);
    case '(': return pickle_push(m, (value){.kind = MARK});
    case ')': return pickle_push_container(m, TUPLE, NULL, 0);
    case ']': return pickle_push_container(m, LIST, NULL, 0);
    case '}': return pickle_push_container(m, DICT, NULL, 0);
    case 't': return push_tuple_to_mark(m);
    case 0x85: case 0x86: case 0x87: return push_tuple(m, opcode - 0x84u);
    case 'a': return add_items(m, pickle_pop(m, 1), 1, false);
    case 'e': return add_to_mark(m, false);
    case 's': return add_items(m, pickle_pop(m, 2), 2, true);
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
    case 'G': return take(m, 8) ? pickle_push(m, (value){.kind = REAL}) : -1;
    case 'N': return pickle_push(m, (value){.kind = NOTHING});
    case 0x88: case 0x89: return push_number(m, TRUTH, opcode == 0x88);
    case 'X': return push_text(m, 4);
    case 0x8c: return push_text(m, 1);
    case 0x8d: return push_text(m, 8);
    default: return refuse_opcode(m, opcode);
    }
}

int pickle_run(machine *m)
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
    return m->depth == 1 && m->stack[0].kind != MARK ? 0 : pickle_broken(m, "it ends with a stack that does not hold one value");
}

void pickle_machine_free(machine *m)
{
    for (uint32_t i = 0; i < m->n_containers; i++)
        free(m->containers[i].items);
    free(m->containers);
    free(m->storages);
    free(m->tensors);
    free(m->stack);
    free(m->memo);
}
