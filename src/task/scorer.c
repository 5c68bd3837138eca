#include "task/scorer.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "task/japanese.h"
#include "task/space.h"

/* ---- making one */

static int set_metric(scorer *s, const char *name, error *err)
{
    s->metric = metric_find(name);
    if (s->metric)
        return 0;
    string known = {0};
    for (const char *const *m = metric_names(); *m; m++)
        string_print(&known, "%s%s", m == metric_names() ? "" : ", ", *m);
    const char *near = text_nearest(name, metric_names());
    fail(err, ERROR_FORMAT, "unknown metric '%.60s'%s%s%s; known: %s", name, near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "",
         known.text);
    free(known.text);
    return -1;
}

static int set_language(scorer *s, const char *language, error *err)
{
    if (!language)
        return 0;
    size_t n = strlen(language);
    if (n < 2 || n > 8 || strspn(language, "abcdefghijklmnopqrstuvwxyz") != n)
        return fail(err, ERROR_FORMAT, "a language is a code such as ja or en, not '%.60s'", language);
    s->language = memory_text(language);
    return 0;
}

static int set_ignores(scorer *s, const scorer_options *o, error *err)
{
    s->ignore_case = o->ignore_case;
    s->ignore_punctuation = o->ignore_punctuation;
    s->ignore_numbers = o->ignore_numbers;
    bool any = o->ignore_case || o->ignore_punctuation || o->ignore_numbers || o->n_regexes_to_ignore;
    if (any && !(s->metric->flags & METRIC_IGNORES))
        return fail(err, ERROR_FORMAT, "'ignore_...' and 'regexes_to_ignore' do not go with %s; exact_match takes them", s->metric->name);
    s->ignored = memory_new(o->n_regexes_to_ignore, sizeof(python_regex *));
    for (size_t i = 0; i < o->n_regexes_to_ignore; i++) {
        s->ignored[i] = python_regex_new(o->regexes_to_ignore[i], "regexes_to_ignore", err);
        if (!s->ignored[i])
            return -1;
        s->n_ignored++;
    }
    return 0;
}

static int set_segmenter(scorer *s, const char *dictionary, error *err)
{
    if (s->metric->flags & METRIC_WORDS) {
        s->segmenter = segmenter_open(dictionary, err);
        s->own_dictionary = dictionary != NULL;
        return s->segmenter ? 0 : fail_in(err, "metric %s", s->metric->name);
    }
    return dictionary ? fail(err, ERROR_FORMAT, "'dictionary' does not go with %s, which counts no words", s->metric->name) : 0;
}

scorer *scorer_new(const scorer_options *options, error *err)
{
    scorer *s = memory_new(1, sizeof *s);
    s->first_only = options->first_only;
    if (set_metric(s, options->metric, err) == 0 && set_language(s, options->language, err) == 0 && set_ignores(s, options, err) == 0 &&
        set_segmenter(s, options->dictionary, err) == 0)
        return s;
    scorer_free(s);
    return NULL;
}

void scorer_free(scorer *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_ignored; i++)
        python_regex_free(s->ignored[i]);
    free(s->ignored);
    free(s->language);
    segmenter_free(s->segmenter);
    free(s);
}

char *scorer_describe(const scorer *s)
{
    string out = {0};
    string_puts(&out, s->metric->name);
    if (s->own_dictionary)
        string_print(&out, " dictionary=%s", segmenter_dictionary(s->segmenter));
    string_puts(&out, s->first_only ? " references=first" : "");
    for (size_t i = 0; i < s->n_ignored; i++)
        string_print(&out, " regexes_to_ignore=%s", python_regex_source(s->ignored[i]));
    string_puts(&out, s->ignore_case ? " ignore_case" : "");
    string_puts(&out, s->ignore_punctuation ? " ignore_punctuation" : "");
    string_puts(&out, s->ignore_numbers ? " ignore_numbers" : "");
    return out.text;
}

/* ---- from YAML */

static int read_references(const yaml_value *v, bool *first_only, error *err)
{
    const char *which = "best";
    if (yaml_text(v, &which, err) != 0)
        return -1;
    *first_only = strcmp(which, "first") == 0;
    return *first_only || strcmp(which, "best") == 0 ? 0 : yaml_fail(err, v, "references can be 'best' or 'first', not '%.60s'", which);
}

/* A text or a list of them; *list is owned, its texts are borrowed. */
static int read_regexes(const yaml_value *v, const char ***list, size_t *n, error *err)
{
    if (!v || v->kind == YAML_NULL)
        return 0;
    if (v->kind == YAML_MAP)
        return yaml_fail(err, v, "regexes_to_ignore should be a regular expression or a list of them");
    size_t count = v->kind == YAML_LIST ? v->count : 1;
    *list = memory_new(count, sizeof **list);
    for (; *n < count; ++*n) {
        const yaml_value *item = v->kind == YAML_LIST ? v->items[*n] : v;
        if (yaml_text(item, &(*list)[*n], err) != 0)
            return -1;
        if (!(*list)[*n])
            return yaml_fail(err, item, "a regular expression is empty");
    }
    return 0;
}

static int read_options(const yaml_value *v, scorer_options *o, const char ***regexes, error *err)
{
    static const char *const keys[] = {"name", "language", "dictionary", "references", "regexes_to_ignore", "ignore_case",
                                       "ignore_punctuation", "ignore_numbers", NULL};
    if (v->kind != YAML_MAP)
        return yaml_text(v, &o->metric, err);
    if (yaml_known_keys(v, keys, err) != 0 || yaml_text(yaml_get(v, "name"), &o->metric, err) != 0 ||
        yaml_text(yaml_get(v, "language"), &o->language, err) != 0 || yaml_text(yaml_get(v, "dictionary"), &o->dictionary, err) != 0 ||
        read_references(yaml_get(v, "references"), &o->first_only, err) != 0 ||
        yaml_bool(yaml_get(v, "ignore_case"), &o->ignore_case, err) != 0 ||
        yaml_bool(yaml_get(v, "ignore_punctuation"), &o->ignore_punctuation, err) != 0 ||
        yaml_bool(yaml_get(v, "ignore_numbers"), &o->ignore_numbers, err) != 0)
        return -1;
    int status = read_regexes(yaml_get(v, "regexes_to_ignore"), regexes, &o->n_regexes_to_ignore, err);
    o->regexes_to_ignore = *regexes;
    return status;
}

scorer *scorer_read(const yaml_value *at, error *err)
{
    scorer_options options = {0};
    const char **regexes = NULL;
    scorer *s = NULL;
    error why = {0};
    if (read_options(at, &options, &regexes, err) != 0) {
        free(regexes);
        return NULL;
    }
    if (!options.metric || !*options.metric)
        yaml_fail(err, at, at->kind == YAML_MAP && !yaml_get(at, "name") ? "'name' is missing" : "'metric' is empty");
    else if (!(s = scorer_new(&options, &why)))
        yaml_fail(err, at, "%s", why.text);
    free(regexes);
    return s;
}

/* ---- judging */

static size_t count_references(const scorer *s, const json_t *gold)
{
    size_t n = json_is_array(gold) ? json_array_size(gold) : 1;
    return s->first_only && n > 1 ? 1 : n;
}

/* An empty list is itself the one that the metric refuses. */
static const json_t *reference_at(const json_t *gold, size_t i)
{
    return json_is_array(gold) && json_array_size(gold) ? json_array_get(gold, i) : gold;
}

int scorer_check(const scorer *s, const json_t *gold, error *err)
{
    double ignored;
    size_t n = count_references(s, gold);
    for (size_t i = 0; i < (n ? n : 1); i++)
        if (s->metric->score(s, "", reference_at(gold, i), &ignored, err) != 0)
            return -1;
    return 0;
}

/* The authors' condition on images: at least one half, where the paper's on numbers is more than one half. */
static bool is_half(const scorer *s, const char *text, const language_model *lid)
{
    language_guess best;
    return language_guess_top(lid, text, strlen(text), &best, 1) == 1 && strcmp(best.label, s->language) == 0 && best.probability >= 0.5f;
}

/* The score of an answer in the wrong language beside this reference. */
static int score_foreign(const scorer *s, const json_t *reference, const language_model *lid, double raw, double *score, bool *foreign, error *err)
{
    char buffer[32];
    *score = 0;
    if (s->metric->flags & METRIC_TEXT) {
        const char *text = metric_text(reference, buffer, err);
        if (!text)
            return -1;
        if (!is_half(s, text, lid)) {
            *score = raw;
            return 0;
        }
        if (s->metric->score(s, "", reference, score, err) != 0)
            return -1;
    }
    *foreign = true;
    return 0;
}

int scorer_judge(const scorer *s, const char *answer, const json_t *gold, const language_model *lid, judgement *out, error *err)
{
    if (s->language && !lid)
        return fail(err, ERROR_STATE, "metric %s asks for language '%s', but no language model is open", s->metric->name, s->language);
    bool right_language = !s->language || (s->metric->flags & METRIC_TEXT ? is_half(s, answer, lid) : language_is(lid, answer, s->language));
    char *trimmed = space_trim(answer);
    size_t n = count_references(s, gold);
    int status = 0;
    *out = (judgement){.language_ok = true};
    for (size_t i = 0; i < (n ? n : 1) && status == 0; i++) {
        double raw = 0, score;
        bool foreign = false;
        status = s->metric->score(s, trimmed, reference_at(gold, i), &raw, err);
        score = raw;
        if (status == 0 && !right_language)
            status = score_foreign(s, reference_at(gold, i), lid, raw, &score, &foreign, err);
        out->raw = raw > out->raw ? raw : out->raw;
        out->score = score > out->score ? score : out->score;
        out->language_ok = out->language_ok && !foreign;
    }
    free(trimmed);
    return status;
}

int scorer_words(const scorer *s, const char *text, word_list *out, error *err)
{
    char *plain = japanese_normalize(text);
    int status = segmenter_cut(s->segmenter, plain, out, err);
    free(plain);
    return status;
}

int scorer_cut_both(const scorer *s, scorer_cutter *cut, const char *answer, const json_t *reference, word_list *given, word_list *gold, error *err)
{
    char buffer[32];
    const char *text = metric_text(reference, buffer, err);
    int status = text ? cut(s, text, gold, err) : -1;
    return status == 0 ? cut(s, answer, given, err) : status;
}
