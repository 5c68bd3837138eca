/* The rules of Jinja2 3.1's lexer, which are regular expressions, by hand. */
#include "text/jinja_lexer.h"

#include <stdio.h>
#include <string.h>

#include "text/jinja_text.h"
#include "text/utf8.h"

int jlexer_fail(const jlexer *l, error *err, const char *format, ...)
{
    char what[600];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return fail(err, ERROR_FORMAT, "%s:%d:%d: %s", l->name, l->line, l->column, what);
}

const char *jlexer_prepare(jarena *a, const char *text, size_t *n, enum jinja_setting setting)
{
    char *copy = jarena_bytes(a, *n + 1);
    size_t made = 0;
    for (size_t i = 0; copy && i < *n; i++) {
        copy[made++] = text[i] == '\r' ? '\n' : text[i];
        if (text[i] == '\r' && i + 1 < *n && text[i + 1] == '\n')
            i++;
    }
    if (setting == JINJA_CHAT && made && copy[made - 1] == '\n')
        made--;
    *n = made;
    return copy;
}

/* ---- moving on */

static void advance(jlexer *l, size_t n)
{
    for (size_t end = l->at + n; l->at < end; l->at++) {
        if (l->text[l->at] == '\n') {
            l->line++;
            l->column = 1;
        } else if (((unsigned char)l->text[l->at] & 0xC0) != 0x80) {
            l->column++;
        }
    }
}

static bool begins(const jlexer *l, size_t at, const char *what)
{
    size_t n = strlen(what);
    return at + n <= l->n && memcmp(l->text + at, what, n) == 0;
}

/* Length of the white space at `at`. */
static size_t space(const jlexer *l, size_t at)
{
    return jtext_space(l->text + at, l->n - at);
}

/* The end of a tag that closes with `close` at `at`: 0 where it is not there. With a minus the white space behind goes, in blocks
 * and comments of JINJA_CHAT one newline; a plus keeps it. */
static size_t closing(const jlexer *l, size_t at, const char *close, bool block)
{
    size_t n = strlen(close);
    bool sign = at < l->n && (l->text[at] == '-' || (block && l->text[at] == '+'));
    if (sign && begins(l, at + 1, close))
        return 1 + n + (l->text[at] == '-' ? space(l, at + 1 + n) : 0);
    if (!begins(l, at, close))
        return 0;
    return n + (block && l->trim && begins(l, at + n, "\n"));
}

/* {% raw %} or {% endraw %} at `at`: its length, 0 where it is not there. *sign is that of its beginning. */
static size_t raw_tag(const jlexer *l, size_t at, const char *word, bool ends, char *sign)
{
    size_t begin = at;
    if (!begins(l, at, "{%"))
        return 0;
    at += 2;
    *sign = at < l->n && (l->text[at] == '-' || l->text[at] == '+') ? l->text[at++] : 0;
    at += space(l, at);
    if (!begins(l, at, word))
        return 0;
    at += strlen(word);
    at += space(l, at);
    size_t close = closing(l, at, "%}", ends);
    return close ? at + close - begin : 0;
}

/* ---- text outside of tags */

/* Cuts the white space that the tag behind s [n] strips. */
static size_t strip(const jlexer *l, const char *s, size_t n, char sign, bool block)
{
    if (sign == '-')
        return jtext_strip_right(s, n);
    if (sign == '+' || !l->trim || !block)
        return n;
    const char *newline = memrchr(s, '\n', n);
    size_t begin = newline ? (size_t)(newline - s) + 1 : 0;
    if (!newline && !l->line_starting)
        return n;
    return jtext_space(s + begin, n - begin) == n - begin ? begin : n;
}

/* The part of {% raw %} between its tags, which has `length` bytes. */
static int lex_raw(jlexer *l, size_t length, jtoken *out, error *err)
{
    jlexer tag = *l;
    advance(l, length);
    const char *s = l->text + l->at;
    for (size_t at = l->at; at < l->n; at++) {
        char sign;
        size_t end = l->text[at] == '{' ? raw_tag(l, at, "endraw", true, &sign) : 0;
        if (!end)
            continue;
        /* The newline that ended a tag before {% raw %} was not dropped by it. */
        l->line_starting = l->text[l->at - 1] == '\n';
        out->s = s;
        out->n = strip(l, s, at - l->at, sign, true);
        out->kind = T_DATA;
        advance(l, at + end - l->at);
        l->line_starting = l->text[l->at - 1] == '\n';
        return 0;
    }
    return jlexer_fail(&tag, err, "'{%% raw %%}' without '{%% endraw %%}'");
}

static int skip_comment(jlexer *l, size_t open, error *err)
{
    for (size_t at = l->at + open; at < l->n; at++) {
        size_t end = l->text[at] == '#' || l->text[at] == '-' || l->text[at] == '+' ? closing(l, at, "#}", true) : 0;
        if (!end)
            continue;
        advance(l, at + end - l->at);
        l->line_starting = l->text[l->at - 1] == '\n';
        return 0;
    }
    return jlexer_fail(l, err, "'{#' without '#}'");
}

/* Text up to a tag; where there is none the tag itself. Returns 1 where a comment or an empty text was passed over. */
static int lex_root(jlexer *l, jtoken *out, error *err)
{
    const char *s = l->text + l->at;
    size_t at = l->at;
    while (at < l->n && !(l->text[at] == '{' && at + 1 < l->n && strchr("{%#", l->text[at + 1]) && l->text[at + 1]))
        at++;
    if (at == l->n) {
        *out = (jtoken){.kind = l->at < l->n ? T_DATA : T_END, .s = s, .n = l->n - l->at, .line = l->line, .column = l->column};
        advance(l, l->n - l->at);
        return 0;
    }
    bool print = l->text[at + 1] == '{', comment = l->text[at + 1] == '#';
    char sign = at + 2 < l->n && (l->text[at + 2] == '-' || l->text[at + 2] == '+') ? l->text[at + 2] : 0;
    if (at > l->at) {
        *out = (jtoken){.kind = T_DATA, .s = s, .n = strip(l, s, at - l->at, sign, !print), .line = l->line, .column = l->column};
        advance(l, at - l->at);
        l->line_starting = false;
        return out->n ? 0 : 1;
    }
    *out = (jtoken){.line = l->line, .column = l->column};
    size_t open = sign ? 3 : 2;
    char raw_sign;
    size_t raw = print || comment ? 0 : raw_tag(l, at, "raw", false, &raw_sign);
    if (raw)
        return lex_raw(l, raw, out, err);
    if (comment)
        return skip_comment(l, open, err) == 0 ? 1 : -1;
    out->kind = print ? T_PRINT_BEGIN : T_BLOCK_BEGIN;
    advance(l, open);
    l->mode = print ? LEX_PRINT : LEX_BLOCK;
    return 0;
}

/* ---- inside of tags */

static const struct { const char *s; enum jtoken_kind kind; } operators[] = {
    {"//", T_FLOORDIV}, {"**", T_POW}, {"==", T_EQ}, {"!=", T_NE}, {">=", T_GE}, {"<=", T_LE}, {"+", T_ADD}, {"-", T_SUB}, {"/", T_DIV},
    {"*", T_MUL}, {"%", T_MOD}, {"~", T_TILDE}, {"[", T_LBRACKET}, {"]", T_RBRACKET}, {"(", T_LPAREN}, {")", T_RPAREN}, {"{", T_LBRACE},
    {"}", T_RBRACE}, {">", T_GT}, {"<", T_LT}, {"=", T_ASSIGN}, {".", T_DOT}, {":", T_COLON}, {"|", T_PIPE}, {",", T_COMMA}, {";", T_SEMICOLON},
};
#define N_OPERATORS (sizeof operators / sizeof *operators)

const char *jtoken_kind_name(enum jtoken_kind kind)
{
    static const char *const quoted[N_OPERATORS] = {"'//'", "'**'", "'=='", "'!='", "'>='", "'<='", "'+'", "'-'", "'/'", "'*'", "'%'", "'~'", "'['",
                                                    "']'", "'('", "')'", "'{'", "'}'", "'>'", "'<'", "'='", "'.'", "':'", "'|'", "','", "';'"};
    static const char *const others[] = {"the end of the template", "text", "'{{'", "'}}'", "'{%'", "'%}'", "a name", "a text", "a number", "a number"};
    for (size_t i = 0; i < N_OPERATORS; i++)
        if (operators[i].kind == kind)
            return quoted[i];
    return others[kind];
}

static int lex_operator(jlexer *l, jtoken *out, error *err)
{
    for (size_t i = 0; i < N_OPERATORS; i++) {
        if (!begins(l, l->at, operators[i].s))
            continue;
        char c = operators[i].s[0];
        if (strchr("([{", c)) {
            if (l->n_open == JINJA_NESTING_LIMIT)
                return jlexer_fail(l, err, "brackets are nested deeper than the limit of %d", JINJA_NESTING_LIMIT);
            l->open[l->n_open++] = c == '(' ? ')' : c == '[' ? ']' : '}';
        } else if (strchr(")]}", c) && (l->n_open == 0 || l->open[--l->n_open] != c)) {
            return jlexer_fail(l, err, "unexpected '%c'", c);
        }
        out->kind = operators[i].kind;
        advance(l, strlen(operators[i].s));
        return 0;
    }
    uint32_t c;
    int length = utf8_get(l->text + l->at, &c);
    return jlexer_fail(l, err, "unexpected character '%.*s'", length, l->text + l->at);
}

static bool is_word(const jlexer *l, size_t at, uint32_t *c, size_t *length)
{
    if (at >= l->n)
        return false;
    *length = (size_t)utf8_get(l->text + at, c);
    return *c == '_' || char_is_word(*c) || char_is_numeric(*c);
}

static size_t word_length(const jlexer *l)
{
    size_t at = l->at, length = 0;
    for (uint32_t c; is_word(l, at, &c, &length);)
        at += length;
    return at - l->at;
}

static int lex_quoted(jlexer *l, jtoken *out, error *err)
{
    char quote = l->text[l->at];
    size_t end = l->at + 1;
    while (end < l->n && l->text[end] != quote)
        end += l->text[end] == '\\' ? 2 : 1;
    if (end >= l->n)
        return jlexer_fail(l, err, "a text that begins with %c and does not end", quote);
    out->kind = T_TEXT;
    out->s = l->text + l->at;
    out->n = end + 1 - l->at;
    if (jliteral_text(l, l->text + l->at + 1, end - l->at - 1, &out->literal, err) != 0)
        return -1;
    advance(l, out->n);
    return 0;
}

static int lex_tag(jlexer *l, jtoken *out, error *err)
{
    advance(l, space(l, l->at));
    *out = (jtoken){.kind = T_END, .s = l->text + l->at, .line = l->line, .column = l->column};
    if (l->at == l->n)
        return 0;
    bool block = l->mode == LEX_BLOCK;
    size_t close = l->n_open ? 0 : closing(l, l->at, block ? "%}" : "}}", block);
    if (close) {
        out->kind = block ? T_BLOCK_END : T_PRINT_END;
        advance(l, close);
        l->line_starting = l->text[l->at - 1] == '\n';
        l->mode = LEX_ROOT;
        return 0;
    }
    char c = l->text[l->at];
    if (c == '\'' || c == '"')
        return lex_quoted(l, out, err);
    if (c >= '0' && c <= '9') {
        size_t used;
        if (jliteral_number(l, l->text + l->at, l->n - l->at, &used, out, err) != 0)
            return -1;
        out->n = used;
        advance(l, used);
        return 0;
    }
    out->n = word_length(l);
    if (!out->n)
        return lex_operator(l, out, err);
    out->kind = T_NAME;
    advance(l, out->n);
    return 0;
}

int jlexer_next(jlexer *l, jtoken *out, error *err)
{
    int status = 1;
    while (status == 1)
        status = l->mode == LEX_ROOT ? lex_root(l, out, err) : lex_tag(l, out, err);
    return status;
}
