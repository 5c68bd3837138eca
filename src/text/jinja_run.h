/* A template while it is rendered. Functions that can fail return -1 (or NULL) with the error in r->err. */
#ifndef TEXT_JINJA_RUN_H
#define TEXT_JINJA_RUN_H

#include "text/jinja_syntax.h"

struct jinja {
    char *name;                  /* owned */
    enum jinja_setting setting;
    jarena arena;                /* of the nodes and their texts */
    jbody body;
    const char *loop_name, *varargs_name, *kwargs_name, *caller_name;   /* at the addresses that its nodes know */
    struct tm clock;
    bool has_clock;
};

typedef struct jvariable { const char *name; jvalue value; } jvariable;

/* What names mean at a place: a macro's, a loop turn's, a block's. */
typedef struct jframe {
    struct jframe *outer;        /* where it stands in the template; NULL: of the template itself */
    jvariable *variables;        /* [count] */
    size_t count, capacity;
    bool kept;                   /* a macro was defined here, or further in: its names may be asked for later */
} jframe;

typedef struct jrun {
    const jinja *source;
    jarena arena;
    string out;                  /* the text so far; what a macro prints stands at its end until it is taken */
    const jnode *at;             /* what is evaluated: where errors happen */
    const jdict *variables;      /* the caller's */
    jframe *frame;
    size_t steps;
    int depth;
    error *err;
} jrun;

typedef struct jloop {
    const jvalue *items;         /* [count] */
    size_t count, at;
    int depth0;                  /* loops that this one was called from */
    const jnode *node;
    jframe *frame;               /* around the loop */
    bool has_changed;
    jvalue changed;              /* what loop.changed was told last */
} jloop;

typedef struct jmacro {
    const jnode *node;
    jframe *frame;               /* where it was defined */
} jmacro;

/* Arguments of a call. */
typedef struct jargs {
    const jvalue *items;         /* [count] */
    size_t count;
    const char *const *names;    /* [n_named] */
    const jvalue *named;
    size_t n_named;
} jargs;

/* A filter, a test, a method or a function by its name. */
typedef struct jrow {
    const char *name;
    int (*run)(jrun *r, jvalue self, const jargs *a, jvalue *out);
    const char *parameters;      /* "old new count": then a->items has one for each, J_ABSENT where it was not given; NULL: any arguments */
    size_t least;                /* of these that have to be given */
} jrow;

typedef struct jmethod { jvalue self; const jrow *row; } jmethod;

/* ---- jinja_run.c: limits, memory, output */
int jfail(jrun *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
int jfail_code(jrun *r, enum error_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));
int jfail_type(jrun *r, const char *format, jvalue v);         /* format: one %s, which becomes the type's name; undefined tells itself */
int jstep(jrun *r, size_t n);                                  /* work of n steps; -1 beyond the limit */
int jenter(jrun *r);                                           /* one level deeper; r->depth-- undoes it */
void *jnew(jrun *r, size_t n);
char *jbytes(jrun *r, size_t n);                               /* for text; counts as work */
char *jbytes_growing(jrun *r, size_t n);                       /* the same of a text that may be extended */
const char *jprint_text(jrun *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
int jput(jrun *r, const char *s, size_t n);                    /* output */
int jputs(jrun *r, const char *s);
int jtake(jrun *r, size_t mark, jvalue *out);                  /* what stands behind r->out's first `mark` bytes, as a text, is taken out */
int jlist_make(jrun *r, enum jtype type, size_t capacity, jvalue *out);   /* with items for capacity and count 0 */
int jlist_append(jrun *r, jlist *l, size_t *capacity, jvalue v);
int jdict_make(jrun *r, jvalue *out);
int jdict_put(jrun *r, jdict *d, jvalue key, jvalue v);        /* a key that cannot be one is an error */
int jundefined(const char *why, jvalue *out);                  /* -1 where why is NULL: there was no memory for it */
bool jis_strict(const jrun *r, jvalue v);                      /* undefined where any use of it is an error */
extern const char jno_else[];                                  /* why an x if y without else is undefined: never strict */
int jrefuse_undefined(jrun *r, jvalue v);                      /* its error */
int jfrom_json(jrun *r, const json_t *json, jvalue *out);

/* ---- jinja_print.c: str and repr */
int jput_value(jrun *r, jvalue v);
int jput_repr(jrun *r, jvalue v);
int jto_text(jrun *r, jvalue v, jvalue *out);                  /* str(v) */
int jput_whole(jrun *r, jwhole x);
void jformat_real(double x, char out[40]);                     /* repr of a float */

/* ---- jinja_operator.c */
int jtruth(jrun *r, jvalue v, bool *out);
int jequal(jrun *r, jvalue a, jvalue b, bool *out);
int jorder(jrun *r, const char *op, jvalue a, jvalue b, int *out);   /* *out -1, 0, 1; 2 for NaN */
int jcontains(jrun *r, jvalue item, jvalue in, bool *out);
int jcompare(jrun *r, int op, jvalue a, jvalue b, bool *out);
int jconcat(jrun *r, jvalue a, jvalue b, jvalue *out);         /* of two texts */

/* ---- jinja_arithmetic.c */
int jbinary(jrun *r, int op, jvalue a, jvalue b, jvalue *out);
int jnegate(jrun *r, jvalue v, bool negative, jvalue *out);
bool jwhole_of(jvalue v, jwhole *out);                         /* bool or int */
double jreal_of(jvalue number);
int jwhole_from_real(jrun *r, double x, jwhole *out);
int jrepeat(jrun *r, jvalue v, jwhole times, jvalue *out);     /* text, list, tuple */

/* ---- jinja_sequence.c */
int jitems(jrun *r, jvalue v, const jvalue **items, size_t *count);   /* what a loop walks; of a generator the rest, which is taken */
int jlength(jrun *r, jvalue v, size_t *out);
int jsubscript(jrun *r, jvalue v, jvalue key, jvalue *out);    /* v[key] */
int jslice(jrun *r, jvalue v, const jvalue parts[3], jvalue *out);
int jsort(jrun *r, jvalue *items, const jvalue *keys, size_t n, bool reverse);   /* stable; items move with their keys */

/* ---- jinja_methods.c */
int jpair(jrun *r, jvalue first, jvalue second, jvalue *out);          /* a tuple */
int jdict_items(jrun *r, jvalue dict, const jargs *none, jvalue *out);

/* ---- jinja_attribute.c */
int jattribute(jrun *r, jvalue v, const char *name, jvalue *out);     /* v.name */
int jattribute_path(jrun *r, jvalue v, jvalue path, const jvalue *standard, jvalue *out);   /* "a.b.0" of a filter's attribute=; None: v itself */

/* ---- jinja_evaluate.c */
int jevaluate(jrun *r, const jnode *n, jvalue *out);
int jevaluate_call(jrun *r, const jnode *call, const jvalue *caller, jvalue *out);   /* with caller=*caller */
int jfilters(jrun *r, const jnode *chain, jvalue innermost, jvalue *out);        /* of a block: the chain's last left is NULL */

/* ---- jinja_call.c */
int jcall_value(jrun *r, jvalue f, const jargs *a, jvalue *out);
int jcall_row(jrun *r, const jrow *row, jvalue self, const jargs *a, jvalue *out);
int jcall_filter(jrun *r, const char *name, jvalue v, const jargs *a, jvalue *out);
int jcall_test(jrun *r, const char *name, jvalue v, const jargs *a, bool *out);
const jvalue *jargs_named(const jargs *a, const char *name);   /* NULL: not given */
/* Bound arguments by type; one that was not given leaves *out as it is. */
int jarg_text(jrun *r, const jargs *a, size_t i, jvalue *out);
int jarg_int(jrun *r, const jargs *a, size_t i, int64_t *out); /* None is as if not given */
int jarg_truth(jrun *r, const jargs *a, size_t i, bool *out);

/* ---- jinja_render.c */
int jrender_body(jrun *r, const jbody *body);                  /* 0, -1, or a JINJA_BREAK, JINJA_CONTINUE */
int jrender_loop(jrun *r, const jnode *n, jvalue over, int depth0);
int jassign(jrun *r, const jnode *target, jvalue v);
int jframe_set(jrun *r, jframe *f, const char *name, jvalue v);
jframe *jframe_new(jrun *r, jframe *outer);
int jcall_macro(jrun *r, const jmacro *m, const jargs *a, jvalue *out);
#define JINJA_BREAK 1
#define JINJA_CONTINUE 2

/* ---- the tables, each ended by a row without a name */
const jrow *jrow_find(const jrow *table, const char *name);
const jrow *jfilter_find(const jrun *r, const char *name);     /* jinja_filters.c */
const jrow *jtest_find(const char *name);                      /* jinja_tests.c */
const jrow *jfunction_find(const jrun *r, const char *name);   /* jinja_functions.c */
extern const jrow jtext_methods[], jtext_kind_methods[], jlist_methods[], jdict_methods[], jloop_methods[];
extern const jrow jtext_filters[], jlist_filters[], jselect_filters[], jnumber_filters[];

/* ---- jinja_format.c: "%s" % values */
int jformat_braces(jrun *r, jvalue self, const jargs *a, jvalue *out);      /* jinja_format_braces.c: str.format */
int jformat_percent(jrun *r, jvalue format, const jargs *a, jvalue *out);   /* a: positional, or named for %(name)s */

/* ---- jinja_json.c */
int jtojson(jrun *r, jvalue self, const jargs *a, jvalue *out);

/* ---- jinja_regex.c: re.sub */
int jregex_replace(jrun *r, jvalue self, const jargs *a, jvalue *out);

#endif
