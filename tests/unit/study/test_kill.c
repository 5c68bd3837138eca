/* A study that is killed at random moments and started again ends as one that nobody disturbed, bit for bit. */
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <time.h>

#include "world.h"

#define KILLS 10

static pid_t start(char *out)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    closed_form f = closed_form_new();
    f.microseconds = 1500;
    f.invalid_above = 1.1;      /* some trials fail: they must come back failed too */
    int status = world_run("kill.yml", &f, (study_run_options){.out = out});
    if (status != 0)
        fprintf(stderr, "%s\n", world_error.text);
    _exit(status == 0 ? 0 : 1);
}

/* Every value of every table but times and fences, as text. */
static char *dump(const char *out)
{
    static const char *const queries[] = {
        "SELECT trial_id, number, state FROM trials ORDER BY 1",
        "SELECT trial_id, generation, candidate, hex(x), format('%!.17g', value), reason FROM mg_trials ORDER BY 1",
        "SELECT trial_id, position, question, format('%!.17g', score), answer FROM mg_scores ORDER BY 1, 2",
        "SELECT trial_id, param_name, format('%!.17g', param_value), distribution_json FROM trial_params ORDER BY 1, 2",
        "SELECT trial_id, objective, format('%!.17g', value) FROM trial_values ORDER BY 1, 2",
        "SELECT generation, step, hex(state) FROM mg_state",
        "SELECT generation, step FROM mg_generations ORDER BY 1",
        "SELECT name, value FROM mg_results ORDER BY 1",
        "SELECT settings FROM mg_study",
    };
    char *path = file_join(out, "study.db");
    sqlite3 *db;
    string all = {0};
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        sqlite3_stmt *q;
        assert_int_equal(sqlite3_prepare_v2(db, queries[i], -1, &q, NULL), SQLITE_OK);
        while (sqlite3_step(q) == SQLITE_ROW) {
            for (int k = 0; k < sqlite3_column_count(q); k++)
                string_print(&all, "%s|", sqlite3_column_text(q, k) ? (const char *)sqlite3_column_text(q, k) : "NULL");
            string_puts(&all, "\n");
        }
        sqlite3_finalize(q);
    }
    sqlite3_close(db);
    free(path);
    return all.text;
}

static void kills_change_nothing(void **state)
{
    (void)state;
    char *whole = world_path("undisturbed"), *killed = world_path("killed");
    int status, kills = 0, tries = 0;
    world_write_study("kill.yml", "population: 7, generations: 12", "seed: 5\n");
    double began = progress_seconds();
    waitpid(start(whole), &status, 0);
    assert_int_equal(status, 0);
    double seconds = progress_seconds() - began;
    random_stream r = random_stream_for((uint64_t)time(NULL), "kills", 0, 0);
    bool over = false;
    while (kills < KILLS && tries++ < 3 * KILLS) {
        pid_t child = start(killed);
        /* A start alone takes a while; ten kills take about three quarters of the study. */
        usleep((useconds_t)(1e6 * (0.02 * seconds + random_uniform(&r) * 1.4 * seconds / KILLS)));
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        if (WIFSIGNALED(status)) {
            kills++;
        } else {
            assert_int_equal(status, 0);
            over = true;
            break;
        }
    }
    print_message("%d kills%s\n", kills, over ? ", then it was finished" : "");
    assert_true(kills >= 3);
    waitpid(start(killed), &status, 0);
    assert_int_equal(status, 0);
    char *a = dump(whole), *b = dump(killed);
    size_t same = 0;
    while (a[same] && a[same] == b[same])
        same++;
    if (a[same] || b[same])
        fail_msg("undisturbed ... %.200s ... killed ... %.200s", a + (same > 100 ? same - 100 : 0),
                 b + (same > 100 ? same - 100 : 0));
    static const char *const files[] = {"recipe.yml", "best/model.safetensors", "best/config.json"};
    for (int i = 0; i < 3; i++) {
        char hex[2][65], *x = file_join(whole, files[i]), *y = file_join(killed, files[i]);
        assert_int_equal(file_sha256_path(x, hex[0], &world_error), 0);
        assert_int_equal(file_sha256_path(y, hex[1], &world_error), 0);
        assert_string_equal(hex[0], hex[1]);
        free(x);
        free(y);
    }
    free(a);
    free(b);
    free(whole);
    free(killed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(kills_change_nothing)};
    return cmocka_run_group_tests(tests, world_open, world_close);
}
