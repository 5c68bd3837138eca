#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "study/store.h"

#include <cmocka.h>     /* last: its macro hides our fail() */

static char folder[] = "/tmp/merganser-store-XXXXXX";
static error err;

static char *path_of(const char *name)
{
    return file_join(folder, name);
}

static const store_dimension dims[2] = {{"ja.weight.g0", 0, 2}, {"math.weight.g0", -1, 1}};
static const double vectors[3][2] = {{0.5, 0.1 + 0.2}, {5e-324, -1}, {2, 1.0 / 3}};

static store *new_study(const char *name, const char *study_name)
{
    char *path = path_of(name);
    json_t *settings = json_pack("{s:s, s:i}", "backend", "reference", "population", 3);
    store *s = store_create(path, study_name, "acc_ja", settings, &err);
    if (!s)
        fail_msg("%s", err.text);
    json_decref(settings);
    free(path);
    return s;
}

static void sql(const char *name, const char *text)
{
    char *path = path_of(name), *message = NULL;
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", text, message);
    sqlite3_close(db);
    free(path);
}

static void refused(const char *name, enum error_code code, const char *part)
{
    char *path = path_of(name);
    for (int read_only = 0; read_only < 2; read_only++) {
        assert_null(store_open(path, read_only, &err));
        if (!strstr(err.text, part) || !strstr(err.text, path) || err.code != code)
            fail_msg("code %d: %s (expected %d: %s)", err.code, err.text, code, part);
    }
    free(path);
}

static void begin(store *s, uint32_t g)
{
    assert_int_equal(store_advance(s, 0, g, "state", 5, dims, 2, vectors[0], 3, &err), 0);
}

static void finish(store *s, uint32_t g, const char *state, double value)
{
    trial t;
    double scores[2] = {1, 0};
    const char *answers[2] = {"答えは62です", NULL}, *ids[2] = {"t/1", "t/2"};
    assert_int_equal(store_claim(s, g, &t, &err), 1);
    trial_outcome o = {state, value, scores, answers, ids, 2, strcmp(state, "FAIL") == 0 ? "weights are not finite" : NULL, 1.5};
    assert_int_equal(store_complete(s, t.id, t.fence, &o, &err), 0);
    trial_clear(&t);
}

static void a_study_goes_forward(void **state)
{
    (void)state;
    store *s = new_study("forward.db", "forward");
    size_t n;
    uint32_t g, of;
    assert_null(store_state(s, &n, &of, &g, &err));
    assert_int_equal(err.code, ERROR_NONE);
    begin(s, 0);
    assert_int_equal(store_advance(s, 0, 0, "x", 1, dims, 2, vectors[0], 3, &err), -1);
    assert_int_equal(err.code, ERROR_STATE);
    assert_int_equal(store_advance(s, 0, 1, "x", 1, dims, 2, vectors[0], 3, &err), -1);    /* trials are open */
    assert_int_equal(err.code, ERROR_STATE);
    finish(s, 0, "COMPLETE", 1.0 / 3);
    finish(s, 0, "FAIL", NAN);
    assert_int_equal(store_advance(s, 0, 2, "x", 1, dims, 2, vectors[0], 3, &err), -1);
    finish(s, 0, "COMPLETE", NAN);      /* becomes FAIL */
    trial t;
    assert_int_equal(store_claim(s, 0, &t, &err), 0);
    assert_int_equal(store_advance(s, 0, 1, "second", 6, dims, 2, vectors[0], 2, &err), 0);
    char *bytes = store_state(s, &n, &of, &g, &err);
    assert_int_equal(n, 6);
    assert_memory_equal(bytes, "second", 6);
    assert_int_equal(g, 1);
    free(bytes);

    trial *list;
    assert_int_equal(store_trials(s, 0, true, &list, &n, &err), 0);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(list[i].number, i);
        assert_int_equal(list[i].candidate, i);
        assert_int_equal(list[i].n, 2);
        assert_memory_equal(list[i].x, vectors[i], sizeof vectors[i]);
        assert_int_equal(list[i].n_scores, 2);
    }
    assert_true(list[0].value == 1.0 / 3);
    assert_string_equal(list[0].answers[0], "答えは62です");
    assert_null(list[0].answers[1]);
    assert_true(list[0].scores[0] == 1 && list[0].scores[1] == 0);
    assert_string_equal(list[1].state, "FAIL");
    assert_string_equal(list[1].reason, "weights are not finite");
    assert_string_equal(list[2].state, "FAIL");
    assert_non_null(strstr(list[2].reason, "not a finite number"));
    trials_free(list, n);
    assert_int_equal(store_trials(s, UINT32_MAX, false, &list, &n, &err), 0);
    assert_int_equal(n, 5);
    assert_string_equal(list[4].state, "WAITING");
    trials_free(list, n);
    store_close(s);
}

static void a_stale_fence_changes_nothing(void **state)
{
    (void)state;
    store *s = new_study("fence.db", "fence");
    begin(s, 0);
    trial first, again;
    assert_int_equal(store_claim(s, 0, &first, &err), 1);
    assert_int_equal(store_claim(s, 0, &again, &err), 1);   /* the first process is gone: the same trial, a new fence */
    assert_int_equal(first.id, again.id);
    assert_true(again.fence > first.fence);
    trial_outcome o = {.state = "COMPLETE", .value = 0.25};
    assert_int_equal(store_complete(s, first.id, first.fence, &o, &err), -1);
    assert_int_equal(err.code, ERROR_STATE);
    assert_int_equal(store_complete(s, again.id, again.fence, &o, &err), 0);
    assert_int_equal(store_complete(s, again.id, again.fence, &o, &err), -1);     /* twice */
    assert_int_equal(err.code, ERROR_STATE);
    assert_int_equal(store_complete(s, 999, 1, &o, &err), -1);
    trial_clear(&first);
    trial_clear(&again);
    store_close(s);
}

static void names_are_data(void **state)
{
    (void)state;
    const char *name = "'); DROP TABLE trials; -- \"日本\"";
    store *s = new_study("names.db", name);
    assert_string_equal(store_study_name(s), name);
    json_t *value = json_pack("{s:s}", "a'b", "c\"d"), *back;
    assert_int_equal(store_put(s, name, json_null(), &err), 0);
    assert_int_equal(store_put(s, name, value, &err), 0);
    back = store_get(s, name, &err);
    assert_true(json_equal(value, back));
    assert_null(store_get(s, "absent", &err));
    assert_int_equal(err.code, ERROR_NONE);
    json_decref(value);
    json_decref(back);
    store_close(s);
    char *path = path_of("names.db");
    s = store_open(path, true, &err);
    assert_string_equal(store_study_name(s), name);
    json_t *settings = store_settings(s, &err);
    assert_string_equal(json_string_value(json_object_get(settings, "backend")), "reference");
    json_decref(settings);
    store_close(s);
    settings = json_object();
    assert_null(store_create(path, "again", "acc", settings, &err));
    json_decref(settings);
    free(path);
}

static void one_process_at_a_time(void **state)
{
    (void)state;
    store *s = new_study("lock.db", "lock");
    char *path = path_of("lock.db");
    assert_int_equal(store_lock(s, &err), 0);
    store *other = store_open(path, false, &err);
    assert_int_equal(store_lock(other, &err), -1);
    assert_int_equal(err.code, ERROR_STATE);
    store_close(other);
    store_close(s);
    s = store_open(path, false, &err);
    assert_int_equal(store_lock(s, &err), 0);
    store_close(s);
    free(path);
}

static void strangers_are_refused(void **state)
{
    (void)state;
    char *path = path_of("text.db");
    assert_int_equal(file_write(path, "this is not a database, whatever its name says, and it is long enough", 68, &err), 0);
    refused("text.db", ERROR_FORMAT, "not an SQLite database");
    assert_int_equal(file_write(path, "", 0, &err), 0);
    refused("text.db", ERROR_FORMAT, "an empty file");
    free(path);
    sql("foreign.db", "CREATE TABLE t (a)");
    refused("foreign.db", ERROR_FORMAT, "other tables");
    sql("optuna.db", "CREATE TABLE alembic_version (version_num TEXT)");
    refused("optuna.db", ERROR_FORMAT, "made by something else");
    refused("absent.db", ERROR_IO, "No such file");

    store_close(new_study("head.db", "head"));
    sql("head.db", "UPDATE alembic_version SET version_num = 'v9'");
    refused("head.db", ERROR_UNSUPPORTED, "version 'v9'");
    store_close(new_study("schema.db", "schema"));
    sql("schema.db", "UPDATE version_info SET schema_version = 13");
    refused("schema.db", ERROR_UNSUPPORTED, "schema version is 13");
    store_close(new_study("format.db", "format"));
    sql("format.db", "UPDATE mg_study SET format = 77");
    refused("format.db", ERROR_UNSUPPORTED, "format 77");

    store *s = new_study("corrupt.db", "corrupt");
    begin(s, 0);
    store_close(s);
    path = path_of("corrupt.db");
    size_t n;
    char *bytes = file_read(path, 1 << 24, &n, &err);
    memset(bytes + n / 4, 0xa5, n / 2);
    assert_int_equal(file_write(path, bytes, n, &err), 0);
    refused("corrupt.db", ERROR_FORMAT, "corrupt");
    free(bytes);
    free(path);
}

static void hostile_rows_are_refused(void **state)
{
    (void)state;
    static const struct { const char *change, *part; } cases[] = {
        {"UPDATE mg_trials SET x = x'0102'", "vector has 2 bytes"},
        {"UPDATE mg_trials SET x = x'000000000000f07f'", "vector has inf"},
        {"UPDATE mg_trials SET generation = -1", "generation -1"},
        {"UPDATE trials SET state = 'COMPLETE'; UPDATE mg_trials SET value = 'text'", "without a finite value"},
        {"UPDATE trials SET state = 'COMPLETE'; UPDATE mg_trials SET value = 9e999", "without a finite value"},
        {"UPDATE mg_study SET settings = '[1]'", "not an object"},
        {"UPDATE mg_study SET settings = '{'", "not valid JSON"},
        {"UPDATE mg_state SET state = x''", "is empty"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char name[32];
        snprintf(name, sizeof name, "rows%zu.db", i);
        store *s = new_study(name, name);
        assert_int_equal(store_advance(s, 0, 0, "state", 5, dims, 2, vectors[0], 1, &err), 0);
        store_close(s);
        sql(name, cases[i].change);
        char *path = path_of(name);
        s = store_open(path, true, &err);
        if (!s)
            fail_msg("%s", err.text);
        trial *list;
        size_t n;
        uint32_t g, of;
        err = (error){0};
        bool failed = store_trials(s, UINT32_MAX, true, &list, &n, &err) != 0;
        if (!failed)
            trials_free(list, n);
        json_t *settings = failed ? NULL : store_settings(s, &err);
        failed = failed || !settings;
        json_decref(settings);
        void *bytes = failed ? NULL : store_state(s, &n, &of, &g, &err);
        failed = failed || !bytes;
        free(bytes);
        if (!failed || !strstr(err.text, cases[i].part))
            fail_msg("%s: %s", cases[i].change, err.text);
        store_close(s);
        free(path);
    }
}

/* A limit on file size stands for a full disk: writes fail in the middle, at every size. */
static void a_full_disk_is_one_line(void **state)
{
    (void)state;
    for (rlim_t limit = 4096; limit <= 400 * 1024; limit += 12 * 1024) {
        char name[48];
        snprintf(name, sizeof name, "full%llu.db", (unsigned long long)limit);
        pid_t child = fork();
        if (child == 0) {
            signal(SIGXFSZ, SIG_IGN);
            setrlimit(RLIMIT_FSIZE, &(struct rlimit){limit, limit});
            char *path = path_of(name);
            json_t *settings = json_object();
            store *s = store_create(path, "full", "acc", settings, &err);
            uint32_t g = 0;
            int status = s ? 0 : -1;
            while (status == 0 && g < 200) {
                status = store_advance(s, 0, g, "state", 5, dims, 2, vectors[0], 3, &err);
                for (int i = 0; status == 0 && i < 3; i++) {
                    trial t;
                    status = store_claim(s, g, &t, &err) == 1 ? 0 : -1;
                    if (status == 0)
                        status = store_complete(s, t.id, t.fence, &(trial_outcome){.state = "COMPLETE", .value = 0.5}, &err);
                }
                g++;
            }
            _exit(status == -1 && err.text[0] && (err.code == ERROR_IO || err.code == ERROR_FORMAT) ? 0 : 1);
        }
        int status;
        waitpid(child, &status, 0);
        assert_int_equal(status, 0);
        char *path = path_of(name);
        if (file_exists(path)) {        /* what had been committed is there and whole */
            store *s = store_open(path, false, &err);
            if (!s)
                fail_msg("limit %llu: %s", (unsigned long long)limit, err.text);
            trial *list;
            size_t n;
            assert_int_equal(store_trials(s, UINT32_MAX, true, &list, &n, &err), 0);
            trials_free(list, n);
            store_close(s);
        }
        free(path);
    }
}

static void a_copy_is_the_study(void **state)
{
    (void)state;
    store *s = new_study("copied.db", "copied");
    begin(s, 0);
    finish(s, 0, "COMPLETE", 0.5);
    char *to = path_of("copy.db");
    assert_int_equal(store_copy(s, to, &err), 0);
    assert_int_equal(store_copy(s, to, &err), -1);
    store *copy = store_open(to, false, &err);
    finish(copy, 0, "COMPLETE", 0.75);
    trial *list;
    size_t n;
    assert_int_equal(store_trials(copy, 0, true, &list, &n, &err), 0);
    assert_true(n == 3 && list[0].value == 0.5 && list[1].value == 0.75);
    trials_free(list, n);
    assert_int_equal(store_trials(s, 0, true, &list, &n, &err), 0);
    assert_string_equal(list[1].state, "WAITING");
    trials_free(list, n);
    store_close(copy);
    store_close(s);
    free(to);
}

static void a_folder_that_cannot_be_written_can_be_read(void **state)
{
    (void)state;
    if (geteuid() == 0)
        skip();
    store_close(new_study("ro.db", "ro"));
    char *path = path_of("ro.db");
    chmod(folder, 0500);
    store *s = store_open(path, true, &err);
    chmod(folder, 0700);
    assert_non_null(s);
    store_close(s);
    free(path);
}

static int setup(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return file_remove_tree(folder, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_study_goes_forward),
        cmocka_unit_test(a_stale_fence_changes_nothing),
        cmocka_unit_test(names_are_data),
        cmocka_unit_test(one_process_at_a_time),
        cmocka_unit_test(strangers_are_refused),
        cmocka_unit_test(hostile_rows_are_refused),
        cmocka_unit_test(a_full_disk_is_one_line),
        cmocka_unit_test(a_copy_is_the_study),
        cmocka_unit_test(a_folder_that_cannot_be_written_can_be_read),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
