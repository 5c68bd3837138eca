#include "check.h"

static void test_characters(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x110000; c += c < 0x3000 ? 1 : 37) {
        if (c >= 0xD800 && c < 0xE000)
            continue;
        char bytes[5] = {0};
        int n = utf8_put(c, bytes);
        uint32_t back = 0, again = 0, last = 0;
        assert_int_equal(utf8_next(bytes, (size_t)n, &back, NULL), n);
        assert_int_equal(utf8_get(bytes, &again), n);
        assert_int_equal(utf8_last(bytes, (size_t)n, &last), n);
        assert_true(back == c && again == c && last == c);
        for (int k = 1; k < n; k++)
            assert_int_equal(utf8_next(bytes, (size_t)k, &back, NULL), -1);
    }
}

static void test_ill_formed(void **state)
{
    (void)state;
    static const struct { const char *text; int bad;
    } cases[] = {
        {"\xff", 1},
        {"\x80", 1},
        {"\xc0\x80", 1},
        {"\xc3"
         "a",
         1},
        {"\xe3\x81"
         "a",
         2},
        {"\xe0\x80\xaf", 1},
        {"\xed\xa0\x80", 1},
        {"\xf0\x9f\x98"
         "a",
         3},
        {"\xf4\x90\x80\x80", 1},
        {"\xf0\x80\x80\x80", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t c;
        int bad = 0;
        assert_int_equal(utf8_next(cases[i].text, strlen(cases[i].text), &c, &bad), 0);
        assert_int_equal(bad, cases[i].bad);
        assert_false(utf8_valid(cases[i].text, strlen(cases[i].text)));
    }
    string s = {0};
    utf8_repair(&s, "ok \xf0\x9f\x98\x80 \xf0\x9f ok", 13);
    assert_string_equal(s.text, "ok \U0001F600 \ufffd\ufffd ok");
    free(s.text);
}

static void test_bytes(void **state)
{
    (void)state;
    bool seen[0x200] = {false};
    for (int b = 0; b < 256; b++) {
        uint32_t c = byte_to_char((unsigned char)b);
        assert_true(c < 0x144 && !seen[c]);
        seen[c] = true;
        assert_int_equal(char_to_byte(c), b);
    }
    for (uint32_t c = 0; c < 0x200; c++)
        if (!seen[c])
            assert_int_equal(char_to_byte(c), -1);
    assert_int_equal(byte_to_char(' '), 0x120);
    assert_int_equal(byte_to_char('\n'), 0x10A);
    assert_int_equal(byte_to_char(0xAD), 0x143);
}

static void test_classes(void **state)
{
    (void)state;
    assert_true(char_is_space(0x3000) && char_is_space(0x85) && !char_is_space(0x180E) && !char_is_space(0x200B));
    assert_true(char_is_word('_') && char_is_word(0x3042) && char_is_word(0x301) && char_is_word(0x200D) && !char_is_word('-')
                && char_is_word(0x2EBF0));
    assert_true(char_is_numeric('7') && char_is_numeric(0xBD) && char_is_numeric(0x2167) && !char_is_numeric(0x4E00));
    assert_true(char_is_punctuation('$') && char_is_punctuation(0x3002) && !char_is_punctuation(0x20AC)
                && !char_is_punctuation('a'));
    assert_true(char_is_mark(0x301) && char_is_mark(0x903) && !char_is_mark('a'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_characters), cmocka_unit_test(test_ill_formed),
                                       cmocka_unit_test(test_bytes), cmocka_unit_test(test_classes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
