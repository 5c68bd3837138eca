#include "jp_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

/* Of the goldens' names for tasks: where lm-eval has their data, and our file for Stability's way. */
static const struct { const char *task, *data, *evaluated, *recipe; int count; const char *draw, *plain, *limit; } tasks[] = {
    {"jcommonsenseqa", "Rakuten/JGLUE/JCommonsenseQA", "validation", "jcommonsenseqa", 3, "", "-0.2.1", ""},
    {"jnli", "Rakuten/JGLUE/JNLI", "validation", "jnli", 3, ", stratify: label", "-0.2", ""},
    {"marc_ja", "Rakuten/JGLUE/MARC-ja", "validation", "marc_ja", 3, "", "-0.2", ""},
    {"jsquad", "Rakuten/JGLUE/JSQuAD", "validation", "jsquad", 2, "", "-0.2", "max_new_tokens: {beyond_answer: 0}\n"},
    {"jaqket_v2", "kumapo/JAQKET/v2.0", "validation", "jaqket_v2", 1, ", redraw: true", "-0.2", "max_new_tokens: {beyond_answer: 0}\n"},
    {"xlsum_ja", "mkshing/xlsum_ja", "test", "xlsum_ja", 1, "", "-0.0", "max_new_tokens: {beyond_answer: 10}\n"},
    {"xwinograd", "polm-stability/xwinograd-ja", "test", "xwinograd_ja", 0, "", "", ""},
    {"mgsm", "juletxara/mgsm/ja", "test", "mgsm", 5, ", redraw: true", "-0.0", ""},
    {"jcola", "shunk031/JGLUE/JCoLA", "validation", "jcola", 3, ", stratify: label", "-0.0", ""},
    {"jnli", "local/jnli", "validation", NULL, 0, "", "", ""},
    {"jsquad", "local/jsquad", "validation", NULL, 0, "", "", ""},
};
#define N_TASKS (sizeof tasks / sizeof *tasks)

static struct {
    char *golden, *place, *before; /* DIR/jp-lmeh, where the documents lie, where we were; owned */
    struct { char *key; task *task; } *open;
    size_t n_open;
    prompts *prompts;
    int64_t positions;
    tokenizer *tokenizer;
} scene;

/* ---- documents */

static int write_docs(const json_t *rows, size_t k, const char *split, error *err)
{
    string text = {0};
    const json_t *row;
    size_t i;
    json_array_foreach(rows, i, row)
        if (strcmp(json_string_value(json_object_get(row, "task")), tasks[k].task) == 0 &&
            strcmp(json_string_value(json_object_get(row, "split")), split) == 0) {
            char *line = json_dumps(json_object_get(row, "doc"), JSON_COMPACT);
            string_print(&text, "%s\n", line);
            free(line);
        }
    char *folder = memory_print("%s/data/%s", scene.place, tasks[k].data),
         *path = memory_print("%s/%s.jsonl", folder, strcmp(split, "train") == 0 ? "train" : tasks[k].evaluated);
    int status = text.length == 0 ? 0 : file_make_folders(folder, err) == 0 ? file_write(path, text.text, text.length, err) : -1;
    free(text.text);
    free(folder);
    free(path);
    return status;
}

int jp_scene_open(const char *folder, error *err)
{
    char template[] = "/tmp/golden-jp-XXXXXX", *place = mkdtemp(template);
    char *docs = file_join(folder, "docs.jsonl"), *tokens = NULL;
    scene.golden = realpath(folder, NULL);
    scene.before = getcwd(NULL, 0);
    scene.place = memory_text(place);
    json_t *rows = place && scene.golden ? golden_rows(docs, err) : NULL;
    int status = rows ? 0 : -1;
    for (size_t k = 0; k < N_TASKS && status == 0; k++)
        if (write_docs(rows, k, "train", err) != 0 || write_docs(rows, k, "eval", err) != 0)
            status = -1;
    json_decref(rows);
    free(docs);
    char *inner = memory_print("%s/tasks/here", scene.place), *data = memory_print("%s/data", scene.place);
    tokens = memory_print("%s/../../data/tokenizers/hf_json/llama2", scene.golden);
    if (status == 0 && (file_make_folders(inner, err) != 0 || chdir(inner) != 0 || !(scene.tokenizer = tokenizer_open(tokens, err))))
        status = -1;
    setenv("MERGANSER_DATASETS", data, 1);
    scene.prompts = prompts_new();
    free(tokens);
    free(inner);
    free(data);
    return status;
}

void jp_scene_close(void)
{
    error ignored;
    prompts_free(scene.prompts);
    for (size_t i = 0; i < scene.n_open; i++) {
        task_free(scene.open[i].task);
        free(scene.open[i].key);
    }
    free(scene.open);
    tokenizer_free(scene.tokenizer);
    if (scene.before && chdir(scene.before) != 0)
        golden_mismatch("jp-lmeh", "cannot go back to %s", scene.before);
    if (scene.place)
        file_remove_tree(scene.place, &ignored);
    unsetenv("MERGANSER_DATASETS");
    free(scene.golden);
    free(scene.place);
    free(scene.before);
    memset(&scene, 0, sizeof scene);
}

/* ---- tasks */

static char *lmeval_path(const char *name)
{
    char *path = memory_print("%s/recipes/tasks/ja-leaderboard/%s.yaml", SOURCE_DIR, name);
    if (file_exists(path))
        return path;
    free(path);
    const char *base = strncmp(name, "yaml_", 5) == 0 ? name + 5 : strncmp(name, "ja_", 3) == 0 ? name + 3 : name;
    return memory_print("%s/yaml/%s.yaml", scene.golden, base);
}

static json_t *prompt_version(const char *name)
{
    char *path = file_join(scene.golden, "prompts_stability.jsonl");
    error err;
    json_t *rows = golden_rows(path, &err), *row, *found = NULL;
    size_t i;
    json_array_foreach(rows, i, row)
        if (strcmp(json_string_value(json_object_get(row, "task")), name) == 0)
            found = json_incref(row);
    json_decref(rows);
    free(path);
    return found;
}

static void replace(string *text, const char *from, const char *to)
{
    string out = {0};
    string_puts(&out, "");
    for (const char *at = text->text, *hit; *at; at = hit + strlen(from)) {
        hit = strstr(at, from);
        string_add(&out, at, hit ? (size_t)(hit - at) : strlen(at));
        if (!hit)
            break;
        string_puts(&out, to);
    }
    free(text->text);
    *text = out;
}

/* The five passages of JAQKET: the template shows the first two and what stands between them. */
static void replace_passages(string *text)
{
    char *first = strstr(text->text, "{title0}") ? strstr(text->text, "[題名]:{title0}") : strstr(text->text, "{text0}"), *second = strstr(text->text, "{text1}");
    if (!first || !second)
        return;
    string out = {0};
    string_add(&out, text->text, (size_t)(first - text->text));
    if (strncmp(first, "{text0}", 7) == 0)
        string_print(&out, "{%% for x in ctxs['text'] %%}{{ x }}{%% if not loop.last %%}%.*s{%% endif %%}{%% endfor %%}", (int)(second - first - 7), first + 7);
    else
        string_puts(&out, "{% for x in ctxs['text'] %}[題名]:{{ ctxs['title'][loop.index0] }}\n[問題]:{{ x }}{% if not loop.last %}\n{% endif %}{% endfor %}");
    string_puts(&out, second + 7);
    free(text->text);
    *text = out;
}

/* A prompt version as one of our task files, on top of that of the task's own. */
static char *version_yaml(const json_t *version, size_t k)
{
    string yaml = {0}, text = {0};
    char *quoted = json_dumps(json_object_get(version, "description"), JSON_ENCODE_ANY), *sep = json_dumps(json_object_get(version, "sep"), JSON_ENCODE_ANY);
    const char *target = json_string_value(json_object_get(version, "target"));
    string_puts(&text, json_string_value(json_object_get(version, "text")));
    replace_passages(&text);
    replace(&text, "{context}", "{{ context.split('[SEP]')[-1].strip() }}");
    replace(&text, "{question}", strcmp(tasks[k].task, "mgsm") == 0 ? "{{ question | replace('問題：', '') }}" : "{{ question }}");
    static const char *const plain[] = {"title", "sentence", "sentence1", "sentence2", "text", "choice0", "choice1", "choice2", "choice3", "choice4"};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        char from[40], to[40];
        snprintf(from, sizeof from, "{%s}", plain[i]);
        snprintf(to, sizeof to, "{{ %s }}", plain[i]);
        if (!strstr(text.text, to))
            replace(&text, from, to);
    }
    json_t *prompt_text = json_string(text.text);
    char *prompt_json = json_dumps(prompt_text, JSON_ENCODE_ANY);
    string_print(&yaml, "include: %s/recipes/tasks/jp-lmeh/stability/%s.yml\nname: version\ndescription: %s\nprompt: {jinja: %s}\n", SOURCE_DIR, tasks[k].recipe, quoted, prompt_json);
    json_t *list = json_object_get(version, "continuations");
    if (list && strcmp(tasks[k].task, "jcola") != 0) {
        char *choices = json_dumps(list, 0);
        string_print(&yaml, "choices: %s\n", choices);
        free(choices);
    }
    if (target && strcmp(target, "0") == 0)
        string_puts(&yaml, "target: \"{label}\"\n");
    if (json_string_value(json_object_get(version, "sep")) && strcmp(json_string_value(json_object_get(version, "sep")), "<NL>") == 0 &&
        strcmp(tasks[k].task, "mgsm") != 0 && !list)
        string_puts(&yaml, "stop: [\"<NL>\"]\n");
    string_print(&yaml, "shots: {count: %d, from: ../../data/%s/train.jsonl, draw: stability%s, delimiter: %s}\n", tasks[k].count, tasks[k].data, tasks[k].draw, sep);
    free(quoted);
    free(sep);
    free(prompt_json);
    json_decref(prompt_text);
    free(text.text);
    return yaml.text;
}

static task *open_stability(const char *name, error *err)
{
    size_t k = 0;
    while (k < 9 && strncmp(name, tasks[k].task, strlen(tasks[k].task)) != 0)
        k++;
    if (k == 9) {
        fail(err, ERROR_FORMAT, "no task '%s'", name);
        return NULL;
    }
    const char *end = strrchr(name, '-');
    bool titled = strstr(name, "-1.2-") != NULL;     /* JSQuAD with the title */
    if (k == 6 || (end && strcmp(end, "-0.3") == 0 && !titled)) {
        char *path = memory_print("%s/recipes/tasks/jp-lmeh/stability/%s.yml", SOURCE_DIR, tasks[k].recipe);
        task *t = task_read(path, 0, err);
        free(path);
        return t;
    }
    if (end && !titled && strcmp(end, tasks[k].plain) == 0) {
        char *yaml = memory_print("include: %s/recipes/tasks/jp-lmeh/plain/%s.yml\nencoding: separate\n%s", SOURCE_DIR, tasks[k].recipe, tasks[k].limit);
        task *t = task_parse(yaml, strlen(yaml), "plain.yml", 0, err);
        free(yaml);
        return t;
    }
    json_t *version = prompt_version(name);
    if (!version) {
        fail(err, ERROR_FORMAT, "no prompt version '%s'", name);
        return NULL;
    }
    char *yaml = version_yaml(version, k);
    task *t = task_parse(yaml, strlen(yaml), "version.yml", 0, err);
    free(yaml);
    json_decref(version);
    return t;
}

const task *jp_task_seeded(const char *harness, const char *name, int64_t seed, error *err)
{
    char *key = memory_print("%s %s %lld", harness, name, (long long)seed);
    for (size_t i = 0; i < scene.n_open; i++)
        if (strcmp(scene.open[i].key, key) == 0) {
            free(key);
            return scene.open[i].task;
        }
    char *path = lmeval_path(name);
    task *t = strcmp(harness, "stability") == 0 ? open_stability(name, err) : task_read(path, 0, err);
    free(path);
    if (!t) {
        free(key);
        return NULL;
    }
    if (seed >= 0)
        t->shots.seed = seed;
    scene.open = memory_grow(scene.open, scene.n_open + 1, sizeof *scene.open);
    scene.open[scene.n_open].key = key;
    return scene.open[scene.n_open++].task = t;
}

const task *jp_task(const char *harness, const char *name, error *err)
{
    return jp_task_seeded(harness, name, -1, err);
}

const prompt *jp_prompt(const task *t, size_t doc, int64_t positions, error *err)
{
    if (positions != scene.positions)
        prompts_clear(scene.prompts);
    scene.positions = positions;
    if (doc >= t->splits[0].count) {
        fail(err, ERROR_FORMAT, "no question %zu", doc);
        return NULL;
    }
    return prompts_get(scene.prompts, t, t->splits[0].questions[doc], scene.tokenizer, NULL, positions, err);
}
