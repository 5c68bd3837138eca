/* The stack machine of pickle.c: values, what holds them, and what its opcodes share. */
#ifndef TENSOR_PICKLE_MACHINE_H
#define TENSOR_PICKLE_MACHINE_H

#include "tensor/pickle.h"

#define PICKLE_MAX_TENSORS 1000000u
#define PICKLE_HARM "; this could run code, so the file is not opened (convert the model to safetensors where you trust it)"

enum kind { MARK, NOTHING, TRUTH, NUMBER, REAL, TEXT, TUPLE, LIST, DICT, ORDERED, NAME, STORAGE, TENSOR };
extern const char *const pickle_kind_names[];   /* for messages */

typedef struct value {
    enum kind kind;
    uint32_t at;       /* TEXT: its place in the pickle; containers, storages and tensors: which; NAME: which of those that are known */
    int64_t number;    /* TEXT: its bytes */
} value;

typedef struct container {
    value *items;      /* [count] owned; of a dictionary: key, value, key, value, ... */
    uint32_t count, room;
} container;

typedef struct storage {
    value key;
    int64_t elements;
    uint32_t name;     /* its type */
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

/* pickle_machine.c: the whole pickle, to its end. Whatever comes of it, free the machine. */
int pickle_run(machine *m);
void pickle_machine_free(machine *m);

int pickle_push(machine *m, value v);
int pickle_push_container(machine *m, enum kind kind, const value *items, size_t n);
value *pickle_pop(machine *m, size_t n);                         /* the topmost n, which stay where they are until the next push; NULL on error */
void *pickle_grow(void *array, size_t count, size_t size);       /* room for one more in an array that grows by doubling */
int pickle_check_things(const machine *m);                       /* whether one more may be made */
int pickle_broken(const machine *m, const char *what);
bool pickle_same(const char *text, const char *bytes, size_t n);

/* pickle_rebuild.c: the opcodes that could call something. */
int pickle_push_name(machine *m, const char *module, size_t module_bytes, const char *name, size_t name_bytes);
int pickle_push_storage(machine *m);
int pickle_reduce(machine *m);
int pickle_build(machine *m);

#endif
