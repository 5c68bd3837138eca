#include "task/literal.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "text/utf8.h"

#define MAX_DEPTH 50

static json_t *read_value(const char **at, int depth);

static void skip_space(const char **at)
{
    *at += strspn(*at, " \t\f\r\n");
}

static int hex_digits(const char **at, int n, uint32_t *c)
{
    *c = 0;
    for (int i = 0; i < n; i++, (*at)++) {
        if (!isxdigit((unsigned char)**at))
            return -1;
        *c = *c * 16 + (uint32_t)(isdigit((unsigned char)**at) ? **at - '0' : tolower((unsigned char)**at) - 'a' + 10);
    }
    return *c <= 0x10FFFF && !(*c >= 0xD800 && *c <= 0xDFFF) && *c != 0 ? 0 : -1;
}

static int read_escape(const char **at, string *out)
{
    static const char names[] = "\\'\"abfnrtv", values[] = "\\'\"\a\b\f\n\r\t\v";
    char c = *(*at)++;
    const char *found = c ? strchr(names, c) : NULL;
    uint32_t code;
    if (found)
        string_add(out, &values[found - names], 1);
    else if (c == 'x' || c == 'u' || c == 'U') {
        if (hex_digits(at, c == 'x' ? 2 : c == 'u' ? 4 : 8, &code) != 0)
            return -1;
        utf8_add(out, code);
    } else if (c == '\n') {
        /* a line that goes on */
    } else if (c == '\0' || isdigit((unsigned char)c) || c == 'N') {
        return -1;
    } else {
        string_add(out, "\\", 1);
        string_add(out, &c, 1);
    }
    return 0;
}

static json_t *read_text(const char **at)
{
    string out = {0};
    string_puts(&out, "");
    json_t *value = NULL;
    bool good = true;
    while (good && (**at == '\'' || **at == '"')) {     /* texts side by side are one */
        char quote = *(*at)++;
        if ((*at)[0] == quote && (*at)[1] == quote) {   /* three quotes: more than such lists have */
            good = false;
            break;
        }
        while (good && **at != quote) {
            if (**at == '\0' || **at == '\n')
                good = false;
            else if (**at == '\\')
                (*at)++, good = read_escape(at, &out) == 0;
            else
                string_add(&out, (*at)++, 1);
        }
        if (good)
            (*at)++;
        skip_space(at);
    }
    if (good)
        value = json_string(out.text);
    free(out.text);
    return value;
}

static json_t *read_number(const char **at)
{
    const char *start = *at, *digits = start + (*start == '-' || *start == '+');
    size_t n = strspn(digits, "0123456789");
    bool whole = n > 0 && !strchr(".eE_xXoObBjJ", digits[n] ? digits[n] : ' ');
    char *end;
    if (whole) {
        if (n > 18 || (n > 1 && digits[0] == '0'))
            return NULL;
        *at = digits + n;
        return json_integer(strtoll(start, NULL, 10));
    }
    n = strspn(digits, "0123456789.eE+-");
    if (n == 0 || !isdigit((unsigned char)digits[digits[0] == '.']))
        return NULL;
    double x = strtod(start, &end);
    if (end != digits + n)
        return NULL;
    *at = end;
    return json_real(x);
}

static json_t *read_list(const char **at, int depth)
{
    json_t *list = json_array();
    bool good = depth < MAX_DEPTH;
    (*at)++;
    skip_space(at);
    while (good && **at != ']') {
        json_t *item = read_value(at, depth + 1);
        good = item && json_array_append_new(list, item) == 0;
        skip_space(at);
        if (good && **at == ',') {
            (*at)++;
            skip_space(at);
        } else if (**at != ']') {
            good = false;
        }
    }
    if (good) {
        (*at)++;
        return list;
    }
    json_decref(list);
    return NULL;
}

static json_t *read_value(const char **at, int depth)
{
    static const struct { const char *word; json_t *(*make)(void); } words[] = {{"True", json_true}, {"False", json_false}, {"None", json_null}};
    if (**at == '[')
        return read_list(at, depth);
    if (**at == '\'' || **at == '"')
        return read_text(at);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t n = strlen(words[i].word);
        if (strncmp(*at, words[i].word, n) == 0 && !isalnum((unsigned char)(*at)[n]) && (*at)[n] != '_') {
            *at += n;
            return words[i].make();
        }
    }
    return read_number(at);
}

json_t *literal_list(const char *text)
{
    const char *at = text;
    if (*at != '[')
        return NULL;
    json_t *list = read_list(&at, 0);
    skip_space(&at);
    if (*at == '\0' || !list)
        return list;
    json_decref(list);
    return NULL;
}

/* repr of a text: in single quotes, unless it has those and no double ones. */
static void print_text(string *out, const char *text)
{
    char quote = strchr(text, '\'') && !strchr(text, '"') ? '"' : '\'';
    string_add(out, &quote, 1);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '\\' || c == (unsigned char)quote)
            string_print(out, "\\%c", c);
        else if (c == '\n' || c == '\r' || c == '\t')
            string_print(out, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
        else if (c < 0x20 || c == 0x7F)
            string_print(out, "\\x%02x", c);
        else
            string_add(out, text, 1);
    }
    string_add(out, &quote, 1);
}

static void print_value(string *out, const json_t *v, int depth)
{
    if (json_is_array(v)) {
        string_puts(out, "[");
        for (size_t i = 0; i < json_array_size(v) && depth < MAX_DEPTH; i++) {
            if (i)
                string_puts(out, ", ");
            print_value(out, json_array_get(v, i), depth + 1);
        }
        string_puts(out, "]");
    } else if (json_is_string(v)) {
        print_text(out, json_string_value(v));
    } else if (json_is_boolean(v) || json_is_null(v)) {
        string_puts(out, json_is_null(v) ? "None" : json_is_true(v) ? "True" : "False");
    } else {
        char *number = json_print(json_incref((json_t *)v), -1);
        string_puts(out, number);
        free(number);
    }
}

char *literal_print(const json_t *value)
{
    string out = {0};
    print_value(&out, value, 0);
    return out.text ? out.text : memory_text("");
}
