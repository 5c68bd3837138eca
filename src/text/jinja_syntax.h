/* A parsed template. */
#ifndef TEXT_JINJA_SYNTAX_H
#define TEXT_JINJA_SYNTAX_H

#include "text/jinja_lexer.h"

/* What the fields of a node hold, by its kind; others are zero. */
enum jkind {
    /* expressions */
    N_LITERAL,      /* literal */
    N_NAME,         /* name */
    N_LIST, N_TUPLE,/* items */
    N_DICT,         /* items: key, value, key, value, ... */
    N_ATTRIBUTE,    /* left.name */
    N_SUBSCRIPT,    /* left[right] */
    N_SLICE,        /* left[items[0]:items[1]:items[2]], NULL where left out */
    N_CALL,         /* left(call) */
    N_FILTER,       /* left | name(call); left NULL: what a block holds */
    N_TEST,         /* left is name(call) */
    N_CONDITION,    /* left if right else third (NULL: undefined) */
    N_OR, N_AND,    /* left, right */
    N_NOT, N_NEGATIVE, N_POSITIVE,   /* left */
    N_COMPARE,      /* left op right, items: the further operands, each an N_OPERAND */
    N_OPERAND,      /* op right */
    N_BINARY,       /* left op right */
    N_CONCAT,       /* items */
    /* statements */
    N_DATA,         /* literal */
    N_PRINT,        /* items */
    N_IF,           /* left: the condition, body; items: the elifs, each an N_IF; otherwise */
    N_FOR,          /* target (right) in left if third: body, otherwise; op: recursive */
    N_SET,          /* right = left; left NULL: right = body through the filters of third */
    N_NAMESPACE,    /* as a target: name.literal */
    N_WITH,         /* items: target, value, target, value, ...; body */
    N_MACRO,        /* name(parameters): body */
    N_CALL_BLOCK,   /* left: the call, name "caller", parameters, body */
    N_FILTER_BLOCK, /* third, body */
    N_SCOPE,        /* body */
    N_BREAK, N_CONTINUE,
};

typedef struct jnode jnode;
typedef struct jbody { jnode **items; size_t count; } jbody;

typedef struct jcall {
    jbody positional, named;
    const char **names;          /* [named.count] */
    jnode *list, *map;           /* *list, **map; or NULL */
} jcall;

typedef struct jparameters {
    const char **names;          /* [count] */
    jnode **standards;           /* [count] NULL: none */
    size_t count;
    bool has_rest, has_named, has_caller;   /* the body speaks of varargs, kwargs, caller */
} jparameters;

struct jnode {
    enum jkind kind;
    int op;                      /* an enum jtoken_kind; of N_OPERAND and N_COMPARE also T_NAME ("in") and T_TEXT ("not in") */
    int depth;                   /* 1 + the deepest of its children's */
    int line, column;
    const char *name;            /* one address for equal names of a template */
    jvalue literal;
    jnode *left, *right, *third;
    jbody items, body, otherwise;
    jcall *call;
    jparameters *parameters;
};

typedef struct jparser {
    jlexer lexer;
    jtoken now, then;
    enum jinja_setting setting;
    jarena *arena;
    const char **names;          /* [n_slots] the names so far by hash, owned */
    size_t n_names, n_slots;
    int nesting, loops;          /* loops: around this place, in this macro */
    error *err;
} jparser;

/* jinja_parser.c: expressions. Each returns NULL, or -1, with *err set on failure. */
jnode *jparse_expression(jparser *p);
jnode *jparse_tuple(jparser *p, bool with_condition, const char *end_word);   /* end_word: a name that ends it too, or NULL */
jnode *jparse_primary(jparser *p, bool as_target);
jnode *jparse_filters(jparser *p, jnode *left, bool first_without_pipe);      /* NULL where there are none, too: look at err->code */
jnode *jparse_list_of(jparser *p, jnode *(*parse)(jparser *), const char *end_word, bool parentheses);

/* jinja_statement.c */
int jparse_template(jparser *p, jbody *out);

/* What both use. */
int jparser_next(jparser *p);
bool jparser_is(const jparser *p, enum jtoken_kind kind);
bool jparser_is_word(const jparser *p, const char *word);                     /* the current token is this name */
int jparser_skip(jparser *p, enum jtoken_kind kind);                          /* 1: it was there; 0; -1 */
int jparser_skip_word(jparser *p, const char *word);
int jparser_expect(jparser *p, enum jtoken_kind kind);
const char *jparser_name(jparser *p);                                         /* takes a name */
const char *jparser_intern(jparser *p, const char *s, size_t n);
jnode *jparser_node(jparser *p, enum jkind kind, const jtoken *at);
int jparser_add(jparser *p, jbody *body, size_t *capacity, jnode *node);
int jparser_deepen(jparser *p, jnode *node, const jnode *child);
int jparser_enter(jparser *p);
int jparser_fail(jparser *p, const jtoken *at, const char *format, ...) __attribute__((format(printf, 3, 4)));
const char *jparser_describe(const jtoken *t, char text[80]);

#endif
