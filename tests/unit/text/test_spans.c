#include "check.h"

/* "aXbXXc" is cut where the X are, or where they are not. */
static void check(enum cut how, bool invert, const char *wanted)
{
    static const span parts_of[] = {{0, 1, false}, {1, 2, true}, {2, 3, false}, {3, 4, true}, {4, 5, true}, {5, 6, false}};
    spans s = {0};
    for (size_t i = 0; i < 6; i++)
        spans_add(&s, parts_of[i].start, parts_of[i].end, parts_of[i].match != invert);
    spans_cut(&s, how);
    string out = {0};
    for (size_t i = 0; i < s.count; i++)
        if (!s.item[i].match)
            string_print(&out, "%.*s ", (int)(s.item[i].end - s.item[i].start), "aXbXXc" + s.item[i].start);
    assert_string_equal(out.text, wanted);
    free(out.text);
    free(s.item);
}

static void test_behaviours(void **state)
{
    (void)state;
    check(CUT_REMOVED, false, "a b c ");
    check(CUT_REMOVED, true, "X X X ");
    check(CUT_ISOLATED, false, "a X b X X c ");
    check(CUT_CONTIGUOUS, false, "a X b XX c ");
    check(CUT_MERGED_WITH_PREVIOUS, false, "aX bX X c ");
    check(CUT_MERGED_WITH_NEXT, false, "a Xb X Xc ");
    check(CUT_MERGED_WITH_PREVIOUS, true, "a Xb X Xc ");
    check(CUT_MERGED_WITH_NEXT, true, "aX bX X c ");
}

static void test_nothing(void **state)
{
    (void)state;
    for (int how = CUT_REMOVED; how <= CUT_CONTIGUOUS; how++) {
        spans s = {0};
        spans_cut(&s, (enum cut)how);
        assert_int_equal(s.count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_behaviours), cmocka_unit_test(test_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
