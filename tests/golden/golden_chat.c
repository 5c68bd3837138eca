/* DIR/chat: chat.jsonl (chat templates on the conversations of cases.jsonl), prompts.jsonl (prompt templates on prompts_doc.json) and
 * expressions.jsonl (templates in both settings, on the same document). */
#include "golden.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "text/companion.h"
#include "text/jinja.h"

typedef struct counts { int passed, failed, unsupported; } counts;

/* The lines of a file, which may hold NUL; NULL where it does not read. */
static json_t *read_lines(const char *folder, const char *name)
{
    char *path = file_join(folder, name);
    size_t n;
    error err;
    char *text = file_read(path, (size_t)1 << 30, &n, &err);
    json_t *lines = text ? json_array() : NULL;
    for (char *at = text; at && at < text + n;) {
        char *stop = memchr(at, '\n', (size_t)(text + n - at));
        size_t length = (size_t)((stop ? stop : text + n) - at);
        json_t *line = length ? json_loadb(at, length, JSON_ALLOW_NUL, NULL) : NULL;
        if (length && json_array_append_new(lines, line ? line : json_null()) != 0)
            break;
        at += length + 1;
    }
    free(text);
    free(path);
    return lines;
}

/* Compares with "expected", or with the fact of an error: its message too where the template raised it. */
static bool same(const char *name, const json_t *row, const char *text, size_t n, const error *err)
{
    const json_t *wanted = json_object_get(row, "expected"), *refusal = json_object_get(row, "error");
    if (wanted && text) {
        if (json_string_length(wanted) == n && memcmp(json_string_value(wanted), text, n) == 0)
            return true;
        golden_mismatch(name, "'%s' instead of '%s'", text, json_string_value(wanted));
    } else if (wanted) {
        golden_mismatch(name, "%s", err->text);
    } else if (text) {
        golden_mismatch(name, "'%s' instead of the error %s", text, json_string_value(json_object_get(refusal, "message")));
    } else if (!json_is_true(json_object_get(refusal, "from_template"))) {
        return true;
    } else {
        const char *message = json_string_value(json_object_get(refusal, "message"));
        if (strstr(err->text, message))
            return true;
        golden_mismatch(name, "'%s' instead of '%s'", err->text, message);
    }
    return false;
}

static void check(const char *name, const json_t *row, const char *source, size_t n_source, enum jinja_setting setting, const json_t *variables, counts *count)
{
    static const struct tm then = {.tm_year = 124, .tm_mon = 6, .tm_mday = 26, .tm_hour = 12, .tm_min = 34, .tm_sec = 56, .tm_wday = 5, .tm_yday = 207};
    error err = {0};
    size_t n = 0;
    jinja *t = jinja_parse(name, source, n_source, setting, &err);
    if (t)
        jinja_set_clock(t, &then);
    char *text = t ? jinja_render(t, variables, &n, &err) : NULL;
    bool ok = same(name, row, text, n, &err);
    count->passed += ok;
    count->failed += !ok;
    free(text);
    jinja_free(t);
}

/* ---- chat.jsonl */

static const json_t *case_named(const json_t *cases, const char *name)
{
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)cases, i, one) {
        const char *its = json_string_value(json_object_get(one, "case"));
        if (its && strcmp(its, name) == 0)
            return one;
    }
    return NULL;
}

/* A template file, or the one of a tokenizer_config.json. free() it. */
static char *read_template(const golden_context *g, const char *file, size_t *n)
{
    char *path = file_join(g->parent, file), *text = NULL;
    error err;
    if (!text_ends_with(path, ".json")) {
        text = file_exists(path) ? file_read(path, (size_t)4 << 20, n, &err) : NULL;
    } else if (file_exists(path)) {
        char *folder = file_folder(path);
        json_t *config;
        companion_object(folder, file_name(path), &config, &err);
        free(folder);
        text = memory_text(json_string_value(json_object_get(config, "chat_template")));
        *n = text ? strlen(text) : 0;
        json_decref(config);
    }
    free(path);
    return text;
}

static json_t *chat_variables(const json_t *row, const json_t *one)
{
    json_t *variables = json_object(), *tools = json_object_get(one, "tools");
    json_object_update(variables, json_object_get(one, "kwargs"));
    json_object_set(variables, "messages", json_object_get(one, "messages"));
    json_object_set(variables, "bos_token", json_object_get(row, "bos_token"));
    json_object_set(variables, "eos_token", json_object_get(row, "eos_token"));
    json_object_set_new(variables, "tools", tools ? json_incref(tools) : json_null());
    if (!json_object_get(variables, "documents"))
        json_object_set_new(variables, "documents", json_null());
    json_object_set_new(variables, "add_generation_prompt", json_boolean(json_is_true(json_object_get(one, "add_generation_prompt"))));
    return variables;
}

static void run_chat(const golden_context *g, const char *folder, counts *count)
{
    json_t *rows = read_lines(folder, "chat.jsonl"), *cases = read_lines(folder, "cases.jsonl"), *row;
    size_t i;
    char *missing = NULL;
    json_array_foreach(rows, i, row) {
        const char *template = json_string_value(json_object_get(row, "template")), *conversation = json_string_value(json_object_get(row, "case")),
                   *file = json_string_value(json_object_get(row, "file"));
        const json_t *one = conversation ? case_named(cases, conversation) : NULL;
        char *name = memory_print("chat/%s/%s", template ? template : "?", conversation ? conversation : "?");
        size_t n;
        char *source = one && file && golden_wanted(g, name) ? read_template(g, file, &n) : NULL;
        if (source) {
            json_t *variables = chat_variables(row, one);
            check(name, row, source, n, JINJA_CHAT, variables, count);
            json_decref(variables);
        } else if (golden_wanted(g, name)) {
            if (!missing || strcmp(missing, template) != 0)
                golden_mismatch(name, "%s is not there: not supported", file);
            free(missing);
            missing = memory_text(template);
            count->unsupported++;
        }
        free(source);
        free(name);
    }
    free(missing);
    json_decref(rows);
    json_decref(cases);
}

/* ---- prompts.jsonl */

static void run_prompts(const golden_context *g, const char *folder, counts *count)
{
    char *path = file_join(folder, "prompts_doc.json");
    error err;
    json_t *rows = read_lines(folder, "prompts.jsonl"), *fields = json_read(path, 0, &err), *row;
    size_t i;
    json_array_foreach(rows, i, row) {
        const json_t *source = json_object_get(row, "template");
        char *name = memory_print("chat/prompts/%d", (int)json_integer_value(json_object_get(row, "i")));
        if (golden_wanted(g, name))
            check(name, row, json_string_value(source), json_string_length(source), JINJA_PROMPT, fields, count);
        free(name);
    }
    json_decref(rows);
    json_decref(fields);
    free(path);
}

/* ---- expressions.jsonl */

static void run_expressions(const golden_context *g, const char *folder, counts *count)
{
    static const struct { const char *key; enum jinja_setting setting; } settings[] = {{"chat", JINJA_CHAT}, {"prompt", JINJA_PROMPT}};
    char *path = file_join(folder, "prompts_doc.json");
    error err;
    json_t *rows = read_lines(folder, "expressions.jsonl"), *fields = json_read(path, 0, &err), *row;
    size_t i;
    json_array_foreach(rows, i, row) {
        const json_t *source = json_object_get(row, "template");
        for (size_t k = 0; k < 2; k++) {
            char *name = memory_print("chat/expressions/%d/%s", (int)json_integer_value(json_object_get(row, "i")), settings[k].key);
            if (golden_wanted(g, name))
                check(name, json_object_get(row, settings[k].key), json_string_value(source), json_string_length(source), settings[k].setting, fields, count);
            free(name);
        }
    }
    json_decref(rows);
    json_decref(fields);
    free(path);
}

void golden_chat(const golden_context *g)
{
    char *folder = file_join(g->root, "chat");
    counts count = {0};
    run_chat(g, folder, &count);
    run_prompts(g, folder, &count);
    run_expressions(g, folder, &count);
    golden_report(g, "chat", count.passed, count.failed, count.unsupported);
    free(folder);
}
