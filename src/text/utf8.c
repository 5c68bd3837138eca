#include "text/utf8.h"

#include <string.h>
#include <utf8proc.h>

#include "text/newer.h"

/* Unicode 15, table 3-7: the well-formed sequences. The second byte's range depends on the first. */
int utf8_next(const char *s, size_t n, uint32_t *c, int *bad)
{
    const unsigned char *u = (const unsigned char *)s;
    int length, low = 0x80, high = 0xBF;
    if (u[0] < 0x80) {
        *c = u[0];
        return 1;
    }
    if (bad)
        *bad = 1;
    if (u[0] >= 0xC2 && u[0] <= 0xDF) {
        length = 2;
        *c = u[0] & 0x1Fu;
    } else if (u[0] >= 0xE0 && u[0] <= 0xEF) {
        length = 3;
        *c = u[0] & 0x0Fu;
        if (u[0] == 0xE0)
            low = 0xA0;
        if (u[0] == 0xED)
            high = 0x9F;
    } else if (u[0] >= 0xF0 && u[0] <= 0xF4) {
        length = 4;
        *c = u[0] & 0x07u;
        if (u[0] == 0xF0)
            low = 0x90;
        if (u[0] == 0xF4)
            high = 0x8F;
    } else {
        return 0;
    }
    for (int i = 1; i < length; i++) {
        if ((size_t)i == n)
            return -1;
        if (u[i] < low || u[i] > high)
            return 0;
        *c = *c << 6 | (u[i] & 0x3Fu);
        low = 0x80;
        high = 0xBF;
        if (bad)
            *bad = i + 1;
    }
    return length;
}

int utf8_get(const char *s, uint32_t *c)
{
    const unsigned char *u = (const unsigned char *)s;
    if (u[0] < 0x80) {
        *c = u[0];
        return 1;
    }
    if (u[0] < 0xE0) {
        *c = (u[0] & 0x1Fu) << 6 | (u[1] & 0x3Fu);
        return 2;
    }
    if (u[0] < 0xF0) {
        *c = (u[0] & 0x0Fu) << 12 | (u[1] & 0x3Fu) << 6 | (u[2] & 0x3Fu);
        return 3;
    }
    *c = (u[0] & 0x07u) << 18 | (u[1] & 0x3Fu) << 12 | (u[2] & 0x3Fu) << 6 | (u[3] & 0x3Fu);
    return 4;
}

int utf8_last(const char *s, size_t n, uint32_t *c)
{
    size_t at = n - 1;
    while (at > 0 && ((unsigned char)s[at] & 0xC0) == 0x80)
        at--;
    return utf8_get(s + at, c);
}

int utf8_put(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xC0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xE0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3F));
        out[2] = (char)(0x80 | (c & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3F));
    out[2] = (char)(0x80 | (c >> 6 & 0x3F));
    out[3] = (char)(0x80 | (c & 0x3F));
    return 4;
}

void utf8_add(string *s, uint32_t c)
{
    char bytes[4];
    string_add(s, bytes, (size_t)utf8_put(c, bytes));
}

/* The length of the leading well-formed part. */
static size_t valid_part(const char *s, size_t n)
{
    size_t at = 0;
    while (at < n) {
        uint64_t eight;
        if (n - at >= 8) {
            memcpy(&eight, s + at, 8);
            if (!(eight & 0x8080808080808080u)) {
                at += 8;
                continue;
            }
        }
        uint32_t c;
        int length = utf8_next(s + at, n - at, &c, NULL);
        if (length <= 0)
            break;
        at += (size_t)length;
    }
    return at;
}

bool utf8_valid(const char *s, size_t n)
{
    return valid_part(s, n) == n;
}

void utf8_repair(string *out, const char *s, size_t n)
{
    for (size_t at = 0; at < n;) {
        size_t good = valid_part(s + at, n - at);
        string_add(out, s + at, good);
        at += good;
        if (at < n) {
            utf8_add(out, CHAR_REPLACEMENT);
            at++;
        }
    }
}

bool char_is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A)
        || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

static const char *category(uint32_t c)
{
    const char *newer = newer_category(c);
    return newer ? newer : utf8proc_category_string((utf8proc_int32_t)c);
}

bool char_is_numeric(uint32_t c)
{
    return c < 0x80 ? c >= '0' && c <= '9' : category(c)[0] == 'N';
}

bool char_is_mark(uint32_t c)
{
    return c >= 0x80 && category(c)[0] == 'M';
}

/* Alphabetic, M, Nd, Pc and Join_Control; of the alphabetic symbols the enclosed letters. */
bool char_is_word(uint32_t c)
{
    const char *k = category(c);
    return k[0] == 'L' || k[0] == 'M' || strcmp(k, "Nd") == 0 || strcmp(k, "Nl") == 0 || strcmp(k, "Pc") == 0 || c == 0x200C
           || c == 0x200D || (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) || (c >= 0x1F150 && c <= 0x1F169)
           || (c >= 0x1F170 && c <= 0x1F189);
}

bool char_is_punctuation(uint32_t c)
{
    if (c < 0x80)
        return (c >= 0x21 && c <= 0x2F) || (c >= 0x3A && c <= 0x40) || (c >= 0x5B && c <= 0x60) || (c >= 0x7B && c <= 0x7E);
    return category(c)[0] == 'P';
}

uint32_t char_lower(uint32_t c)
{
    return (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
}

static bool stands_for_itself(uint32_t b)
{
    return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255);
}

/* The moved bytes are 0..32, 127..160 and 173, in this order from U+0100. */
uint32_t byte_to_char(unsigned char b)
{
    if (stands_for_itself(b))
        return b;
    return 256u + (b <= 32 ? b : b == 173 ? 67u : b - 127u + 33u);
}

int char_to_byte(uint32_t c)
{
    if (c < 256)
        return stands_for_itself(c) ? (int)c : -1;
    if (c < 256 + 33)
        return (int)c - 256;
    if (c < 256 + 67)
        return (int)c - 256 - 33 + 127;
    return c == 256 + 67 ? 173 : -1;
}
