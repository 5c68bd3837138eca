/* DIR/jp-lmeh: what is asked (draws, contexts, tokens), how answers are cut and judged, and what is written of it. */
#include "golden_jp_tasks.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "jp_scene.h"
#include "task/literal.h"
#include "task/lmeval_results.h"

static const char *text_of(const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));
    return text ? text : "";
}

static void count(golden_tally *t, bool good, const char *name, size_t number, const char *what, const char *got, const char *wanted)
{
    t->passed += good;
    t->failed += !good;
    if (!good)
        golden_mismatch(name, "line %zu: %s is '%.300s', wanted '%.300s'", number, what, got ? got : "", wanted ? wanted : "");
}

static void count_text(golden_tally *t, const char *name, size_t number, const char *what, const char *got, const char *wanted)
{
    size_t same = 0;      /* a mismatch is shown from where it begins */
    while (got[same] && got[same] == wanted[same])
        same++;
    count(t, strcmp(got, wanted) == 0, name, number, what, got + same, wanted + same);
}

static void cannot(golden_tally *t, const char *name, size_t number, const error *err)
{
    t->failed++;
    golden_mismatch(name, "line %zu: %s", number, err->text);
}

static bool same_indices(const json_t *wanted, const size_t *got, size_t n)
{
    const json_t *item;
    size_t i;
    if (json_array_size(wanted) != n)
        return false;
    json_array_foreach(wanted, i, item)
        if ((size_t)json_integer_value(item) != got[i])
            return false;
    return true;
}

/* ---- draws*.jsonl: the bare samplers */

struct one { size_t index; };

static bool is_one(void *context, size_t index)
{
    return index == ((struct one *)context)->index;
}

static void check_draws(const json_t *line, size_t number, const char *name, golden_tally *t)
{
    const json_t *rows = json_object_get(line, "indices"), *row, *exclude = json_object_get(line, "exclude"), *only = json_object_get(line, "fewshot_indices");
    const char *labels = json_string_value(json_object_get(line, "labels"));
    size_t pool = (size_t)json_integer_value(json_object_get(line, "pool")), k = (size_t)json_integer_value(json_object_get(line, "k")), i, n_eval, good = 0;
    draw_rule rule = {.kind = DRAW_SAMPLE, .pool = only ? json_array_size(only) : pool};
    size_t *classes = memory_new(pool, sizeof *classes), *out = memory_new(k + 1, sizeof *out);
    char seen[256];
    if (json_is_true(json_object_get(line, "stratified"))) {
        for (i = 0; i < pool; i++) {
            size_t c = 0;
            while (c < rule.classes && seen[c] != labels[i])
                c++;
            if (c == rule.classes)
                seen[rule.classes++] = labels[i];
            classes[i] = c;
        }
        rule.labels = classes;
    }
    drawer d;
    drawer_open(&d, &rule, json_integer_value(json_object_get(line, "seed")));
    if ((n_eval = (size_t)json_integer_value(json_object_get(line, "n_eval")))) {
        size_t *order = memory_new(n_eval, sizeof *order);
        drawer_shuffle(&d, n_eval, order);
        good += same_indices(json_object_get(line, "order"), order, 8);
        free(order);
    } else {
        good++;
    }
    json_array_foreach(rows, i, row) {
        struct one self = {json_is_array(exclude) ? (size_t)json_integer_value(json_array_get(exclude, i)) : 0};
        bool drawn = drawer_next(&d, k, json_is_array(exclude) ? is_one : NULL, &self, out) == 0;
        for (size_t j = 0; only && j < k; j++)
            out[j] = (size_t)json_integer_value(json_array_get(only, out[j]));
        good += drawn && same_indices(row, out, k);
    }
    drawer_close(&d);
    free(classes);
    free(out);
    count(t, good == json_array_size(rows) + 1, name, number, "a draw", "another", "");
}

/* ---- fewshot*.jsonl: what every question of a task is shown */

static void check_fewshot(const json_t *line, size_t number, const char *name, golden_tally *t)
{
    error err = {0};
    const char *harness = text_of(line, "harness");
    const task *job = jp_task_seeded(harness, text_of(line, "task"), json_integer_value(json_object_get(line, "seed")), &err);
    const json_t *rows = json_object_get(line, "indices"), *row;
    shot_plan shown;
    size_t i, good = 0;
    if (!job || asking_plan(job, &job->splits[0], NULL, 0, &shown, &err) != 0) {
        cannot(t, name, number, &err);
        return;
    }
    bool stability = strcmp(harness, "stability") == 0;
    json_array_foreach(rows, i, row) {
        size_t at = stability && job->shots.count ? shown.order[i] : i;
        good += at < shown.count && same_indices(row, shown.shown + at * shown.most, shown.n[at]);
    }
    count(t, good == json_array_size(rows), name, number, "the examples", "others", text_of(line, "task"));
    if (stability && job->shots.count)
        count(t, same_indices(json_object_get(line, "order"), shown.order, shown.count), name, number, "the order", "another", text_of(line, "task"));
    shot_plan_clear(&shown);
}

/* ---- requests*.jsonl */

static void check_continuations(const json_t *line, const asking *a, size_t number, const char *name, golden_tally *t)
{
    const json_t *wanted = json_object_get(line, "continuations"), *item;
    bool backwards = strncmp(text_of(line, "task"), "jcola", 5) == 0;     /* Stability asks はい first; the order of ours is that of its labels */
    size_t i, n = json_array_size(wanted);
    count(t, n == a->n, name, number, "the number of choices", "another", "");
    json_array_foreach(wanted, i, item)
        if (i < a->n)
            count_text(t, name, number, "a continuation", a->continuations[backwards ? n - 1 - i : i], json_string_value(item));
}

static bool has_stop(const task *t, const char *stop)
{
    for (int i = 0; i < t->n_stops; i++)
        if (strcmp(t->stops[i], stop) == 0)
            return true;
    return strcmp(stop, "</s>") == 0;      /* the end token is a stop anyway */
}

static void check_requests(const json_t *line, size_t number, const char *name, golden_tally *t)
{
    error err = {0};
    const task *job = jp_task(text_of(line, "harness"), text_of(line, "task"), &err);
    const json_t *positions = json_object_get(line, "max_length"), *most = json_object_get(line, "max_gen_toks"), *stop, *gold = json_object_get(line, "gold");
    const prompt *p = job ? jp_prompt(job, (size_t)json_integer_value(json_object_get(line, "doc")), positions ? json_integer_value(positions) : 32768, &err) : NULL;
    size_t i;
    if (!p) {
        cannot(t, name, number, &err);
        return;
    }
    count_text(t, name, number, "the context", p->asked.context, text_of(line, "context"));
    if (job->kind == TASK_CHOICE) {
        check_continuations(line, &p->asked, number, name, t);
        count(t, wording_gold_index(p->asked.gold, p->asked.choices) == json_integer_value(gold), name, number, "the right choice", "another", "");
        return;
    }
    json_array_foreach(json_object_get(line, "until"), i, stop)
        count(t, has_stop(job, json_string_value(stop)), name, number, "a stop string", "missing", json_string_value(stop));
    if (json_is_integer(most))
        count(t, p->max_new == json_integer_value(most), name, number, "max_gen_toks", "another", "");
    char *list = json_is_array(gold) && json_is_string(p->asked.gold) ? literal_print(gold) : NULL;      /* a text in brackets: what lm-eval compares with */
    count(t, list ? strcmp(list, json_string_value(p->asked.gold)) == 0 : json_equal(p->asked.gold, gold), name, number, "the right answer", "another", "");
    free(list);
}

/* ---- encode*.jsonl */

static bool same_ids(const json_t *wanted, const token_list *got)
{
    const json_t *item;
    size_t i;
    if (json_array_size(wanted) != got->count)
        return false;
    json_array_foreach(wanted, i, item)
        if (json_integer_value(item) != got->id[i])
            return false;
    return true;
}

static const char *tokenizers;

static void check_encode(const json_t *line, size_t number, const char *name, golden_tally *t)
{
    static tokenizer *open;
    static char opened[64];
    error err = {0};
    const char *which = text_of(line, "tokenizer");
    if (strcmp(which, opened) != 0) {
        char *path = memory_print("%s/%s", tokenizers, which);
        tokenizer_free(open);
        open = tokenizer_open(path, &err);
        snprintf(opened, sizeof opened, "%s", open ? which : "");
        free(path);
    }
    token_list before = {0}, after = {0};
    enum encoding how = strcmp(text_of(line, "harness"), "stability") == 0 ? ENCODE_SEPARATE : ENCODE_JOINT;
    if (!open || seam_encode(open, how, text_of(line, "context"), text_of(line, "continuation"), &before, &after, &err) != 0) {
        cannot(t, name, number, &err);
    } else {
        count(t, same_ids(json_object_get(line, "context_ids"), &before), name, number, "the context", "other tokens", text_of(line, "context"));
        count(t, same_ids(json_object_get(line, "continuation_ids"), &after), name, number, "the continuation", "other tokens", text_of(line, "continuation"));
    }
    token_list_free(&before);
    token_list_free(&after);
}

/* ---- stops.jsonl */

static void check_stops(const json_t *line, size_t number, const char *name, golden_tally *t)
{
    const json_t *until = json_object_get(line, "until"), *item;
    char *stops[16], *text = memory_text(text_of(line, "generation"));
    task cutting = {.stops = stops};
    size_t i;
    if (json_is_string(until))
        stops[cutting.n_stops++] = (char *)json_string_value(until);
    json_array_foreach(until, i, item)
        stops[cutting.n_stops++] = (char *)json_string_value(item);
    task_cut_in_turn(&cutting, text_of(line, "eos"), text);
    count_text(t, name, number, "the text", text, text_of(line, "cut"));
    free(text);
}

/* ---- scoring*.jsonl */

static double loglik_of(const json_t *v)
{
    const char *text = json_string_value(v);
    return text ? strtod(text, NULL) : json_number_value(v);
}

/* A result as if a model had answered so. Its `asked` lives until the next other number of positions. */
static int result_of(const task *job, const json_t *line, result *r, error *err)
{
    const prompt *p = jp_prompt(job, (size_t)json_integer_value(json_object_get(line, "doc")), 32768, err);
    const json_t *lls = json_object_get(line, "lls"), *greedy = json_object_get(line, "greedy"), *item;
    bool backwards = strncmp(text_of(line, "task"), "jcola", 5) == 0;
    size_t i, n = json_array_size(lls);
    if (!p)
        return -1;
    *r = (result){.question = job->splits[0].questions[json_integer_value(json_object_get(line, "doc"))], .asked = &p->asked,
                  .scores = memory_new(job->n_measures, sizeof(double)), .gold = -1, .picked = -1};
    if (job->kind == TASK_GENERATE) {
        const json_t *response = json_object_get(line, "response");
        r->answer = task_answer_text(job, json_string_value(response), json_string_length(response));
        return task_judge_text(job, p->asked.gold, r->answer, NULL, r->scores, &r->judged, err);
    }
    r->preference = (preference){memory_new(n, sizeof(double)), memory_new(n, sizeof(bool)), n};
    json_array_foreach(lls, i, item) {
        size_t to = backwards ? n - 1 - i : i;
        r->preference.loglik[to] = loglik_of(item);
        r->preference.greedy[to] = json_is_true(json_array_get(greedy, i));
    }
    if (n != p->asked.n)
        return fail(err, ERROR_FORMAT, "%zu log-likelihoods for %zu choices", n, p->asked.n);
    task_judge_choices(job, p->asked.choices, p->asked.gold, &r->preference, r->scores, &r->judged);
    r->picked = (int)preference_pick(&r->preference, p->asked.choices, job->measures[0].rule);
    r->gold = (int)wording_gold_index(p->asked.gold, p->asked.choices);
    r->answer = memory_text(json_string_value(json_array_get(p->asked.choices, (size_t)r->picked)));
    return 0;
}

static void result_clear(result *r)
{
    preference_clear(&r->preference);
    free(r->scores);
    free(r->answer);
}

/* The measure that a harness calls so. */
static long measure_of(const task *t, const char *measured, const char *filter)
{
    for (size_t i = 0; i < t->n_measures; i++) {
        const char *ours = t->measures[i].name;
        bool same = strcmp(ours, measured) == 0 || (strcmp(measured, "exact_match") == 0 && strcmp(ours, "exact_match_ja") == 0) ||
                    (strcmp(measured, "acc") == 0 && (strcmp(ours, "acc_pair") == 0 || strcmp(ours, "mgsm") == 0));
        if (same && (!*filter || strcmp(response_filter_name(t->filters[t->measures[i].filter]), filter) == 0))
            return (long)i;
    }
    return -1;
}

static void check_metric(const task *job, const result *r, const char *measured, const json_t *wanted, const char *filter, bool hundred, size_t number, const char *name,
                         golden_tally *t)
{
    long m = measure_of(job, measured, filter);
    char got[80];
    if (json_is_array(wanted) && strcmp(measured, "rouge2") == 0) {      /* the pair that is aggregated */
        count_text(t, name, number, "the reference of rouge2", json_string_value(r->asked->gold), json_string_value(json_array_get(wanted, 0)));
    } else if (json_is_array(wanted)) {                                /* (gold, picked), or (acc, gold) */
        bool pair = strcmp(measured, "balanced_acc") != 0;
        const json_t *second = json_array_get(wanted, 1);
        double picked = json_is_boolean(second) ? json_is_true(second) : json_number_value(second);
        bool good = pair ? json_number_value(json_array_get(wanted, 0)) == r->gold && picked == r->picked : json_number_value(json_array_get(wanted, 0)) == (r->gold == r->picked) && picked == r->gold;
        count(t, m >= 0 && good, name, number, measured, "another", "");
    } else if (m < 0) {
        count(t, false, name, number, measured, "not a measure of the task", "");
    } else {
        double score = r->scores[m] * (hundred ? 100 : 1), target = json_is_boolean(wanted) ? json_is_true(wanted) : json_number_value(wanted);
        snprintf(got, sizeof got, "%.17g, not %.17g", score, target);
        if (strcmp(measured, "f1") == 0 && fabs(score - target) > 1e-9)
            t->unsupported++;      /* UniDic lite's words; ours are IPADIC's */
        else
            count(t, fabs(score - target) <= 1e-9, name, number, measured, got, "");
    }
}

static void check_scoring(const json_t *line, size_t number, const char *name, golden_tally *t)
{
    error err = {0};
    bool stability = strcmp(text_of(line, "harness"), "stability") == 0;
    const task *job = jp_task(text_of(line, "harness"), text_of(line, "task"), &err);
    const char *measured, *filter = text_of(line, "filter");
    result r = {0};
    json_t *wanted;
    if (!job || result_of(job, line, &r, &err) != 0) {
        cannot(t, name, number, &err);
        return;
    }
    json_object_foreach(json_object_get(line, "metrics"), measured, wanted) {
        bool words = strcmp(measured, "tokenizer") == 0 || strcmp(measured, "ref_tokens") == 0 || strcmp(measured, "pred_tokens") == 0;
        if (words)
            continue;
        if (stability && strcmp(measured, "rouge2") == 0)
            t->unsupported++;      /* the evaluated model's tokens as words; MeCab's are ours */
        else
            check_metric(job, &r, measured, wanted, filter, stability && job->kind == TASK_GENERATE && !json_is_boolean(wanted), number, name, t);
    }
    for (size_t i = 0; *filter && json_object_get(line, "filtered") && i < job->n_filters; i++)
        if (strcmp(response_filter_name(job->filters[i]), filter) == 0) {
            char *text = response_filter_apply(job->filters[i], r.answer, &err);
            count_text(t, name, number, "the filtered answer", text ? text : err.text, text_of(line, "filtered"));
            free(text);
        }
    result_clear(&r);
}

/* ---- aggregate*.jsonl, results_format.jsonl: the figures of whole tasks */

static const char *folder;

/* A result of every document of a task that the scoring file has. */
static result *results_of(const char *harness, const char *name, const task **job, size_t *n, error *err)
{
    char *path = memory_print("%s/scoring%s.jsonl", folder, strcmp(harness, "stability") == 0 ? "_stability" : "");
    json_t *rows = golden_rows(path, err), *row;
    free(path);
    *job = rows ? jp_task(harness, name, err) : NULL;
    *n = 0;
    if (!*job) {
        json_decref(rows);
        return NULL;
    }
    result *list = memory_new(json_array_size(rows), sizeof *list);
    const char *first = response_filter_name((*job)->filters[0]);
    size_t i;
    int status = 0;
    json_array_foreach(rows, i, row)
        if (status == 0 && strcmp(text_of(row, "task"), name) == 0 && (!*text_of(row, "filter") || strcmp(text_of(row, "filter"), first) == 0))
            status = result_of(*job, row, &list[(*n)++], err);
    json_decref(rows);
    if (status == 0 && *n > 0)
        return list;
    free(list);
    return NULL;
}

static void results_free(result *list, size_t n)
{
    for (size_t i = 0; list && i < n; i++)
        result_clear(&list[i]);
    free(list);
}

void golden_jp_figures(const json_t *line, size_t number, const char *name, golden_tally *t)
{
    error err = {0};
    bool stability = strcmp(text_of(line, "harness"), "stability") == 0;
    const task *job;
    const char *key;
    json_t *wanted;
    size_t n;
    result *list = results_of(text_of(line, "harness"), text_of(line, "task"), &job, &n, &err);
    if (!list) {
        cannot(t, name, number, &err);
        return;
    }
    json_t *figures = lmeval_task_results(job, list, n);
    json_object_foreach(json_object_get(line, "results"), key, wanted) {
        double got, target = json_number_value(wanted);
        const json_t *ours = json_object_get(figures, key);
        if (stability) {
            long m = measure_of(job, key, "");
            bool hundred = job->kind == TASK_GENERATE && strcmp(key, "acc") != 0;
            got = m < 0 ? NAN : lmeval_value(job, (size_t)m, list, n) * (hundred ? 100 : 1);
            if (strcmp(key, "rouge2") == 0 || (strcmp(key, "f1") == 0 && fabs(got - target) > 1e-9)) {
                t->unsupported++;
                continue;
            }
        } else if (strcmp(key, "rouge2,whitespaces") == 0 || (json_is_string(wanted) && strcmp(key, "rouge2_stderr,whitespaces") != 0 && strchr(key, ','))) {
            t->unsupported += strcmp(key, "rouge2,whitespaces") == 0;      /* UniDic lite's words; and errors that were not asked for */
            continue;
        } else if (!json_is_number(wanted)) {
            count_text(t, name, number, key, json_is_string(ours) ? json_string_value(ours) : "", json_string_value(wanted));
            continue;
        } else {
            got = json_is_number(ours) ? json_number_value(ours) : NAN;
        }
        char text[160];
        snprintf(text, sizeof text, "%.60s %.17g, not %.17g", key, got, target);
        count(t, fabs(got - target) <= 1e-12 * (fabs(target) > 1 ? fabs(target) : 1), name, number, "a figure", text, text_of(line, "task"));
    }
    json_decref(figures);
    results_free(list, n);
}

/* ---- configs.jsonl */

/* Numbers by value; "<python>" is any name of a function, "<path>" any text. */
static bool same_json(const json_t *wanted, const json_t *got)
{
    const char *text = json_string_value(wanted), *key;
    const json_t *item;
    json_t *member;
    size_t i;
    if (text && (strcmp(text, "<python>") == 0 || strcmp(text, "<path>") == 0))
        return json_is_string(got);
    if (json_is_number(wanted))
        return json_is_number(got) && json_number_value(wanted) == json_number_value(got);
    if (json_is_array(wanted)) {
        bool same = json_is_array(got) && json_array_size(got) == json_array_size(wanted);
        json_array_foreach(wanted, i, item)
            same = same && same_json(item, json_array_get(got, i));
        return same;
    }
    if (!json_is_object(wanted))
        return json_equal(wanted, got);
    if (!json_is_object(got) || json_object_size(got) != json_object_size(wanted))
        return false;
    json_object_foreach((json_t *)wanted, key, member)
        if (!json_object_get(got, key) || !same_json(member, json_object_get(got, key)))
            return false;
    return true;
}

static void count_json(golden_tally *t, const char *name, size_t number, const char *what, const json_t *got, const json_t *wanted)
{
    bool good = same_json(wanted, got);
    char *a = good ? NULL : json_dumps(got, JSON_ENCODE_ANY | JSON_SORT_KEYS), *b = good ? NULL : json_dumps(wanted, JSON_ENCODE_ANY | JSON_SORT_KEYS);
    if (good)
        t->passed++;
    else
        count_text(t, name, number, what, a ? a : "nothing", b);
    free(a);
    free(b);
}

static void check_configs(const json_t *line, size_t number, const char *name, golden_tally *t)
{
    error err = {0};
    const task *job = jp_task("lm_eval", text_of(line, "task"), &err);
    if (!job)
        cannot(t, name, number, &err);
    else
        count_json(t, name, number, text_of(line, "task"), job->config, line);
}

/* ---- samples_format.jsonl, results_format.jsonl */

static void check_samples(const json_t *line, size_t number, const char *name, golden_tally *t)
{
    error err = {0};
    const char *which = strcmp(text_of(line, "filter"), "none") == 0 ? "ja_leaderboard_jnli" : "ja_leaderboard_jsquad", *key;
    size_t n, doc = (size_t)json_integer_value(json_object_get(line, "doc_id"));
    const task *job;
    json_t *wanted;
    result *list = results_of("lm_eval", which, &job, &n, &err);
    json_t *got = list && doc < n ? lmeval_sample(job, &list[doc], doc, 0, &err) : NULL;
    if (!got)
        cannot(t, name, number, &err);
    json_object_foreach((json_t *)line, key, wanted)
        if (got)
            count_json(t, name, number, key, json_object_get(got, key), wanted);
    json_decref(got);
    results_free(list, n);
}

#define MAX_GROUP 16

static void check_results(const json_t *line, size_t number, const char *name, golden_tally *t)
{
    static const char *const sections[] = {"results", "group_subtasks", "versions", "n-shot", "higher_is_better", "n-samples"};
    error err = {0};
    task_group group;
    question_set sets[MAX_GROUP];
    result *all = NULL, *parts[MAX_GROUP];
    size_t n[MAX_GROUP], total = 0, k = 0;
    char *path = memory_print("%s/recipes/tasks/ja-leaderboard/_ja_leaderboard.yaml", SOURCE_DIR);
    if (group_read(path, &group, &err) != 1) {
        cannot(t, name, number, &err);
        free(path);
        return;
    }
    for (; k < group.n && k < MAX_GROUP; k++) {
        char *task_name = memory_text(strrchr(group.paths[k], '/') + 1);
        const task *job;
        *strrchr(task_name, '.') = '\0';
        parts[k] = results_of("lm_eval", task_name, &job, &n[k], &err);
        free(task_name);
        if (!parts[k])
            break;
        sets[k] = (question_set){.task = job, .questions = job->splits[0].questions, .count = n[k]};
        all = memory_grow(all, total + n[k], sizeof *all);
        memcpy(all + total, parts[k], n[k] * sizeof *all);
        total += n[k];
    }
    if (k < group.n) {
        cannot(t, name, number, &err);
    } else {
        json_t *got = lmeval_results(sets, k, all, &group, 1, "stub", 0), *rouge = json_object_get(json_object_get(got, "results"), "ja_leaderboard_xlsum");
        /* its words are UniDic lite's */
        json_object_set(rouge, "rouge2,whitespaces", json_object_get(json_object_get(json_object_get(line, "results"), "ja_leaderboard_xlsum"), "rouge2,whitespaces"));
        t->unsupported++;
        for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
            count_json(t, name, number, sections[i], json_object_get(got, sections[i]), json_object_get(line, sections[i]));
        json_decref(got);
    }
    for (size_t i = 0; i < k; i++)
        results_free(parts[i], n[i]);
    free(all);
    group_clear(&group);
    free(path);
}

const golden_kind golden_jp_kinds[] = {
    {"draws", check_draws}, {"fewshot", check_fewshot}, {"requests", check_requests}, {"encode", check_encode}, {"stops", check_stops},
    {"scoring", check_scoring}, {"configs", check_configs}, {"samples_format", check_samples}, {"results_format", check_results},
};
const size_t golden_n_jp_kinds = sizeof golden_jp_kinds / sizeof *golden_jp_kinds;

int golden_jp_open(const char *jp_folder, const char *tokenizer_folder, error *err)
{
    folder = jp_folder;
    tokenizers = tokenizer_folder;
    return jp_scene_open(jp_folder, err);
}
