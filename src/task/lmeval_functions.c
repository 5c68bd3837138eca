#include "task/lmeval_functions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "task/space.h"

static int no_field(const question *q, const char *field, error *err)
{
    return fail(err, ERROR_FORMAT, "%s line %zu: the field '%s' is missing or no text", q->file, q->line, field);
}

static int amend_jcommonsenseqa(const question *q, error *err)
{
    json_t *choices = json_array();
    for (int i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "choice%d", i);
        json_t *choice = json_object_get(q->fields, name);
        if (!json_is_string(choice)) {
            json_decref(choices);
            return no_field(q, name, err);
        }
        json_array_append(choices, choice);
    }
    return json_object_set_new(q->fields, "choices", choices);
}

static int amend_xwinograd(const question *q, error *err)
{
    static const char *const sentences[] = {"sentence1", "sentence2"};
    const char *answer = json_string_value(json_object_get(q->fields, "answer"));
    char *end = NULL;
    long n = answer ? strtol(answer, &end, 10) : 0;
    if (!answer || end == answer || *end || n < 1 || n > 2)
        return fail(err, ERROR_FORMAT, "%s line %zu: 'answer' should be \"1\" or \"2\"", q->file, q->line);
    json_t *choices = json_array();
    for (int i = 0; i < 2; i++) {
        const char *text = json_string_value(json_object_get(q->fields, sentences[i]));
        if (!text) {
            json_decref(choices);
            return no_field(q, sentences[i], err);
        }
        char *trimmed = space_trim(text);
        json_array_append_new(choices, json_string(trimmed));
        free(trimmed);
    }
    json_object_set_new(q->fields, "label", json_integer(n - 1));
    return json_object_set_new(q->fields, "choices", choices);
}

static const lmeval_function known[] = {
    {"ja_leaderboard_jcommonsenseqa.process_docs", LMEVAL_PROCESS_DOCS, amend_jcommonsenseqa, NULL, NULL},
    {"ja_leaderboard_xwinograd.process_docs", LMEVAL_PROCESS_DOCS, amend_xwinograd, NULL, NULL},
    {"ja_leaderboard_mgsm.process_results", LMEVAL_PROCESS_RESULTS, NULL, "mgsm", "answer_number"},
    {"ja_leaderboard_xlsum.rouge2", LMEVAL_METRIC, NULL, "rouge2", NULL},
    {"ja_leaderboard_xlsum.rouge2_agg", LMEVAL_AGGREGATION, NULL, "bootstrap", NULL},
};

const lmeval_function *lmeval_function_find(const yaml_value *v, enum lmeval_role role, error *err)
{
    if (v->kind != YAML_FUNCTION) {
        yaml_fail(err, v, "should be a '!function FILE.NAME'");
        return NULL;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].role == role && strcmp(known[i].name, v->text) == 0)
            return &known[i];
    yaml_fail(err, v, "'!function %s' is Python code, which is not run here; only the functions of lm-eval's Japanese tasks are known by name", v->text);
    return NULL;
}
