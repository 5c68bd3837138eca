/* A study on the terminal: its standing, its table, its worked answers, where everything lies. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "study/run.h"
#include "study/store.h"

typedef struct standing {
    size_t trials, complete, failed, waiting;
    uint32_t generations;       /* begun */
    double best;
    int64_t best_trial;
} standing;

static int read_standing(store *s, standing *out, error *err)
{
    trial *list;
    size_t n;
    *out = (standing){.best = -INFINITY, .best_trial = -1};
    if (store_trials(s, UINT32_MAX, false, &list, &n, err) != 0)
        return -1;
    out->trials = n;
    for (size_t i = 0; i < n; i++) {
        bool whole = strcmp(list[i].state, "COMPLETE") == 0;
        out->complete += whole;
        out->failed += strcmp(list[i].state, "FAIL") == 0;
        out->waiting += strcmp(list[i].state, "WAITING") == 0 || strcmp(list[i].state, "RUNNING") == 0;
        if (list[i].generation + 1 > out->generations)
            out->generations = list[i].generation + 1;
        if (whole && list[i].value > out->best) {
            out->best = list[i].value;
            out->best_trial = list[i].number;
        }
    }
    trials_free(list, n);
    return 0;
}

/* Columns on a terminal: wide characters of East Asian scripts take two. */
static int width_of(const char *text)
{
    int width = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if ((*p & 0xc0) == 0x80)
            continue;
        width += *p >= 0xe3 && *p <= 0xed ? 2 : 1;
    }
    return width;
}

static void print_padded(const char *text, int width)
{
    /* Names come from files: what a terminal would obey becomes '?'. */
    for (const char *p = text; *p; p++)
        putchar((unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p);
    for (int i = width_of(text); i < width; i++)
        putchar(' ');
}

static const char *member_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static double member_number(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

static void cell_text(const json_t *cell, char out[64])
{
    double score = member_number(cell, "score"), low = member_number(cell, "low"), high = member_number(cell, "high");
    if (!isfinite(score))
        snprintf(out, 64, "-");
    else if (score < 0 || score > 1 || low < 0 || high > 1.0000001)
        snprintf(out, 64, "%.4g [%.4g, %.4g]", score, low, high);
    else
        snprintf(out, 64, "%5.1f [%.1f, %.1f]", 100 * score, 100 * low, 100 * high);
}

static void print_table(const json_t *table)
{
    static const char *const columns[] = {"search", "held_out"}, *const titles[] = {"search", "held out"};
    const json_t *rows = json_object_get(table, "rows"), *row, *note;
    const char *winner = member_text(table, "winner");
    int width = 8;
    size_t i;
    json_array_foreach(rows, i, row)
        if (width_of(member_text(row, "name")) > width)
            width = width_of(member_text(row, "name"));
    print_padded("", width + 2);
    for (int k = 0; k < 2; k++) {
        char title[64];
        double n = member_number(json_object_get(json_array_get(rows, 0), columns[k]), "n");
        snprintf(title, sizeof title, isfinite(n) ? "%s (%.0f)" : "%s", titles[k], n);
        print_padded(title, 22);
    }
    putchar('\n');
    json_array_foreach(rows, i, row) {
        char text[64];
        printf("%s ", strcmp(member_text(row, "name"), winner) == 0 ? "*" : " ");
        print_padded(member_text(row, "name"), width);
        for (int k = 0; k < 2; k++) {
            cell_text(json_object_get(row, columns[k]), text);
            print_padded(text, k == 0 ? 22 : 0);
        }
        putchar('\n');
    }
    printf("* the winner on the select questions; 95 %% intervals\n");
    if (json_is_integer(json_object_get(table, "wins")))
        printf("Held-out questions that the winner solves and no source does: %lld; that a source solves and the winner does "
               "not: %lld.\n",
               (long long)json_integer_value(json_object_get(table, "wins")),
               (long long)json_integer_value(json_object_get(table, "losses")));
    json_array_foreach(json_object_get(table, "notes"), i, note)
        if (json_is_string(note)) {
            print_padded(json_string_value(note), 0);
            putchar('\n');
        }
}

/* Answers may have many lines: they become one, cut where a screen ends. */
static void print_answer(const char *text, size_t limit)
{
    size_t shown = 0;
    for (const char *p = text; *p; p++) {
        bool starts = ((unsigned char)*p & 0xc0) != 0x80;
        if (starts && ++shown > limit) {
            fputs("...", stdout);
            return;
        }
        putchar((unsigned char)*p < 0x20 || *p == 0x7f ? ' ' : *p);
    }
}

static void print_worked(const json_t *worked)
{
    const json_t *item, *reply;
    size_t i, k;
    int width = 0;
    json_array_foreach(worked, i, item)
        json_array_foreach(json_object_get(item, "answers"), k, reply)
            if (width_of(member_text(reply, "name")) > width)
                width = width_of(member_text(reply, "name"));
    json_array_foreach(worked, i, item) {
        printf("\n%s: ", member_text(item, "note")[0] ? member_text(item, "note") : "a question");
        print_answer(member_text(item, "question"), 400);
        printf("   (gold: ");
        print_answer(member_text(item, "gold"), 40);
        puts(")");
        json_array_foreach(json_object_get(item, "answers"), k, reply) {
            printf("  %s ", json_is_true(json_object_get(reply, "ok")) ? "+" : "-");
            print_padded(member_text(reply, "name"), width + 2);
            print_answer(member_text(reply, "text"), 160);
            putchar('\n');
        }
    }
}

static void print_places(const json_t *places, const char *db)
{
    const json_t *place;
    size_t i;
    char *folder = file_folder(db);
    if (json_array_size(places))
        putchar('\n');
    json_array_foreach(places, i, place) {
        char *path = file_join(folder, member_text(place, "path"));
        print_padded(path, 0);
        fputs(": ", stdout);
        print_padded(member_text(place, "what"), 0);
        putchar('\n');
        free(path);
    }
    free(folder);
}

static json_t *optional(store *s, const char *name, int *status, error *err)
{
    error missing = {0};
    json_t *value = *status == 0 ? store_get(s, name, &missing) : NULL;
    if (!value && missing.code != ERROR_NONE) {
        *err = missing;
        *status = -1;
    }
    return value;
}

int study_print_table(const char *study_db, bool json, error *err)
{
    store *s = store_open(study_db, true, err);
    standing now;
    int status = s ? read_standing(s, &now, err) : -1;
    if (status != 0) {
        store_close(s);
        return -1;
    }
    json_t *table = optional(s, "table", &status, err), *worked = optional(s, "worked", &status, err),
           *places = optional(s, "places", &status, err);
    if (status == 0 && json) {
        json_t *out = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:O?, s:O?, s:O?}", "study", store_study_name(s), "generations",
                                (json_int_t)now.generations, "trials", (json_int_t)now.trials, "complete",
                                (json_int_t)now.complete, "failed", (json_int_t)now.failed, "waiting", (json_int_t)now.waiting,
                                "table", table, "worked", worked, "places", places);
        json_object_set_new(out, "best",
                            now.best_trial < 0 ? json_null()
                                               : json_pack("{s:I, s:f}", "trial", (json_int_t)now.best_trial, "score", now.best));
        json_dumpf(out, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(out);
    } else if (status == 0) {
        print_padded(store_study_name(s), 0);
        printf(": generation %u, %zu trials complete, %zu failed, %zu waiting", now.generations, now.complete, now.failed,
               now.waiting);
        if (now.best_trial >= 0)
            printf("; best search score %.4f (trial %lld)", now.best, (long long)now.best_trial);
        putchar('\n');
        if (table)
            print_table(table);
        print_worked(worked);
        print_places(places, study_db);
    }
    fflush(stdout);
    json_decref(table);
    json_decref(worked);
    json_decref(places);
    store_close(s);
    return status;
}
