#include "text/jinja_text.h"

#include <string.h>
#include <utf8proc.h>

#include "text/newer.h"
#include "text/utf8.h"

/* ---- places */

bool jchar_is_space(uint32_t c)
{
    return char_is_space(c) || (c >= 0x1C && c <= 0x1F);
}

size_t jtext_space(const char *s, size_t n)
{
    size_t at = 0;
    while (at < n) {
        uint32_t c;
        size_t length = (size_t)utf8_get(s + at, &c);
        if (!jchar_is_space(c))
            break;
        at += length;
    }
    return at;
}

size_t jtext_strip_right(const char *s, size_t n)
{
    while (n) {
        uint32_t c;
        size_t length = (size_t)utf8_last(s, n, &c);
        if (!jchar_is_space(c))
            break;
        n -= length;
    }
    return n;
}

size_t jtext_count(const char *s, size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)s[i] & 0xC0) != 0x80;
    return count;
}

size_t jtext_offset(const char *s, size_t n, size_t chars)
{
    size_t at = 0;
    while (chars-- > 0 && at < n) {
        uint32_t c;
        at += (size_t)utf8_get(s + at, &c);
    }
    return at;
}

size_t jtext_find(const char *s, size_t n, const char *what, size_t m, size_t from)
{
    if (from > n || m > n - from)
        return n + 1;
    if (m == 0)
        return from;
    const char *found = memmem(s + from, n - from, what, m);
    return found ? (size_t)(found - s) : n + 1;
}

/* ---- classes */

static const char *category(uint32_t c)
{
    const char *newer = newer_category(c);
    return newer ? newer : utf8proc_category_string((utf8proc_int32_t)c);
}

static bool in_ranges(uint32_t c, const uint32_t (*ranges)[2], size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (c >= ranges[i][0] && c <= ranges[i][1])
            return true;
    return false;
}

/* Other_Uppercase and Other_Lowercase of DerivedCoreProperties.txt. */
static const uint32_t other_upper[][2] = {{0x2160, 0x216F}, {0x24B6, 0x24CF}, {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}};
static const uint32_t other_lower[][2] = {
    {0xAA, 0xAA}, {0xBA, 0xBA}, {0x2B0, 0x2B8}, {0x2C0, 0x2C1}, {0x2E0, 0x2E4}, {0x345, 0x345}, {0x37A, 0x37A}, {0x1D2C, 0x1D6A}, {0x1D78, 0x1D78},
    {0x1D9B, 0x1DBF}, {0x2071, 0x2071}, {0x207F, 0x207F}, {0x2090, 0x209C}, {0x2170, 0x217F}, {0x24D0, 0x24E9}, {0x2C7C, 0x2C7D}, {0xA69C, 0xA69D},
    {0xA770, 0xA770}, {0xA7F8, 0xA7F9}, {0xAB5C, 0xAB5F}, {0x10780, 0x10780}, {0x10783, 0x10785}, {0x10787, 0x107B0}, {0x107B2, 0x107BA},
};

bool jchar_is_upper(uint32_t c)
{
    return strcmp(category(c), "Lu") == 0 || in_ranges(c, other_upper, sizeof other_upper / sizeof *other_upper);
}

bool jchar_is_lower(uint32_t c)
{
    return strcmp(category(c), "Ll") == 0 || in_ranges(c, other_lower, sizeof other_lower / sizeof *other_lower);
}

bool jchar_is_title(uint32_t c)
{
    return strcmp(category(c), "Lt") == 0;
}

bool jchar_is_cased(uint32_t c)
{
    return jchar_is_upper(c) || jchar_is_lower(c) || jchar_is_title(c);
}

bool jchar_is_alpha(uint32_t c)
{
    return category(c)[0] == 'L';
}

bool jchar_is_decimal(uint32_t c)
{
    return strcmp(category(c), "Nd") == 0;
}

/* Numeric_Type=Digit beside the decimal ones. */
bool jchar_is_digit(uint32_t c)
{
    static const uint32_t digits[][2] = {
        {0xB2, 0xB3}, {0xB9, 0xB9}, {0x1369, 0x1371}, {0x19DA, 0x19DA}, {0x2070, 0x2070}, {0x2074, 0x2079}, {0x2080, 0x2089}, {0x2460, 0x2468},
        {0x2474, 0x247C}, {0x2488, 0x2490}, {0x24EA, 0x24EA}, {0x24F5, 0x24FD}, {0x24FF, 0x24FF}, {0x2776, 0x277E}, {0x2780, 0x2788}, {0x278A, 0x2792},
        {0x10A40, 0x10A43}, {0x10E60, 0x10E68}, {0x11052, 0x1105A}, {0x1F100, 0x1F10A},
    };
    return jchar_is_decimal(c) || in_ranges(c, digits, sizeof digits / sizeof *digits);
}

/* Numeric_Type=Numeric among the ideographs: 一, 二, 百 and the like. */
bool jchar_is_numeric(uint32_t c)
{
    static const uint32_t ideographs[] = {
        0x3405, 0x3483, 0x382A, 0x3B4D, 0x4E00, 0x4E03, 0x4E07, 0x4E09, 0x4E5D, 0x4E8C, 0x4E94, 0x4E96, 0x4EBF, 0x4EC0, 0x4EDF, 0x4EE8, 0x4F0D, 0x4F70,
        0x5104, 0x5146, 0x5169, 0x516B, 0x516D, 0x5341, 0x5343, 0x5344, 0x5345, 0x534C, 0x53C1, 0x53C2, 0x53C3, 0x53C4, 0x56DB, 0x58F1, 0x58F9, 0x5E7A,
        0x5EFE, 0x5EFF, 0x5F0C, 0x5F0D, 0x5F0E, 0x5F10, 0x62FE, 0x634C, 0x67D2, 0x6F06, 0x7396, 0x767E, 0x8086, 0x842C, 0x8CAE, 0x8CB3, 0x8D30, 0x9621,
        0x9646, 0x964C, 0x9678, 0x96F6, 0xF96B, 0xF973, 0xF978, 0xF9B2, 0xF9D1, 0xF9D3, 0xF9FD, 0x20001, 0x20064, 0x200E2, 0x20121, 0x2092A, 0x20983,
        0x2098C, 0x2099C, 0x20AEA, 0x20AFD, 0x20B19, 0x22390, 0x22998, 0x23B1B, 0x2626D, 0x2F890,
    };
    for (size_t i = 0; i < sizeof ideographs / sizeof *ideographs; i++)
        if (ideographs[i] == c)
            return true;
    return category(c)[0] == 'N';
}

bool jchar_is_printable(uint32_t c)
{
    const char *k = category(c);
    return c == ' ' || (k[0] != 'C' && k[0] != 'Z');
}

int jchar_decimal(uint32_t c)
{
    if (!jchar_is_decimal(c))
        return -1;
    uint32_t zero = c;   /* decimal digits come in tens */
    if (c >= 0x1D7CE && c <= 0x1D7FF)
        return (int)((c - 0x1D7CE) % 10);
    while (c - zero < 9 && zero > 0 && jchar_is_decimal(zero - 1))
        zero--;
    return (int)(c - zero);
}

/* ---- case */

/* SpecialCasing.txt without conditions: what becomes several characters. */
static const struct { uint32_t c, upper[3], title[3]; } special[] = {
#include "text/jinja_special_case.h"
};

static size_t put_all(const uint32_t *from, uint32_t out[3])
{
    size_t n = 0;
    while (n < 3 && from[n]) {
        out[n] = from[n];
        n++;
    }
    return n;
}

static size_t special_case(uint32_t c, bool title, uint32_t out[3])
{
    size_t low = 0, high = sizeof special / sizeof *special;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (special[middle].c < c)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == sizeof special / sizeof *special || special[low].c != c)
        return 0;
    return put_all(title ? special[low].title : special[low].upper, out);
}

size_t jchar_case(uint32_t c, enum jcase to, uint32_t out[3])
{
    if (c < 0x80) {
        bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z';
        out[0] = to == CASE_LOWER || to == CASE_FOLD ? c + (upper ? 32 : 0) : c - (lower ? 32 : 0);
        return 1;
    }
    if (to == CASE_FOLD) {
        utf8proc_int32_t folded[4];
        int bound = 0;
        utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)c, folded, 4, UTF8PROC_CASEFOLD, &bound);
        for (utf8proc_ssize_t i = 0; i < n && i < 3; i++)
            out[i] = (uint32_t)folded[i];
        return n > 0 && n <= 3 ? (size_t)n : 1;
    }
    if (to == CASE_LOWER) {
        out[0] = c == 0x130 ? 'i' : (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
        out[1] = 0x307;
        return c == 0x130 ? 2 : 1;
    }
    size_t n = special_case(c, to == CASE_TITLE, out);
    if (n)
        return n;
    out[0] = (uint32_t)(to == CASE_TITLE ? utf8proc_totitle((utf8proc_int32_t)c) : utf8proc_toupper((utf8proc_int32_t)c));
    return 1;
}

/* A sigma ends a word where a cased character stands before it and none behind, others in between not counting. */
static bool is_final_sigma(const char *s, size_t n, size_t at)
{
    uint32_t c;
    size_t before = at, behind = at + 2;
    bool cased = false;
    while (before && !cased) {
        before -= (size_t)utf8_last(s, before, &c);
        if (!char_is_mark(c) && strcmp(category(c), "Lm") != 0 && !strchr("'.:^`", c < 0x80 && c ? (int)c : '!') && c != 0xAD && c != 0x2019)
            cased = jchar_is_cased(c) || (before = 0);
    }
    if (!cased)
        return false;
    while (behind < n) {
        behind += (size_t)utf8_get(s + behind, &c);
        if (!char_is_mark(c) && strcmp(category(c), "Lm") != 0 && !strchr("'.:^`", c < 0x80 && c ? (int)c : '!') && c != 0xAD && c != 0x2019)
            return !jchar_is_cased(c);
    }
    return true;
}

void jtext_put_case(string *out, const char *s, size_t n, enum jcase to)
{
    for (size_t at = 0; at < n;) {
        uint32_t c, made[3];
        size_t length = (size_t)utf8_get(s + at, &c), count = jchar_case(c, to, made);
        if (c == 0x3A3 && to == CASE_LOWER && is_final_sigma(s, n, at))
            made[0] = 0x3C2;
        for (size_t i = 0; i < count; i++)
            utf8_add(out, made[i]);
        at += length;
    }
}
