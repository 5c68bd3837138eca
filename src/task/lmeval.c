#include "task/lmeval.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "task/asking.h"
#include "task/lmeval_config.h"
#include "task/lmeval_data.h"
#include "task/lmeval_functions.h"
#include "task/splits.h"
#include "task/task_keys.h"
#include "task/yaml_json.h"

#define STANDARD_MAX_NEW 256
#define STANDARD_SEED 1234

struct reader {
    task *t;
    const yaml_value *root, *fewshot;      /* fewshot: fewshot_config, may be NULL */
    const json_t *columns;                 /* the first question's fields: their names are columns */
    const char *evaluated, *pool_split;    /* splits */
    const lmeval_function *process_docs, *process_results;
    const char *delimiter;                 /* fewshot_delimiter */
};

static bool given(const yaml_value *v)
{
    return v && v->kind != YAML_NULL;
}

bool lmeval_is_task(const yaml_value *root)
{
    static const char *const keys[] = {"dataset_path", "doc_to_text", "output_type", "doc_to_target", "dataset_kwargs"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (yaml_get(root, keys[i]))
            return true;
    return false;
}

static int check_keys(const yaml_value *root, error *err)
{
    static const char *const known[] = {
        "task", "task_alias", "tag", "include", "dataset_path", "dataset_name", "dataset_kwargs", "training_split", "validation_split", "test_split",
        "fewshot_split", "num_fewshot", "description", "doc_to_text", "doc_to_target", "doc_to_choice", "target_delimiter", "fewshot_delimiter",
        "gen_prefix", "output_type", "generation_kwargs", "filter_list", "metric_list", "fewshot_config", "process_docs", "process_results", "metadata",
        "repeats", "should_decontaminate", "doc_to_decontamination_query", "custom_dataset", "use_prompt", "doc_to_image", "doc_to_audio", "class", "unsafe_code", NULL};
    static const char *const refused[] = {"custom_dataset", "use_prompt", "doc_to_image", "doc_to_audio", "class", NULL};
    int64_t repeats = 1;
    bool unsafe = false;
    for (size_t i = 0; refused[i]; i++)
        if (given(yaml_get(root, refused[i])))
            return yaml_fail(err, yaml_get(root, refused[i]), "'%s' of lm-eval is not read here", refused[i]);
    if (yaml_known_keys(root, known, err) != 0 || yaml_int(yaml_get(root, "repeats"), 1, INT64_MAX, &repeats, err) != 0 ||
        yaml_bool(yaml_get(root, "unsafe_code"), &unsafe, err) != 0)
        return -1;
    if (unsafe)
        return yaml_fail(err, yaml_get(root, "unsafe_code"), "unsafe_code: code that models write is not run here");
    return repeats == 1 ? 0 : yaml_fail(err, yaml_get(root, "repeats"), "repeats is %lld; every question is asked once here", (long long)repeats);
}

/* ---- questions */

static int amend(const lmeval_function *f, const dataset *d, error *err)
{
    for (size_t i = 0; f && i < d->count; i++)
        if (f->amend(&d->items[i], err) != 0)
            return -1;
    return 0;
}

static int read_questions(struct reader *r, error *err)
{
    const char *test = NULL, *validation = NULL;
    if (yaml_text(yaml_get(r->root, "test_split"), &test, err) != 0 || yaml_text(yaml_get(r->root, "validation_split"), &validation, err) != 0)
        return -1;
    r->evaluated = test ? test : validation;
    if (!r->evaluated)
        return yaml_fail(err, r->root, "neither test_split nor validation_split says what is asked");
    const yaml_value *process = yaml_get(r->root, "process_docs"), *results = yaml_get(r->root, "process_results");
    if (given(process) && !(r->process_docs = lmeval_function_find(process, LMEVAL_PROCESS_DOCS, err)))
        return -1;
    if (given(results) && !(r->process_results = lmeval_function_find(results, LMEVAL_PROCESS_RESULTS, err)))
        return -1;
    dataset *d = lmeval_dataset(r->t, r->root, r->evaluated, err);
    if (!d || amend(r->process_docs, d, err) != 0)
        return -1;
    task_split *s = splits_add(r->t, "test", d->count);
    for (; s->count < d->count; s->count++)
        s->questions[s->count] = &d->items[s->count];
    r->t->has_questions = true;
    r->columns = d->items[0].fields;
    return 0;
}

/* ---- wording */

static phrase *make_phrase(const struct reader *r, const yaml_value *v, const char *what, error *err)
{
    const char *text = NULL;
    char name[600];
    snprintf(name, sizeof name, "%.500s:%d: %.60s", v->file, v->line, what);
    if (yaml_text(v, &text, err) != 0)
        return NULL;
    if (*text && json_object_get(r->columns, text))
        return phrase_field(text);
    return phrase_jinja(text, name, err);
}

/* A key of fewshot_config stands before the task's own. */
static const yaml_value *key_of(const struct reader *r, bool shown, const char *key)
{
    const yaml_value *v = shown ? yaml_get(r->fewshot, key) : NULL;
    return given(v) ? v : yaml_get(r->root, key);
}

static int add_choice(wording *w, const yaml_value *v, error *err)
{
    const char *text = NULL;
    if (yaml_text(v, &text, err) != 0)
        return -1;
    if (!text || !*text)
        return yaml_fail(err, v, "a choice is empty");
    string escaped = {0};      /* it stands as it is, braces too */
    for (; *text; text++)
        string_print(&escaped, *text == '{' || *text == '}' ? "%c%c" : "%c", *text, *text);
    w->choices[w->n_choices] = phrase_template(escaped.text, v->file, err);
    free(escaped.text);
    return w->choices[w->n_choices] ? (w->n_choices++, 0) : -1;
}

static int read_choices(const struct reader *r, wording *w, const yaml_value *v, error *err)
{
    if (!given(v))
        return 0;
    if (v->kind != YAML_LIST && v->kind != YAML_MAP) {
        w->choice_list = make_phrase(r, v, "doc_to_choice", err);
        return w->choice_list ? 0 : -1;
    }
    if (v->count < 2 || v->count > MAX_CHOICES)
        return yaml_fail(err, v, "doc_to_choice has %zu choices; 2 to %d are possible", v->count, MAX_CHOICES);
    w->choices = memory_new(v->count, sizeof *w->choices);
    for (size_t i = 0; i < v->count; i++)
        if (add_choice(w, v->items[i], err) != 0)
            return -1;
    return 0;
}

static int read_text(const yaml_value *v, const char *standard, char **out, error *err)
{
    const char *text = standard;
    if (yaml_text(v, &text, err) != 0)
        return -1;
    *out = memory_text(text);
    return 0;
}

static int read_wording(const struct reader *r, bool shown, wording *w, error *err)
{
    static const char *const needed[] = {"doc_to_text", "doc_to_target"};
    phrase **into[] = {&w->prompt, &w->gold};
    for (size_t i = 0; i < 2; i++) {
        const yaml_value *v = key_of(r, shown, needed[i]);
        if (!given(v))
            return yaml_fail(err, r->root, "'%s' is missing", needed[i]);
        if (!(*into[i] = make_phrase(r, v, needed[i], err)))
            return -1;
    }
    const yaml_value *prefix = key_of(r, shown, "gen_prefix");
    if (given(prefix) && !(w->prefix = make_phrase(r, prefix, "gen_prefix", err)))
        return -1;
    if (r->process_results && !shown) {      /* what is shown and what is right are two things */
        w->target = w->gold;
        w->gold = phrase_field(r->process_results->gold);
    }
    if (read_text(key_of(r, shown, "target_delimiter"), " ", &w->target_delimiter, err) != 0 ||
        read_text(key_of(r, shown, "fewshot_delimiter"), "\n\n", &w->delimiter, err) != 0)
        return -1;
    return read_choices(r, w, key_of(r, shown, "doc_to_choice"), err);
}

/* A prompt that is a number picks one of the choices as the context, and the target is what is scored. */
static int refuse_multiple_input(const struct reader *r, error *err)
{
    const task *t = r->t;
    char *text = phrase_text(t->wording.prompt, r->columns, "the first question", err);
    if (!text)
        return -1;
    bool number = *text && strspn(text, "0123456789") == strlen(text);
    free(text);
    return number && wording_has_choices(&t->wording) ? yaml_fail(err, yaml_get(r->root, "doc_to_text"), "doc_to_text is a number: several inputs with one target are not read here") : 0;
}

/* ---- metrics and filters */

static int read_filters(task *t, const yaml_value *list, error *err)
{
    size_t n = given(list) ? list->count : 1;
    if (given(list) && (list->kind != YAML_LIST || n == 0 || n > 20))
        return yaml_fail(err, list, "filter_list should be a list of 1 to 20 filters");
    t->filters = memory_new(n, sizeof(response_filter *));
    for (size_t i = 0; i < n; i++) {
        response_filter *f = given(list) ? response_filter_read(list->items[i], err) : response_filter_none();
        if (!f)
            return -1;
        t->filters[t->n_filters++] = f;
    }
    return 0;
}

/* The options that stand beside a metric. */
static scorer *read_scorer(const char *name, const yaml_value *v, error *err)
{
    static const char *const known[] = {"metric", "aggregation", "higher_is_better", "hf_evaluate", "regexes_to_ignore", "ignore_case", "ignore_punctuation",
                                        "ignore_numbers", NULL};
    scorer_options o = {.metric = name};
    const yaml_value *regexes = yaml_get(v, "regexes_to_ignore");
    error why = {0};
    if (v && (yaml_known_keys(v, known, err) != 0 || yaml_bool(yaml_get(v, "ignore_case"), &o.ignore_case, err) != 0 ||
              yaml_bool(yaml_get(v, "ignore_punctuation"), &o.ignore_punctuation, err) != 0 ||
              yaml_bool(yaml_get(v, "ignore_numbers"), &o.ignore_numbers, err) != 0))
        return NULL;
    if (given(regexes) && regexes->kind != YAML_LIST) {
        yaml_fail(err, regexes, "regexes_to_ignore should be a list");
        return NULL;
    }
    const char **list = memory_new(regexes ? regexes->count : 0, sizeof *list);
    scorer *s = NULL;
    size_t n = given(regexes) ? regexes->count : 0;
    for (; o.n_regexes_to_ignore < n; o.n_regexes_to_ignore++)
        if (yaml_text(regexes->items[o.n_regexes_to_ignore], &list[o.n_regexes_to_ignore], err) != 0 || !list[o.n_regexes_to_ignore])
            break;
    o.regexes_to_ignore = list;
    if (o.n_regexes_to_ignore < n)
        yaml_fail(err, regexes->items[o.n_regexes_to_ignore], "should be a regular expression");
    else if (!(s = scorer_new(&o, &why)))
        yaml_fail(err, v, "%s", why.text);
    free(list);
    return s;
}

static int read_aggregation(const yaml_value *v, measure *m, error *err)
{
    const char *name = NULL;
    if (!given(v))
        return 0;
    if (v->kind == YAML_FUNCTION) {
        if (!lmeval_function_find(v, LMEVAL_AGGREGATION, err))
            return -1;
        m->summary = SUMMARY_BOOTSTRAP;
        return 0;
    }
    if (yaml_text(v, &name, err) != 0)
        return -1;
    if (strcmp(name, m->summary == SUMMARY_MCC ? "matthews_corrcoef" : "mean") == 0)
        return 0;
    return yaml_fail(err, v, "the aggregation '%.60s' of %s is not known here", name, m->name);
}

static int add_measure(const struct reader *r, const yaml_value *v, const char *name, size_t filter, error *err)
{
    static const char *const of_choices[] = {"acc", "acc_norm", "acc_bytes", "mcc"};
    task *t = r->t;
    const yaml_value *named = yaml_get(v, "metric");
    measure *m = &t->measures[t->n_measures];
    const lmeval_function *f = NULL;
    const char *ours = name;
    bool hf = false, higher = true;
    if (named && named->kind == YAML_FUNCTION) {
        if (!(f = lmeval_function_find(named, LMEVAL_METRIC, err)))
            return -1;
        name = ours = f->metric;
    } else if (yaml_text(named, &name, err) != 0) {
        return -1;
    } else {
        ours = name;
    }
    if (!name)
        return yaml_fail(err, v, "'metric' is missing");
    if (yaml_bool(yaml_get(v, "hf_evaluate"), &hf, err) != 0 || yaml_bool(yaml_get(v, "higher_is_better"), &higher, err) != 0)
        return -1;
    if (hf)
        return yaml_fail(err, yaml_get(v, "hf_evaluate"), "metrics of Hugging Face's evaluate are not known here");
    bool found = false;
    for (size_t i = 0; t->kind == TASK_CHOICE && i < sizeof of_choices / sizeof *of_choices; i++)
        found = found || strcmp(of_choices[i], name) == 0;
    if (t->kind == TASK_CHOICE) {
        if (!found)
            return yaml_fail(err, named, "the metric '%.60s' of multiple_choice is not known here; known: acc, acc_norm, acc_bytes, mcc", name);
        measure_of_choices(name, m);
    } else {
        if (r->process_results && strcmp(name, "acc") == 0)
            ours = r->process_results->metric;
        else if (!f && strcmp(name, "exact_match") != 0)
            return yaml_fail(err, named, "the metric '%.60s' of generate_until is not known here; known: exact_match", name);
        scorer *s = read_scorer(ours, v, err);
        if (!s)
            return -1;
        *m = (measure){.name = memory_text(name), .scorer = s, .as_it_is = true};
    }
    t->n_measures++;
    m->filter = filter;
    m->lower_is_better = !higher;
    return read_aggregation(yaml_get(v, "aggregation"), m, err);
}

static int read_measures(const struct reader *r, error *err)
{
    static const char *const standard_choice[] = {"acc", "acc_norm"}, *const standard_text[] = {"exact_match"};
    task *t = r->t;
    const yaml_value *list = yaml_get(r->root, "metric_list");
    const char *const *standard = t->kind == TASK_CHOICE ? standard_choice : standard_text;
    size_t n = given(list) ? list->count : t->kind == TASK_CHOICE ? 2 : 1;
    if (given(list) && (list->kind != YAML_LIST || n == 0 || n > 50))
        return yaml_fail(err, list, "metric_list should be a list of 1 to 50 metrics");
    t->measures = memory_new(n * t->n_filters, sizeof *t->measures);
    for (size_t f = 0; f < t->n_filters; f++)
        for (size_t i = 0; i < n; i++)
            if (add_measure(r, given(list) ? list->items[i] : NULL, given(list) ? NULL : standard[i], f, err) != 0)
                return -1;
    return 0;
}

/* ---- generation */

static int read_max_new(task *t, const yaml_value *settings, error *err)
{
    static const char *const aliases[] = {"max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens"};   /* the first counts */
    int64_t most = STANDARD_MAX_NEW;
    for (size_t i = sizeof aliases / sizeof *aliases; i-- > 0;)
        if (yaml_int(yaml_get(settings, aliases[i]), 1, MAX_NEW_TOKENS, &most, err) != 0)
            return -1;
    t->max_new = (int)most;
    return 0;
}

static int read_generation(const struct reader *r, const yaml_value *settings, error *err)
{
    static const char *const known[] = {"until", "max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens", "do_sample", "temperature", "top_p",
                                        "repetition_penalty", NULL};
    task *t = r->t;
    double temperature = 0, top_p = 1, penalty = 1;
    bool sample = false;
    t->top_p = t->repetition_penalty = 1;
    t->stops_in_turn = true;
    if (given(settings) && (yaml_known_keys(settings, known, err) != 0 || task_want_real(settings, "temperature", 0, 100, false, &temperature, err) != 0 ||
                            task_want_real(settings, "top_p", 0, 1, true, &top_p, err) != 0 ||
                            task_want_real(settings, "repetition_penalty", 0, 100, true, &penalty, err) != 0))
        return -1;
    sample = temperature > 0;
    if (read_max_new(t, settings, err) != 0 || yaml_bool(yaml_get(settings, "do_sample"), &sample, err) != 0 ||
        task_read_stops(t, yaml_get(settings, "until"), "until", err) != 0)
        return -1;
    if (!given(yaml_get(settings, "until")) && *r->delimiter) {
        t->stops = memory_new(1, sizeof *t->stops);
        t->stops[t->n_stops++] = memory_text(r->delimiter);
    }
    t->temperature = sample ? (float)(temperature > 0 ? temperature : 1) : 0;
    t->top_p = (float)top_p;
    t->repetition_penalty = (float)penalty;
    return 0;
}

/* ---- shots */

static int pool_of_samples(task *t, const yaml_value *v, error *err)
{
    if (v->kind != YAML_LIST || v->count == 0)
        return yaml_fail(err, v, "samples should be a list of questions");
    dataset *d = splits_own(t, v->count);
    for (size_t i = 0; i < v->count; i++) {
        json_t *fields = yaml_json(v->items[i], err);
        if (!fields)
            return -1;
        d->items[d->count++] = (question){.fields = fields, .id = memory_print("%zu", i), .file = d->path, .line = (size_t)v->items[i]->line};
        if (!json_is_object(fields))
            return yaml_fail(err, v->items[i], "a sample should be a map of fields");
    }
    return 0;
}

/* The pool: fewshot_config's split, fewshot_split, fewshot_config's samples, else training, validation, test, the first that there is. */
static const dataset *read_pool(struct reader *r, error *err)
{
    static const char *const rule[] = {"training_split", "validation_split", "test_split"};
    const yaml_value *samples = yaml_get(r->fewshot, "samples"), *process = yaml_get(r->fewshot, "process_docs");
    const lmeval_function *f = given(process) ? lmeval_function_find(process, LMEVAL_PROCESS_DOCS, err) : r->process_docs;
    if ((given(process) && !f) || yaml_text(yaml_get(r->root, "fewshot_split"), &r->pool_split, err) != 0 ||
        yaml_text(yaml_get(r->fewshot, "split"), &r->pool_split, err) != 0)
        return NULL;
    if (!r->pool_split && given(samples))
        return pool_of_samples(r->t, samples, err) == 0 ? r->t->datasets[r->t->n_datasets - 1] : NULL;
    const char *split = r->pool_split;
    for (size_t i = 0; i < 3 && !split; i++)
        if (yaml_text(yaml_get(r->root, rule[i]), &split, err) != 0)
            return NULL;
    const dataset *d = lmeval_dataset(r->t, r->root, split, err);
    return d && amend(f, d, err) == 0 ? d : NULL;
}

static int choose(shots *s, const dataset *d, const yaml_value *indices, error *err)
{
    size_t n = given(indices) ? indices->count : d->count;
    if (given(indices) && (indices->kind != YAML_LIST || n == 0))
        return yaml_fail(err, indices, "fewshot_indices should be a list of places in the pool, counted from 0");
    s->pool = memory_new(n, sizeof *s->pool);
    for (; s->n_pool < n; s->n_pool++) {
        int64_t at = (int64_t)s->n_pool;
        if (given(indices) && yaml_int(indices->items[s->n_pool], 0, (int64_t)d->count - 1, &at, err) != 0)
            return -1;
        s->pool[s->n_pool] = &d->items[at];
    }
    return 0;
}

static int read_sampler(shots *s, const yaml_value *v, error *err)
{
    const char *name = "default";
    if (yaml_text(v, &name, err) != 0)
        return -1;
    s->kind = strcmp(name, "first_n") == 0 ? DRAW_FIRST : DRAW_SAMPLE;
    return s->kind == DRAW_FIRST || strcmp(name, "default") == 0 ? 0 : yaml_fail(err, v, "the sampler '%.60s' is not known; known: default, first_n", name);
}

static int read_shots(struct reader *r, error *err)
{
    static const char *const known[] = {"sampler", "split", "process_docs", "fewshot_indices", "samples", "doc_to_text", "doc_to_choice", "doc_to_target", "gen_prefix",
                                        "fewshot_delimiter", "target_delimiter", NULL};
    shots *s = &r->t->shots;
    const char *test = NULL;
    int64_t count = 0;
    if (yaml_int(yaml_get(r->root, "num_fewshot"), 0, MAX_SHOTS, &count, err) != 0 || (given(r->fewshot) && yaml_known_keys(r->fewshot, known, err) != 0))
        return -1;
    if (count == 0)
        return 0;
    const dataset *d = read_pool(r, err);
    if (!d || choose(s, d, yaml_get(r->fewshot, "fewshot_indices"), err) != 0 || read_sampler(s, yaml_get(r->fewshot, "sampler"), err) != 0 ||
        yaml_text(yaml_get(r->root, "test_split"), &test, err) != 0 || read_wording(r, true, &s->wording, err) != 0)
        return -1;
    s->count = (size_t)count;
    s->seed = STANDARD_SEED;
    s->exclude = r->pool_split && test ? strcmp(r->pool_split, test) == 0 : !r->pool_split && !test;
    if (s->count + s->exclude > s->n_pool)
        return yaml_fail(err, yaml_get(r->root, "num_fewshot"), "%zu examples are to be shown%s, and there are %zu", s->count,
                         s->exclude ? " beside the question itself" : "", s->n_pool);
    return 0;
}

/* ---- all of it */

static int read_kind(task *t, const yaml_value *v, error *err)
{
    const char *name = "generate_until";
    if (yaml_text(v, &name, err) != 0)
        return -1;
    t->kind = strcmp(name, "multiple_choice") == 0 ? TASK_CHOICE : TASK_GENERATE;
    if (t->kind == TASK_GENERATE && strcmp(name, "generate_until") != 0)
        return yaml_fail(err, v, "output_type '%.60s' is not read here; multiple_choice and generate_until are", name);
    return 0;
}

/* search and select, of the evaluated split. */
static void cut(task *t, uint64_t seed)
{
    size_t n = t->splits[0].count, fifth = n / 5 ? n / 5 : 1, *order = memory_new(n, sizeof *order);
    bool *chosen = memory_new(n, sizeof *chosen);
    if (n > 1) {
        random_stream s = random_stream_for(seed, "splits", 0, 0);
        splits_add(t, "search", n);
        splits_add(t, "select", n);
        for (size_t i = 0; i < n; i++)
            order[i] = i;
        random_shuffle(&s, order, n);
        for (size_t i = 0; i < fifth; i++)
            chosen[order[i]] = true;
        for (size_t i = 0; i < n; i++) {
            task_split *to = &t->splits[chosen[i] ? 2 : 1];
            to->questions[to->count++] = t->splits[0].questions[i];
        }
        t->splits_made = t->test_is_whole = true;
    }
    free(order);
    free(chosen);
}

/* lm-eval looks at the first question to know whether right answers are lists. */
static int look_at_first(task *t, error *err)
{
    json_t *gold = asking_gold(t, t->splits[0].questions[0], err);
    if (!gold)
        return -1;
    t->gold_is_list = json_is_array(gold);
    t->gold_by_first = true;
    json_decref(gold);
    return 0;
}

int lmeval_read(task *t, const yaml_value *root, uint64_t seed, error *err)
{
    struct reader r = {.t = t, .root = root, .fewshot = yaml_get(root, "fewshot_config"), .delimiter = "\n\n"};
    const char *name = NULL;
    const yaml_value *description = yaml_get(root, "description");
    if (check_keys(root, err) != 0 || task_want_text(root, "task", &name, err) != 0 || read_kind(t, yaml_get(root, "output_type"), err) != 0 ||
        yaml_text(yaml_get(root, "fewshot_delimiter"), &r.delimiter, err) != 0)
        return -1;
    t->name = memory_text(name);
    t->truncation = TRUNCATE_LEFT_WITH_BOS;
    if (read_questions(&r, err) != 0 || read_wording(&r, false, &t->wording, err) != 0 || refuse_multiple_input(&r, err) != 0 ||
        (given(description) && !(t->description = make_phrase(&r, description, "description", err))) ||
        read_filters(t, yaml_get(root, "filter_list"), err) != 0 || read_measures(&r, err) != 0)
        return -1;
    if (t->kind == TASK_CHOICE && !wording_has_choices(&t->wording))
        return yaml_fail(err, root, "'doc_to_choice' is missing");
    if (t->kind == TASK_GENERATE && (read_generation(&r, yaml_get(root, "generation_kwargs"), err) != 0 || look_at_first(t, err) != 0))
        return -1;
    if (read_shots(&r, err) != 0 || task_check_gold(t, err) != 0)
        return -1;
    cut(t, seed);
    t->config = lmeval_config(t, root, err);
    return t->config ? 0 : -1;
}
