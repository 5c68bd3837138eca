/* Commands that hang, flood, crash, fork and lie: each gives a reason within its time, and none is still there afterwards. */
#include "../base/check.h"

#include <math.h>
#include <signal.h>
#include <unistd.h>

#include "base/progress.h"
#include "task/command.h"

static command_result result;

static void run(const char *line, double seconds)
{
    error err = {0};
    double begin = progress_seconds();
    if (command_run(line, seconds, &result, &err) != 0)
        fail_msg("'%s': %s", line, err.text);
    double took = progress_seconds() - begin;
    if (took > seconds + 2)
        fail_msg("'%s' took %.1f seconds", line, took);
}

static void good(const char *line, double score, size_t n_scores)
{
    run(line, 10);
    if (result.reason || result.score != score || result.n_scores != n_scores)
        fail_msg("'%s': score %g with %zu scores, %s", line, result.score, result.n_scores,
                 result.reason ? result.reason : "no reason");
    command_result_clear(&result);
}

static void bad(const char *line, double seconds, const char *tells, const char *also)
{
    run(line, seconds);
    if (!result.reason || !strstr(result.reason, tells) || !strstr(result.reason, also) || strchr(result.reason, '\n'))
        fail_msg("'%s': '%s' does not tell '%s' and '%s'", line, result.reason ? result.reason : "(it went well)", tells, also);
    command_result_clear(&result);
}

static void test_scores(void **state)
{
    (void)state;
    good("echo '{\"score\": 0.75}'", 0.75, 0);
    good("echo '{\"score\": 1}'", 1, 0);
    good("echo loading; echo; echo '  {\"score\": 0, \"time\": 3}  '; echo", 0, 0);
    good("printf '{\"score\": 0.5}'", 0.5, 0);
    good("echo '{\"score\": 0.25, \"scores\": [1, 0, 0, 0]}'", 0.25, 4);
    good("echo '{\"scores\": [1, 0.5]}'", 0.75, 2);
    good("echo noise >&2; echo '{\"score\": 0.5}'", 0.5, 0);
    good("head -c 300000 /dev/zero >&2; echo '{\"score\": 0.5}'", 0.5, 0);
    good("head -c 1000000 /dev/zero | tr '\\0' x; echo; echo '{\"score\": 0.5}'", 0.5, 0);
}

static void test_lies(void **state)
{
    (void)state;
    bad("echo '{\"score\": NaN}'", 10, "NaN", "last line");
    bad("echo '{\"score\": 1.7}'", 10, "score is 1.7", "[0, 1]");
    bad("echo '{\"score\": -0.1}'", 10, "score is -0.1", "[0, 1]");
    bad("echo '{\"score\": \"good\"}'", 10, "\"good\"", "[0, 1]");
    bad("echo '{\"score\": null}'", 10, "null", "");
    bad("echo '{\"score\": 1e400}'", 10, "", "");
    bad("echo '{\"score\": 0.5, \"scores\": [1, 2]}'", 10, "scores[1] is 2", "");
    bad("echo '{\"score\": 0.5, \"scores\": []}'", 10, "'scores'", "list");
    bad("echo '{\"score\": 0.5, \"score\": 0.6}'", 10, "last line", "");
    bad("echo '{\"result\": 0.5}'", 10, "{\"result\": 0.5}", "");
    bad("echo 0.5", 10, "'0.5'", "{\"score\": NUMBER}");
    bad("echo '{\"score\": 0.5}'; echo done", 10, "'done'", "");
    bad("true", 10, "printed nothing", "");
    bad("printf '\\n\\n \\n'", 10, "printed nothing", "");
    bad("head -c 1000 /dev/zero", 10, "printed nothing", "");
    bad("printf '\\377\\376\\033[2J'", 10, "???[2J", "");
}

static void test_crashes(void **state)
{
    (void)state;
    bad("echo '{\"score\": 0.5}'; echo 'out of cheese' >&2; exit 3", 10, "status 3", "out of cheese");
    bad("kill -SEGV $$", 10, "signal 11", "Segmentation");
    bad("no-such-program-here", 10, "status 127", "no-such-program-here");
    bad("printf 'tail \\377' >&2; exit 1", 10, "status 1", "tail ?");
    bad("head -c 100000 /dev/zero | tr '\\0' x >&2; echo >&2; echo last >&2; exit 1", 10, "status 1: last", "");
}

static void test_hangs(void **state)
{
    (void)state;
    bad("sleep 60", 0.3, "longer than its 0.3 seconds", "");
    bad("trap '' TERM INT HUP; echo waiting >&2; while :; do sleep 60; done", 0.3, "0.3 seconds", "waiting");
    bad("exec >&- 2>&-; sleep 60", 0.3, "0.3 seconds", "");
    bad("cat; sleep 60", 0.3, "0.3 seconds", "");
}

static void test_floods(void **state)
{
    (void)state;
    bad("yes", 10, "more than 1048576 bytes", "stopped");
    bad("yes >&2", 0.3, "0.3 seconds", "");
    bad("head -c 1100000 /dev/zero; echo '{\"score\": 0.5}'", 10, "more than 1048576 bytes", "");
}

static void test_stdin_is_empty(void **state)
{
    (void)state;
    good("cat; echo '{\"score\": 0.5}'", 0.5, 0);
}

/* Gone, or a zombie that nobody has collected yet. */
static bool is_gone(int pid)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return true;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    const char *after = strrchr(text, ')');
    return after && (after[2] == 'Z' || after[2] == 'X');
}

static void test_what_it_leaves_behind(void **state)
{
    (void)state;
    error err;
    char *folder = new_folder(), *note = file_join(folder, "pid");
    char *line = memory_print("sleep 60 & echo $! > %s; echo '{\"score\": 0.5}'", note);
    good(line, 0.5, 0);   /* though the sleeper holds stdout open */
    size_t n;
    char *text = file_read(note, 100, &n, &err);
    assert_non_null(text);
    int pid = atoi(text);
    assert_true(pid > 1);
    bool gone = false;
    for (int i = 0; i < 100 && !gone; i++) {
        gone = is_gone(pid);
        usleep(10000);
    }
    assert_true(gone);
    free(text);
    free(line);
    free(note);
    remove_folder(folder);
    bad("for i in 1 2 3 4 5 6 7 8; do (sleep 60 & sleep 60) & done; wait", 0.3, "0.3 seconds", "");
}

static void test_files_are_not_inherited(void **state)
{
    (void)state;
    int fd = dup(STDERR_FILENO);
    assert_true(fd > 2);
    char *line = memory_print("test ! -e /dev/fd/%d && echo '{\"score\": 1}'", fd);
    good(line, 1, 0);
    free(line);
    close(fd);
}

static void test_line(void **state)
{
    (void)state;
    char *line = command_line("score {model} --on {questions} {model}", "/a b/it's", "q.jsonl");
    assert_string_equal(line, "score '/a b/it'\\''s' --on 'q.jsonl' '/a b/it'\\''s'");
    free(line);
    line = command_line("echo ${HOME} {questions} {x}", "m", NULL);
    assert_string_equal(line, "echo ${HOME} {questions} {x}");
    free(line);
    line = command_line("test {model} = '$(touch x); \\'", "$(touch x); \\", NULL);
    char *whole = memory_print("%s && echo '{\"score\": 1}'", line);
    good(whole, 1, 0);
    free(whole);
    free(line);
}

/* Last: the interrupt flag stays. */
static void test_interrupt(void **state)
{
    (void)state;
    error err = {0};
    progress_catch_interrupts();
    raise(SIGINT);
    double begin = progress_seconds();
    assert_int_equal(command_run("sleep 60", 50, &result, &err), -1);
    assert_error(&err, ERROR_INTERRUPTED, "interrupted");
    assert_true(progress_seconds() - begin < 5);
    command_result_clear(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scores), cmocka_unit_test(test_lies), cmocka_unit_test(test_crashes), cmocka_unit_test(test_hangs),
        cmocka_unit_test(test_floods), cmocka_unit_test(test_stdin_is_empty), cmocka_unit_test(test_what_it_leaves_behind),
        cmocka_unit_test(test_files_are_not_inherited), cmocka_unit_test(test_line), cmocka_unit_test(test_interrupt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
