/* Features of pictures: computed once, found again on disk, and what a stranger's file of them is told. */
#include "../base/check.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "engine/feature_store.h"

#define CASES "tests/goldens/golden/engine/"

static checkpoint *model;

static feature_store *store_in(const char *folder)
{
    error err = {0};
    feature_store *s = feature_store_new(folder);
    if (feature_store_take(s, model, backend_best(), NULL, &err) != 0)
        fail_msg("%s", err.text);
    return s;
}

static const feature_rows *must(feature_store *s, const char *path, enum feature_views views)
{
    error err = {0};
    const feature_rows *f = feature_store_get(s, path, views, &err);
    if (!f)
        fail_msg("%s", err.text);
    return f;
}

static void check_counts(const feature_store *s, uint64_t computed, uint64_t found)
{
    feature_counts c = feature_store_counts(s);
    assert_int_equal(c.computed, computed);
    assert_int_equal(c.found, found);
}

static void test_kept(void **state)
{
    (void)state;
    error err = {0};
    char folder[] = "/tmp/features-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *inside = file_join(folder, "features");
    feature_store *s = store_in(inside);
    const feature_rows *tiles = must(s, CASES "llava_next/image0.png", FEATURES_AS_CONFIGURED), *view = must(s, CASES "llava_next/image0.png", FEATURES_ONE_VIEW);
    assert_int_equal(tiles->n, 88);
    assert_int_equal(view->n, 16);
    assert_int_equal(view->width, 32);
    assert_ptr_equal(must(s, CASES "llava_next/../llava_next/image0.png", FEATURES_ONE_VIEW), view);   /* by its bytes, not its name */
    assert_ptr_equal(must(s, CASES "llava_next/image0.png", FEATURES_AS_CONFIGURED), tiles);
    check_counts(s, 2, 0);
    float *first = memory_new(16 * 32, sizeof *first);
    memcpy(first, view->rows, 16 * 32 * sizeof *first);
    assert_int_equal(feature_store_take(s, model, backend_best(), NULL, &err), 0);   /* the same tower again: nothing is lost */
    assert_ptr_equal(must(s, CASES "llava_next/image0.png", FEATURES_ONE_VIEW), view);
    feature_store_free(s);

    s = store_in(inside);      /* another process */
    view = must(s, CASES "llava_next/image0.png", FEATURES_ONE_VIEW);
    check_counts(s, 0, 1);
    assert_memory_equal(view->rows, first, 16 * 32 * sizeof *first);
    feature_store_free(s);

    DIR *files = opendir(inside);     /* files cut short are computed again */
    for (struct dirent *entry; (entry = file_next_entry(files));) {
        char *path = file_join(inside, entry->d_name);
        assert_int_equal(truncate(path, 1000), 0);
        free(path);
    }
    closedir(files);
    s = store_in(inside);
    view = must(s, CASES "llava_next/image0.png", FEATURES_ONE_VIEW);
    check_counts(s, 1, 0);
    assert_memory_equal(view->rows, first, 16 * 32 * sizeof *first);
    feature_store_free(s);

    if (backend_best() != backend_find("reference", &err)) {   /* another kernel family rounds otherwise: files of its own */
        s = feature_store_new(inside);
        assert_int_equal(feature_store_take(s, model, backend_find("reference", &err), NULL, &err), 0);
        must(s, CASES "llava_next/image0.png", FEATURES_ONE_VIEW);
        check_counts(s, 1, 0);
        feature_store_free(s);
    }
    free(first);
    free(inside);
    file_remove_tree(folder, &err);
}

static void test_refuses(void **state)
{
    (void)state;
    error err = {0};
    feature_store *s = store_in(NULL);
    assert_null(feature_store_get(s, "no-such.png", FEATURES_ONE_VIEW, &err));
    assert_error(&err, ERROR_IO, "no-such.png", NULL, NULL);
    assert_null(feature_store_get(s, CASES "llava_next/golden.json", FEATURES_ONE_VIEW, &err));
    assert_error(&err, ERROR_FORMAT, "golden.json", NULL, NULL);
    must(s, CASES "llava_next/image0.png", FEATURES_ONE_VIEW);
    check_counts(s, 1, 0);
    feature_store_free(s);
}

static void test_file(void **state)
{
    (void)state;
    error err = {0};
    feature_rows rows;
    union { char bytes[64 + 24]; int64_t number[11]; } file = {{0}};
    memcpy(file.bytes, "MGFEAT1\n", 8);
    file.number[1] = 2;
    file.number[2] = 3;
    assert_int_equal(feature_file_read(file.bytes, sizeof file, "x", &rows, &err), 0);
    assert_int_equal(rows.n, 2);
    assert_int_equal(rows.width, 3);
    assert_ptr_equal(rows.rows, file.bytes + 64);
    assert_int_equal(feature_file_read(file.bytes, sizeof file - 1, "x", &rows, &err), -1);
    assert_int_equal(feature_file_read(file.bytes, 63, "x", &rows, &err), -1);
    static const int64_t wrong[][2] = {{0, 3}, {2, 0}, {-2, -3}, {3, 2}, {1, 3}, {INT64_MAX, 3}, {2, INT64_MAX}, {(int64_t)1 << 62, 4}, {6, 1}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        file.number[1] = wrong[i][0];
        file.number[2] = wrong[i][1];
        assert_int_equal(feature_file_read(file.bytes, sizeof file, "x", &rows, &err), (wrong[i][0] == 3 && wrong[i][1] == 2) || (wrong[i][0] == 6 && wrong[i][1] == 1) ? 0 : -1);
    }
    file.bytes[0] = 'm';
    assert_int_equal(feature_file_read(file.bytes, sizeof file, "x", &rows, &err), -1);
    assert_error(&err, ERROR_FORMAT, "x", "begin", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_file),
    };
    error err = {0};
    model = checkpoint_open(CASES "llava_next/model", &err);
    if (!model) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    checkpoint_free(model);
    return failed;
}
