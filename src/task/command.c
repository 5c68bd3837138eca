#include "task/command.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utf8proc.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/progress.h"

#define KEPT_ERRORS 4096    /* of stderr, the end */
#define TICK_MS 20          /* how often the process, the clock and ^C are looked at */

extern char **environ;

struct child {
    pid_t pid;              /* also its process group */
    int out, errors;        /* our ends of its pipes; -1 once closed */
    string printed;         /* stdout */
    char tail[KEPT_ERRORS + 1];
    size_t tail_length;
};

static int open_pipe(int ends[2], error *err)
{
    if (pipe2(ends, O_CLOEXEC) != 0)
        return fail_errno(err, "cannot run a command: pipe");
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
        return 0;
    fail_errno(err, "cannot run a command: pipe");
    close(ends[0]);
    close(ends[1]);
    return -1;
}

/* posix_spawn, not fork: a process that holds a 7B model need not be copied to run a script. */
static int spawn(const char *line, int out, int errors, pid_t *pid, error *err)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGINT);
    sigaddset(&defaults, SIGTERM);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGBUS);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, errors, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setsigmask(&attributes, &none);
    char *const arguments[] = {"sh", "-c", (char *)line, NULL};
    errno = posix_spawn(pid, "/bin/sh", &files, &attributes, arguments, environ);
    int status = errno == 0 ? 0 : fail_errno(err, "cannot run /bin/sh");
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return status;
}

static void keep_tail(struct child *c, const char *text, size_t n)
{
    if (n > KEPT_ERRORS) {
        text += n - KEPT_ERRORS;
        n = KEPT_ERRORS;
    }
    size_t keep = c->tail_length + n > KEPT_ERRORS ? KEPT_ERRORS - n : c->tail_length;
    memmove(c->tail, c->tail + c->tail_length - keep, keep);
    memcpy(c->tail + keep, text, n);
    c->tail_length = keep + n;
    c->tail[c->tail_length] = '\0';
}

static void close_end(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Takes one block of what has come. Returns whether there may be more at once. */
static bool take(struct child *c, int *fd)
{
    char block[65536];
    if (*fd < 0)
        return false;
    ssize_t r = read(*fd, block, sizeof block);
    if (r > 0 && fd == &c->out)
        string_add(&c->printed, block, (size_t)r);
    else if (r > 0)
        keep_tail(c, block, (size_t)r);
    else if (r == 0 || (errno != EAGAIN && errno != EINTR))
        close_end(fd);
    return r == (ssize_t)sizeof block;
}

/* What is in the pipes when the command itself has ended; a process that still writes is not waited for. */
static void drain(struct child *c)
{
    for (int i = 0; i < 64 && c->printed.length <= COMMAND_MAX_OUTPUT && take(c, &c->out); i++)
        ;
    for (int i = 0; i < 64 && take(c, &c->errors); i++)
        ;
}

enum ending { ENDED, TOO_LONG, FLOODED, INTERRUPTED };

static enum ending wait_for(struct child *c, double seconds)
{
    double limit = progress_seconds() + seconds;
    for (;;) {
        struct pollfd fds[2] = {{.fd = c->out, .events = POLLIN}, {.fd = c->errors, .events = POLLIN}};
        poll(fds, 2, TICK_MS);
        if (fds[0].revents)
            take(c, &c->out);
        if (fds[1].revents)
            take(c, &c->errors);
        if (c->printed.length > COMMAND_MAX_OUTPUT)
            return FLOODED;
        siginfo_t info = {0};
        /* WNOWAIT leaves the zombie, so that its group's number cannot be given to others before the group is killed. */
        if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == c->pid)
            return ENDED;
        if (progress_interrupted())
            return INTERRUPTED;
        if (progress_seconds() > limit)
            return TOO_LONG;
    }
}

/* The last line that says something. */
static size_t last_line(const char *text, size_t n, size_t *length)
{
    while (n > 0 && strchr(" \t\r\n", text[n - 1]))
        n--;
    size_t begin = n;
    while (begin > 0 && text[begin - 1] != '\n')
        begin--;
    *length = n - begin;
    return begin;
}

static void set_reason(command_result *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void set_reason(command_result *out, const char *format, ...)
{
    error cleaned;
    char text[900];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (size_t i = 0, n = strlen(text); i < n;) {   /* reasons are kept in databases and JSON: only UTF-8 */
        utf8proc_int32_t c;
        utf8proc_ssize_t k = utf8proc_iterate((const utf8proc_uint8_t *)text + i, (utf8proc_ssize_t)(n - i), &c);
        if (k <= 0)
            text[i] = '?';
        i += k <= 0 ? 1 : (size_t)k;
    }
    fail(&cleaned, ERROR_FORMAT, "%s", text);        /* which escapes what a terminal would obey */
    free(out->reason);
    out->reason = memory_text(cleaned.text);
}

static bool good_score(const json_t *value, const char *what, size_t index, command_result *out)
{
    double x = json_is_number(value) ? json_number_value(value) : NAN;
    if (x >= 0 && x <= 1)
        return true;
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    if (index)
        set_reason(out, "the command's %s[%zu] is %.60s, not a number in [0, 1]", what, index - 1, text ? text : "?");
    else
        set_reason(out, "the command's %s is %.60s, not a number in [0, 1]", what, text ? text : "?");
    free(text);
    return false;
}

static bool read_scores(const json_t *list, command_result *out)
{
    if (!json_is_array(list) || json_array_size(list) == 0) {
        set_reason(out, "the command's 'scores' should be a list of numbers in [0, 1]");
        return false;
    }
    out->n_scores = json_array_size(list);
    out->scores = memory_new(out->n_scores, sizeof *out->scores);
    for (size_t i = 0; i < out->n_scores; i++) {
        if (!good_score(json_array_get(list, i), "scores", i + 1, out))
            return false;
        out->scores[i] = json_number_value(json_array_get(list, i));
    }
    return true;
}

void command_read_output(const char *text, size_t n, command_result *out)
{
    size_t length, begin = last_line(text, n, &length);
    if (length == 0) {
        set_reason(out, "the command printed nothing; its last line should be {\"score\": NUMBER}");
        return;
    }
    const char *line = text + begin;
    int shown = length > 120 ? 120 : (int)length;
    error err;
    json_t *json = json_parse(line, length, "output", &err);
    const json_t *score = json_object_get(json, "score"), *scores = json_object_get(json, "scores");
    if (!json || !json_is_object(json) || (!score && !scores)) {
        set_reason(out, "the command's last line should be {\"score\": NUMBER}, not '%.*s'", shown, line);
    } else if ((!scores || read_scores(scores, out)) && (!score || good_score(score, "score", 0, out))) {
        double sum = 0;
        for (size_t i = 0; i < out->n_scores; i++)
            sum += out->scores[i];
        out->score = score ? json_number_value(score) : sum / (double)out->n_scores;
    }
    json_decref(json);
}

static void judge(struct child *c, enum ending ending, int status, double seconds, command_result *out)
{
    size_t length, begin = last_line(c->tail, c->tail_length, &length);
    int shown = length > 200 ? 200 : (int)length;
    const char *colon = length ? ": " : "", *last = c->tail + begin;
    if (ending == TOO_LONG)
        set_reason(out, "the command ran longer than its %g seconds and was stopped%s%.*s", seconds, colon, shown, last);
    else if (ending == FLOODED || c->printed.length > COMMAND_MAX_OUTPUT)
        set_reason(out, "the command printed more than %zu bytes and was stopped", COMMAND_MAX_OUTPUT);
    else if (WIFSIGNALED(status))
        set_reason(out, "the command was ended by signal %d (%s)%s%.*s", WTERMSIG(status), strsignal(WTERMSIG(status)), colon,
                   shown, last);
    else if (WEXITSTATUS(status) != 0)
        set_reason(out, "the command ended with status %d%s%.*s", WEXITSTATUS(status), colon, shown, last);
    else
        command_read_output(c->printed.text ? c->printed.text : "", c->printed.length, out);
}

int command_run(const char *line, double seconds, command_result *out, error *err)
{
    int pipes[2], error_pipes[2];
    *out = (command_result){0};
    if (open_pipe(pipes, err) != 0)
        return -1;
    if (open_pipe(error_pipes, err) != 0) {
        close(pipes[0]);
        close(pipes[1]);
        return -1;
    }
    struct child c = {.out = pipes[0], .errors = error_pipes[0]};
    int started = spawn(line, pipes[1], error_pipes[1], &c.pid, err), status = 0;
    close(pipes[1]);
    close(error_pipes[1]);
    if (started == 0) {
        enum ending ending = wait_for(&c, seconds);
        if (ending == ENDED)
            drain(&c);
        kill(-c.pid, SIGKILL);
        while (waitpid(c.pid, &status, 0) < 0 && errno == EINTR)
            ;
        if (ending == INTERRUPTED)
            started = fail(err, ERROR_INTERRUPTED, "interrupted while the task's command ran");
        else
            judge(&c, ending, status, seconds, out);
    }
    close_end(&c.out);
    close_end(&c.errors);
    free(c.printed.text);
    return started;
}

void command_result_clear(command_result *r)
{
    free(r->reason);
    free(r->scores);
    *r = (command_result){0};
}

static void add_quoted(string *s, const char *path)
{
    string_puts(s, "'");
    for (; *path; path++) {
        if (*path == '\'')
            string_puts(s, "'\\''");
        else
            string_add(s, path, 1);
    }
    string_puts(s, "'");
}

char *command_line(const char *run, const char *model, const char *questions)
{
    static const char model_place[] = "{model}", questions_place[] = "{questions}";
    string s = {0};
    while (*run) {
        if (strncmp(run, model_place, sizeof model_place - 1) == 0) {
            add_quoted(&s, model);
            run += sizeof model_place - 1;
        } else if (questions && strncmp(run, questions_place, sizeof questions_place - 1) == 0) {
            add_quoted(&s, questions);
            run += sizeof questions_place - 1;
        } else {
            string_add(&s, run++, 1);
        }
    }
    return s.text ? s.text : memory_text("");
}
