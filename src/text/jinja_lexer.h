/* The text of a template as tokens, one after the other. */
#ifndef TEXT_JINJA_LEXER_H
#define TEXT_JINJA_LEXER_H

#include <stdbool.h>

#include "base/error.h"
#include "base/memory.h"
#include "text/jinja.h"
#include "text/jinja_value.h"

enum jtoken_kind {
    T_END, T_DATA, T_PRINT_BEGIN, T_PRINT_END, T_BLOCK_BEGIN, T_BLOCK_END, T_NAME, T_TEXT, T_INT, T_FLOAT,
    T_ADD, T_SUB, T_MUL, T_DIV, T_FLOORDIV, T_MOD, T_POW, T_TILDE, T_EQ, T_NE, T_LT, T_LE, T_GT, T_GE, T_ASSIGN, T_DOT, T_COMMA, T_COLON,
    T_SEMICOLON, T_PIPE, T_LPAREN, T_RPAREN, T_LBRACKET, T_RBRACKET, T_LBRACE, T_RBRACE,
};

typedef struct jtoken {
    enum jtoken_kind kind;
    const char *s;               /* [n] as it stands in the template (DATA: without the white space that a tag strips); the lexer's */
    size_t n;
    int line, column;            /* from 1; a column is a character */
    jvalue literal;              /* of TEXT, INT, FLOAT; in the arena */
} jtoken;

typedef struct jlexer {
    const char *name, *text;     /* text [n]: "\n" ends a line; borrowed */
    size_t n, at;
    enum { LEX_ROOT, LEX_PRINT, LEX_BLOCK } mode;
    bool trim, line_starting;    /* trim: the white space of JINJA_CHAT; line_starting: a tag before ended with a newline */
    int line, column;            /* of `at` */
    char open[JINJA_NESTING_LIMIT];   /* brackets that wait for their closing one */
    int n_open;
    jarena *arena;
} jlexer;

/* The next token; T_END again and again at the end. -1 and *err on failure. */
int jlexer_next(jlexer *l, jtoken *out, error *err);

/* The same text with "\n" for "\r\n" and "\r", and in JINJA_CHAT without one newline at the end; in the arena. */
const char *jlexer_prepare(jarena *a, const char *text, size_t *n, enum jinja_setting setting);

const char *jtoken_kind_name(enum jtoken_kind kind);   /* "','" */

/* jinja_literal.c: the text between two quotes [n], with its escapes undone. */
int jliteral_text(jlexer *l, const char *s, size_t n, jvalue *out, error *err);
/* The number that begins at s [n bytes]; *used is 0 where none does. */
int jliteral_number(jlexer *l, const char *s, size_t n, size_t *used, jtoken *out, error *err);

int jlexer_fail(const jlexer *l, error *err, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
