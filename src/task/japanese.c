#include "task/japanese.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "task/space.h"
#include "text/utf8.h"

static const uint32_t emoji_ranges[][2] = {
#include "task/emoji_ranges.h"
};

#define RAW 0x80000000u   /* | a byte that is no part of a character */

/* The character at s [n >= 1 bytes], or its first byte; returns the length. */
static size_t next(const char *s, size_t n, uint32_t *c)
{
    int k = utf8_next(s, n, c, NULL);
    if (k > 0)
        return (size_t)k;
    *c = RAW | (unsigned char)*s;
    return 1;
}

static void add(string *out, uint32_t c)
{
    char byte = (char)c;
    if (c & RAW)
        string_add(out, &byte, 1);
    else
        utf8_add(out, c);
}

static int by_range(const void *key, const void *item)
{
    uint32_t c = *(const uint32_t *)key;
    const uint32_t *range = item;
    return c < range[0] ? -1 : c > range[1];
}

void japanese_no_emoji(string *out, const char *text, size_t n)
{
    uint32_t c;
    for (size_t i = 0, k; i < n; i += k) {
        k = next(text + i, n - i, &c);
        if (!bsearch(&c, emoji_ranges, sizeof emoji_ranges / sizeof *emoji_ranges, sizeof *emoji_ranges, by_range))
            string_add(out, text + i, k);
    }
}

/* ---- neologdn */

static bool is_one_of(uint32_t c, const uint32_t *list)   /* ends with 0 */
{
    while (*list && *list != c)
        list++;
    return *list != 0;
}

static bool is_hyphen(uint32_t c)
{
    static const uint32_t list[] = {0x02D7, 0x058A, 0x2010, 0x2011, 0x2012, 0x2013, 0x2043, 0x207B, 0x208B, 0x2212, 0};
    return is_one_of(c, list);
}

static bool is_long_vowel(uint32_t c)
{
    static const uint32_t list[] = {0xFE63, 0xFF0D, 0xFF70, 0x2014, 0x2015, 0x2500, 0x2501, 0x30FC, 0};
    return is_one_of(c, list);
}

static bool is_tilde(uint32_t c)
{
    static const uint32_t list[] = {'~', 0x223C, 0x223E, 0x301C, 0x3030, 0xFF5E, 0};
    return is_one_of(c, list);
}

/* Next to these a space goes away. */
static bool is_wide(uint32_t c)
{
    return (c >= 0x3001 && c <= 0x30FF) || (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0xFF00 && c <= 0xFFEF);
}

static uint32_t convert(uint32_t c)
{
    static const uint16_t kana[] = {   /* U+FF61 to U+FF9D, without U+FF70 */
        0x3002, 0x300C, 0x300D, 0x3001, 0x30FB, 0x30F2, 0x30A1, 0x30A3, 0x30A5, 0x30A7, 0x30A9, 0x30E3, 0x30E5, 0x30E7, 0x30C3, 0,
        0x30A2, 0x30A4, 0x30A6, 0x30A8, 0x30AA, 0x30AB, 0x30AD, 0x30AF, 0x30B1, 0x30B3, 0x30B5, 0x30B7, 0x30B9, 0x30BB, 0x30BD,
        0x30BF, 0x30C1, 0x30C4, 0x30C6, 0x30C8, 0x30CA, 0x30CB, 0x30CC, 0x30CD, 0x30CE, 0x30CF, 0x30D2, 0x30D5, 0x30D8, 0x30DB,
        0x30DE, 0x30DF, 0x30E0, 0x30E1, 0x30E2, 0x30E4, 0x30E6, 0x30E8, 0x30E9, 0x30EA, 0x30EB, 0x30EC, 0x30ED, 0x30EF, 0x30F3};
    static const uint32_t kept[] = {0xFF02, 0xFF07, 0xFF3C, 0xFF40, 0};   /* full-width ASCII that its table leaves out */
    if (c >= 0xFF01 && c <= 0xFF5D)
        return is_one_of(c, kept) ? c : c - 0xFEE0;
    if (c >= 0xFF61 && c <= 0xFF9D)
        return kana[c - 0xFF61];
    switch (c) {
    case 0x2018: return '`';
    case 0x2019: return '\'';
    case 0x201C: case 0x201D: return '"';
    case 0x00A5: return '\\';
    case 0x309B: return 0xFF9E;
    case 0x309C: return 0xFF9F;
    default: return c;
    }
}

/* The kana with the mark that follows it as a character of its own; 0 where the two do not make one. */
static uint32_t compose(uint32_t kana, uint32_t mark)
{
    bool h_row = kana >= 0x30CF && kana <= 0x30DB && (kana - 0x30CF) % 3 == 0;
    if (mark == 0xFF9E) {
        if (kana == 0x30A6 || kana == 0x3046)   /* u becomes vu */
            return kana + 0x4E;
        bool k_to_t = kana >= 0x30AB && kana <= 0x30C1 && kana % 2 == 1;
        return k_to_t || kana == 0x30C4 || kana == 0x30C6 || kana == 0x30C8 || h_row ? kana + 1 : 0;
    }
    bool hiragana = kana >= 0x306F && kana <= 0x307B && (kana - 0x306F) % 3 == 0;
    return mark == 0xFF9F && (h_row || hiragana) ? kana + 2 : 0;
}

struct writer {
    uint32_t *out;     /* [at] owned */
    size_t at;
    uint32_t last;     /* what was read last as it was taken, a space that was dropped included; 0 at the beginning */
    bool ascii_space;  /* out ends with a space behind ASCII, which a wide character takes back */
};

static void take_space(struct writer *w)
{
    if (w->at == 0 || w->last == ' ' || is_wide(w->last))
        return;
    if (w->last != '*' && w->last < 0x80) {
        w->ascii_space = true;
        w->out[w->at++] = ' ';
    }
    w->last = ' ';
}

static void take(struct writer *w, uint32_t c)
{
    uint32_t mark = is_hyphen(c) ? '-' : is_long_vowel(c) ? 0x30FC : 0;
    if (mark) {
        if (w->last == mark)
            return;
        c = mark;
    } else if (is_tilde(c)) {
        return;
    } else {
        uint32_t whole;
        c = convert(c);
        if (w->at > 0 && (whole = compose(w->last, c)) != 0) {
            w->at--;
            c = whole;
        }
        if (w->ascii_space && is_wide(c))
            w->at--;
    }
    w->ascii_space = false;
    w->out[w->at++] = c;
    w->last = c;
}

void japanese_neologdn(string *out, const char *text, size_t n)
{
    struct writer w = {.out = memory_new(n + 1, sizeof *w.out)};
    uint32_t c;
    for (size_t i = 0; i < n;) {
        i += next(text + i, n - i, &c);
        if (c == ' ' || c == 0x3000)
            take_space(&w);
        else
            take(&w, c);
    }
    if (w.at > 0 && w.out[w.at - 1] == ' ')
        w.at--;
    for (size_t i = 0; i < w.at; i++)
        add(out, w.out[i]);
    free(w.out);
}

char *japanese_normalize(const char *text)
{
    string plain = {0}, out = {0};
    japanese_no_emoji(&plain, text, strlen(text));
    japanese_neologdn(&out, plain.text ? plain.text : "", plain.length);
    char *folded = space_fold(out.text ? out.text : "");
    free(out.text);
    free(plain.text);
    return folded;
}
