#include "base/progress.h"

#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static int level = 1;
static atomic_int interrupts;
static bool bar_shown;
static double last_drawn = -1e9;

void progress_set_level(int wanted)
{
    level = wanted;
}

int progress_level(void)
{
    return level;
}

double progress_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void progress_clear(void)
{
    if (bar_shown)
        fputs("\r\033[K", stderr);
    bar_shown = false;
}

void progress_say(const char *format, ...)
{
    if (level == 0)
        return;
    progress_clear();
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

void progress_bar(const char *label, uint64_t done, uint64_t total, const char *text)
{
    double now = progress_seconds();
    if (level == 0 || now - last_drawn < 0.1)
        return;
    bool terminal = isatty(STDERR_FILENO);
    if (!terminal && now - last_drawn < 10)
        return;
    last_drawn = now;
    if (!terminal) {
        fprintf(stderr, "%s %llu/%llu %s\n", label, (unsigned long long)done, (unsigned long long)total, text ? text : "");
        return;
    }
    struct winsize size = {0};
    int columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
    char bar[25], line[512];
    int filled = total ? (int)(24 * done / total) : 0;
    for (int i = 0; i < 24; i++)
        bar[i] = i < filled ? '=' : ' ';
    bar[24] = '\0';
    snprintf(line, sizeof line, "%s [%s] %llu/%llu %s", label, bar, (unsigned long long)done, (unsigned long long)total, text ? text : "");
    fprintf(stderr, "\r%.*s\033[K", columns - 1, line);
    bar_shown = true;
}

const char *progress_bytes(char out[32], double bytes)
{
    static const char *const unit[] = {"B", "kB", "MB", "GB", "TB"};
    int u = 0;
    while (bytes >= 1000 && u < 4) {
        bytes /= 1000;
        u++;
    }
    snprintf(out, 32, u == 0 || bytes >= 100 ? "%.0f %s" : "%.1f %s", bytes, unit[u]);
    return out;
}

const char *progress_duration(char out[32], double seconds)
{
    long s = (long)(seconds + 0.5);
    if (seconds < 10)
        snprintf(out, 32, "%.1f s", seconds);
    else if (s < 60)
        snprintf(out, 32, "%ld s", s);
    else if (s < 3600)
        snprintf(out, 32, "%ld min %ld s", s / 60, s % 60);
    else if (s < 48 * 3600)
        snprintf(out, 32, "%ld h %ld min", s / 3600, s / 60 % 60);
    else
        snprintf(out, 32, "%ld days", s / 86400);
    return out;
}

static void on_signal(int number)
{
    (void)number;
    if (atomic_fetch_add(&interrupts, 1) >= 1)
        _exit(130);
}

void progress_catch_interrupts(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool progress_interrupted(void)
{
    return atomic_load(&interrupts) > 0;
}
