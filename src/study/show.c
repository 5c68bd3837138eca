/* A study on the terminal: its standing, its table, its worked answers, where everything lies. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "study/members.h"
#include "study/path_drawing.h"
#include "study/run.h"
#include "study/store.h"
#include "study/terminal.h"

#define CELL 22         /* columns of a score with its interval */
#define MOST_LINES 4    /* of a row's name */
#define MOST_NAME 24    /* columns of a name before an answer */

typedef struct standing {
    size_t trials, complete, pruned, failed, waiting;
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
        out->pruned += strcmp(list[i].state, "PRUNED") == 0;
        out->failed += strcmp(list[i].state, "FAIL") == 0;
        out->waiting += trial_is_open(&list[i]);
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

static void print_text(const char *text, int width, int most)
{
    string s = {0};
    terminal_add(&s, text, width, most);
    fputs(s.text, stdout);
    free(s.text);
}

static void cell_text(const json_t *cell, char out[64])
{
    double score = member_number(cell, "score"), low = member_number(cell, "low"), high = member_number(cell, "high");
    const char *reason = member_text(cell, "reason");
    if (!isfinite(score))
        snprintf(out, 64, "%s", *reason && terminal_columns(reason) < CELL ? reason : "-");
    else if (score < 0 || score > 1 || low < 0 || high > 1.0000001)
        snprintf(out, 64, "%.4g [%.4g, %.4g]", score, low, high);
    else
        snprintf(out, 64, "%5.1f [%.1f, %.1f]", 100 * score, 100 * low, 100 * high);
}

/* A name of any length keeps to its column: what does not fit goes on below. Call it with *rest = name, then with what it left. */
static void print_name(const char **rest, int width)
{
    char *line = terminal_take(rest, width - 1);
    print_text(line ? line : "", width, 0);
    free(line);
}

static void print_rest(const char *rest, int width)
{
    for (int lines = 1; *rest; lines++) {
        fputs("    ", stdout);
        if (lines == MOST_LINES) {
            print_text(rest, 0, width - 2);
            rest = "";
        } else {
            char *line = terminal_take(&rest, width - 2);
            print_text(line ? line : "", 0, 0);
            free(line);
        }
        putchar('\n');
    }
}

/* The column for names up to so wide, as far as there is room for it beside the numbers. */
static int name_width(int widest)
{
    int room = terminal_width() - 2 - 2 * CELL;
    return widest + 1 < room ? widest + 1 : room;
}

/* What was found against what else answered the same questions: one line each. */
static void print_pairs(const json_t *pairs, bool graded)
{
    static const char title[] = "question by question, held out";
    const json_t *pair;
    size_t i, shown = 0;
    int width = name_width((int)strlen(title));
    json_array_foreach(pairs, i, pair) {
        double difference = member_number(pair, "difference"), low = member_number(pair, "low"), high = member_number(pair, "high"),
               better = member_number(pair, "better"), worse = member_number(pair, "worse"), p = member_number(pair, "p");
        if (!*member_text(pair, "row") || !*member_text(pair, "against") || !(isfinite(difference + low + high + better + worse + p)))
            continue;
        if (shown++ == 0) {
            print_text("", 2, 0);
            print_text(title, width, width - 1);
            print_text("points", CELL, 0);
            puts(graded ? "more to less  sign test" : "solved alone  sign test");
        }
        char *name = memory_print("%s against %s", member_text(pair, "row"), member_text(pair, "against")), text[64];
        const char *rest = name;
        fputs("  ", stdout);
        print_name(&rest, width);
        snprintf(text, sizeof text, "%+5.1f [%.1f, %.1f]", 100 * difference, 100 * low, 100 * high);
        print_text(text, CELL, 0);
        snprintf(text, sizeof text, "%.0f to %.0f", better, worse);
        print_text(text, 14, 0);
        printf(p > 0 ? "p = %.2g\n" : "p < 1e-300\n", p);
        print_rest(rest, width);
        free(name);
    }
}

static const json_t *row_named(const json_t *rows, const char *name)
{
    const json_t *row;
    size_t i;
    json_array_foreach(rows, i, row)
        if (strcmp(member_text(row, "name"), name) == 0)
            return row;
    return NULL;
}

/* Of several tasks: the winner, and the source that is best at each. */
static void print_tasks(const json_t *table)
{
    const json_t *rows = json_object_get(table, "rows"), *won = row_named(rows, member_text(table, "winner")), *row, *mine;
    const char *split = json_array_size(json_object_get(json_object_get(won, "held_out"), "tasks")) > 1 ? "held_out" : "select";
    const json_t *tasks = json_object_get(json_object_get(won, split), "tasks");
    size_t k, i;
    int width = 16;
    if (json_array_size(tasks) < 2)
        return;
    json_array_foreach(tasks, k, mine) {
        int wide = terminal_columns(member_text(mine, "task"));
        width = wide > width ? wide : width;
    }
    width = name_width(width);
    print_text("", 2, 0);
    print_text(strcmp(split, "held_out") == 0 ? "tasks, held out" : "tasks, select", width, width - 1);
    print_text("winner", CELL, 0);
    puts("best source");
    json_array_foreach(tasks, k, mine) {
        const json_t *best = NULL, *theirs;
        const char *name = "", *rest = member_text(mine, "task");
        char text[64];
        json_array_foreach(rows, i, row) {
            theirs = json_array_get(json_object_get(json_object_get(row, split), "tasks"), k);
            if (strcmp(member_text(row, "kind"), "source") == 0 && isfinite(member_number(theirs, "score")) &&
                (!best || member_number(theirs, "score") > member_number(best, "score"))) {
                best = theirs;
                name = member_text(row, "name");
            }
        }
        print_text("", 2, 0);
        print_name(&rest, width);
        cell_text(mine, text);
        print_text(text, CELL, 0);
        cell_text(best, text);
        print_text(text, CELL, 0);
        print_text(name, 0, 0);
        putchar('\n');
        print_rest(rest, width);
    }
}

static void print_table(const json_t *table)
{
    static const char *const columns[] = {"search", "held_out"}, *const titles[] = {"search", "held out"};
    const json_t *rows = json_object_get(table, "rows"), *row, *note;
    const char *winner = member_text(table, "winner");
    bool graded = json_is_true(json_object_get(table, "graded"));
    int width = 8;
    size_t i;
    json_array_foreach(rows, i, row) {
        int wide = terminal_columns(member_text(row, "name"));
        width = wide > width ? wide : width;
    }
    width = name_width(width);
    print_text("", width + 2, 0);
    for (int k = 0; k < 2; k++) {
        char title[64];
        double n = NAN;
        for (size_t r = 0; r < json_array_size(rows) && isnan(n); r++)
            n = member_number(json_object_get(json_array_get(rows, r), columns[k]), "n");
        snprintf(title, sizeof title, isfinite(n) ? "%s (%.0f)" : "%s", titles[k], n);
        print_text(title, k == 0 ? CELL : 0, 0);
    }
    putchar('\n');
    json_array_foreach(rows, i, row) {
        char text[64];
        const char *rest = member_text(row, "name");
        printf("%s ", strcmp(rest, winner) == 0 ? "*" : " ");
        print_name(&rest, width);
        for (int k = 0; k < 2; k++) {
            cell_text(json_object_get(row, columns[k]), text);
            print_text(text, k == 0 ? CELL : 0, 0);
        }
        putchar('\n');
        print_rest(rest, width);
    }
    printf("* the winner on the select questions; 95 %% intervals\n");
    if (json_is_integer(json_object_get(table, "wins")))
        printf(graded ? "Held-out questions on which the winner scores more than every source: %lld; less than some source: %lld.\n"
                      : "Held-out questions that the winner solves and no source does: %lld; that a source solves and the winner does "
                        "not: %lld.\n",
               (long long)json_integer_value(json_object_get(table, "wins")),
               (long long)json_integer_value(json_object_get(table, "losses")));
    print_tasks(table);
    print_pairs(json_object_get(table, "pairs"), graded);
    json_array_foreach(json_object_get(table, "notes"), i, note)
        if (json_is_string(note)) {
            print_text(json_string_value(note), 0, 0);
            putchar('\n');
        }
}

/* The path of the winner, where it is one. */
static void print_path(const json_t *table, const json_t *settings)
{
    const json_t *rows = json_object_get(table, "rows"), *row;
    const char *winner = member_text(table, "winner");
    size_t i;
    json_array_foreach(rows, i, row) {
        int *layers;
        layer_path *p = *winner && strcmp(member_text(row, "name"), winner) == 0 ? path_of_row(row, settings, &layers) : NULL;
        if (!p)
            continue;
        char *text = path_drawing(p, layers, terminal_width());
        fputs("\nThe path of ", stdout);
        print_text(winner, 0, 0);
        printf(":\n%s", text);
        free(text);
        free(layers);
        path_free(p);
        return;
    }
}

/* Whether some answer is neither quite right nor quite wrong. */
static bool has_graded(const json_t *answers)
{
    const json_t *reply;
    size_t i;
    json_array_foreach(answers, i, reply)
        if (member_number(reply, "score") > 0 && member_number(reply, "score") < 1)
            return true;
    return false;
}

/* Answers may be long: they are cut where a screen ends. */
static void print_worked(const json_t *worked)
{
    const json_t *item, *reply;
    size_t i, k;
    int width = 0;
    json_array_foreach(worked, i, item)
        json_array_foreach(json_object_get(item, "answers"), k, reply) {
            int columns = terminal_columns(member_text(reply, "name"));
            width = columns > width ? columns : width;
        }
    width = width > MOST_NAME ? MOST_NAME : width;
    json_array_foreach(worked, i, item) {
        bool graded = has_graded(json_object_get(item, "answers"));
        putchar('\n');
        print_text(member_text(item, "note")[0] ? member_text(item, "note") : "a question", 0, 0);
        fputs(": ", stdout);
        print_text(member_text(item, "question"), 0, 400);
        if (*member_text(item, "picture")) {
            fputs("   [picture ", stdout);
            print_text(member_text(item, "picture"), 0, 80);
            putchar(']');
        }
        printf("   (gold: ");
        print_text(member_text(item, "gold"), 0, 40);
        puts(")");
        json_array_foreach(json_object_get(item, "answers"), k, reply) {
            if (graded)
                printf("  %3.0f%% ", 100 * member_number(reply, "score"));
            else
                printf("  %s ", json_is_true(json_object_get(reply, "ok")) ? "+" : "-");
            print_text(member_text(reply, "name"), width + 2, width);
            print_text(member_text(reply, "text"), 0, 160);
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
        print_text(path, 0, 0);
        fputs(": ", stdout);
        print_text(member_text(place, "what"), 0, 0);
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
           *places = optional(s, "places", &status, err), *settings = status == 0 ? store_settings(s, err) : NULL;
    status = settings ? 0 : -1;
    if (status == 0 && json) {
        json_t *out = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:O?, s:O?, s:O?}", "study", store_study_name(s), "generations",
                                (json_int_t)now.generations, "trials", (json_int_t)now.trials, "complete",
                                (json_int_t)now.complete, "pruned", (json_int_t)now.pruned, "failed", (json_int_t)now.failed, "waiting", (json_int_t)now.waiting,
                                "table", table, "worked", worked, "places", places);
        json_object_set_new(out, "best",
                            now.best_trial < 0 ? json_null()
                                               : json_pack("{s:I, s:f}", "trial", (json_int_t)now.best_trial, "score", now.best));
        json_dumpf(out, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(out);
    } else if (status == 0) {
        print_text(store_study_name(s), 0, 0);
        printf(": generation %u, %zu trials complete, ", now.generations, now.complete);
        if (now.pruned)
            printf("%zu pruned, ", now.pruned);
        printf("%zu failed, %zu waiting", now.failed, now.waiting);
        if (now.best_trial >= 0)
            printf("; best search score %.4f (trial %lld)", now.best, (long long)now.best_trial);
        putchar('\n');
        if (table) {
            print_table(table);
            print_path(table, settings);
        }
        print_worked(worked);
        print_places(places, study_db);
    }
    fflush(stdout);
    json_decref(table);
    json_decref(worked);
    json_decref(places);
    json_decref(settings);
    store_close(s);
    return status;
}
