#include "../base/check.h"

#include "task/space.h"

static void check(char *(*function)(const char *), const char *text, const char *wanted)
{
    char *got = function(text);
    assert_string_equal(got, wanted);
    free(got);
}

static void test_trim(void **state)
{
    (void)state;
    check(space_trim, "", "");
    check(space_trim, " \t\n", "");
    check(space_trim, " a  b\n", "a  b");
    check(space_trim, "\u3000台所\u00a0", "台所");
    check(space_trim, "\xff ", "\xff");
}

static void test_fold(void **state)
{
    (void)state;
    check(space_fold, "", "");
    check(space_fold, "\u3000 ", "");
    check(space_fold, " a \n\t b ", "a b");
    check(space_fold, "犬\u3000\u3000と\u2003猫", "犬 と 猫");
    check(space_fold, "a\u200bb", "a\u200bb");   /* zero width: no white space to Unicode */
    check(space_fold, "\xe3\x81 x\xff", "\xe3\x81 x\xff");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_trim), cmocka_unit_test(test_fold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
