#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "study/terminal.h"

#include <cmocka.h>

static void check_added(const char *text, int width, int most, const char *wanted)
{
    string s = {0};
    terminal_add(&s, text, width, most);
    assert_string_equal(s.text, wanted);
    free(s.text);
}

static void test_columns(void **state)
{
    (void)state;
    assert_int_equal(terminal_columns(""), 0);
    assert_int_equal(terminal_columns("ja 0-1"), 6);
    assert_int_equal(terminal_columns("日本"), 4);
    assert_int_equal(terminal_columns("e\xcc\x81"), 1);      /* a combining accent */
    assert_int_equal(terminal_columns("\xff\x1b"), 2);
    assert_true(terminal_width() >= 40);
}

static void test_padding_and_cutting(void **state)
{
    (void)state;
    check_added("ja", 4, 0, "ja  ");
    check_added("日本", 5, 0, "日本 ");
    check_added("a long name", 0, 6, "a l...");
    check_added("a long name", 8, 11, "a long name");
    check_added("日本語です", 8, 8, "日本... ");
    check_added("", 2, 0, "  ");
    check_added("", 0, 0, "");
}

static void test_what_a_terminal_would_obey(void **state)
{
    (void)state;
    check_added("a\x1b[31mb", 0, 0, "a?[31mb");
    check_added("\xc2\x9b" "2J", 0, 0, "?2J");                   /* the one-byte form of ESC [ */
    check_added("\xe2\x80\xae" "abc", 0, 0, "?abc");             /* turns the direction of text */
    check_added("one\ntwo\tthree\r", 0, 0, "one two three?");
    check_added("\xff\xc3", 0, 0, "??");
}

static void check_taken(const char *text, int width, const char *const *wanted)
{
    for (; *text; wanted++) {
        char *line = terminal_take(&text, width);
        assert_non_null(*wanted);
        assert_string_equal(line, *wanted);
        free(line);
    }
    assert_null(*wanted);
}

static void test_lines(void **state)
{
    (void)state;
    check_taken("layers by hand: ja 0-1", 12, (const char *const[]){"layers by", "hand: ja 0-1", NULL});
    check_taken("abcdefgh", 3, (const char *const[]){"abc", "def", "gh", NULL});
    check_taken("ab cd", 5, (const char *const[]){"ab cd", NULL});
    check_taken("日本", 1, (const char *const[]){"日", "本", NULL});     /* wider than the line: still on with it */
    check_taken("  a", 1, (const char *const[]){" ", "a", NULL});
    check_taken("", 10, (const char *const[]){NULL});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_padding_and_cutting),
        cmocka_unit_test(test_what_a_terminal_would_obey),
        cmocka_unit_test(test_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
