#include "merge/tokens.h"

#include <stdlib.h>
#include <string.h>

#include "merge/recipe_parts.h"
#include "merge/tokens_view.h"
#include "tensor/gguf.h"
#include "tensor/names.h"
#include "text/chat_template.h"
#include "text/companion.h"

#define NAMED 5   /* tokens that a note names */

void tokens_free(token_plan *p)
{
    for (size_t i = 0; i < p->n_views; i++)
        token_view_free(p->views[i]);
    for (size_t i = 0; i < p->n_models; i++) {
        if (p->files)
            tokenizer_file_free(p->files[i]);
        if (p->row_of)
            free(p->row_of[i]);
    }
    tokenizer_file_free(p->file);
    free(p->views);
    free(p->files);
    free(p->row_of);
    free(p->model_rows);
    free(p->setting);
    free(p->chat_template);
    free(p->notes.text);
    *p = (token_plan){0};
}

/* ---- lists of tokens in notes */

typedef struct named { string text; size_t count; } named;

static void named_add(named *list, const char *token)
{
    if (list->count++ < NAMED)
        string_print(&list->text, "%s'%.60s'", list->count > 1 ? ", " : "", token);
}

/* "MODEL: 7 tokens WHAT: 'a', 'b', ... and 2 more" */
static void named_note(token_plan *p, named *list, const char *model, const char *what)
{
    if (list->count)
        string_print(&p->notes, "%s: %zu token%s %s: %s", model, list->count, list->count == 1 ? "" : "s", what, list->text.text);
    if (list->count > NAMED)
        string_print(&p->notes, " and %zu more", list->count - NAMED);
    if (list->count)
        string_puts(&p->notes, "\n");
    free(list->text.text);
    *list = (named){0};
}

/* ---- the models' tokenizers */

static int base_of(const recipe *r)
{
    return r->base >= 0 ? r->base : 0;
}

static bool has_tokenizer(const checkpoint *c)
{
    return c->folder && companion_has_tokenizer(c->folder);
}

static int read_rows(token_plan *p, size_t i, error *err)
{
    const checkpoint *c = p->models[i];
    const checkpoint_item *item = names_embedding(c) ? names_embedding(c) : names_head(c);
    if (!item || item->tensor.rank != 2)
        return fail(err, ERROR_FORMAT, "%s has no token embeddings whose rows a tokenizer could name", c->name);
    p->model_rows[i] = item->tensor.shape[0];
    return 0;
}

static void note_rowless(token_plan *p, const tokenizer_file *f, int64_t rows, const char *name)
{
    named list = {0};
    for (int64_t id = rows; id < tokenizer_file_size(f); id++)
        if (tokenizer_file_text(f, (int32_t)id))
            named_add(&list, tokenizer_file_text(f, (int32_t)id));
    char *what = memory_print("behind its %lld rows of embeddings count as absent", (long long)rows);
    named_note(p, &list, name, what);
    free(what);
}

static int read_files(token_plan *p, error *err)
{
    const recipe *r = p->recipe;
    int base = base_of(r);
    for (size_t i = 0; i < r->n_models; i++) {
        const checkpoint *c = p->models[i];
        if (read_rows(p, i, err) != 0)
            return -1;
        if (!has_tokenizer(c) && (int)i == base)
            return fail(err, ERROR_FORMAT, "%s has no tokenizer.json: the merge's tokenizer is built from it", c->name);
        if (!has_tokenizer(c)) {
            string_print(&p->notes, "%s has no tokenizer: its rows count as those of %s's tokens\n", c->name, p->models[base]->name);
            continue;
        }
        p->files[i] = tokenizer_file_open(c->folder, err);
        if (!p->files[i])
            return -1;
        note_rowless(p, p->files[i], p->model_rows[i], c->name);
    }
    return 0;
}

/* ---- the merge's tokenizer */

/* The id of a token that a model has a row for; -1: none. */
static int32_t model_row(const token_plan *p, size_t model, const char *token)
{
    const tokenizer_file *f = p->files[model] ? p->files[model] : p->files[base_of(p->recipe)];
    int32_t id = tokenizer_file_find(f, token);
    return id < p->model_rows[model] ? id : -1;
}

static const json_t *model_added(const token_plan *p, size_t model, const char *token)
{
    return p->files[model] ? tokenizer_file_added(p->files[model], model_row(p, model, token)) : NULL;
}

static bool added_somewhere(const token_plan *p, const char *token)
{
    for (size_t i = 0; i < p->recipe->n_models; i++)
        if (model_added(p, i, token))
            return true;
    return false;
}

/* Where two models add a token in two ways the first one's counts, and the base is the first. */
static const json_t *first_added(const token_plan *p, const char *token)
{
    const json_t *entry = model_added(p, (size_t)base_of(p->recipe), token);
    for (size_t i = 0; i < p->recipe->n_models && !entry; i++)
        entry = model_added(p, i, token);
    return entry;
}

/* Adds a model's tokens by id: those of its vocabulary alone, or those that it or another has as added ones. */
static int add_tokens(token_plan *p, size_t model, bool added, error *err)
{
    int64_t size = p->files[model] ? tokenizer_file_size(p->files[model]) : 0;
    for (int32_t id = 0; id < size && id < p->model_rows[model]; id++) {
        const char *token = tokenizer_file_text(p->files[model], id);
        if (!token || (added ? !tokenizer_file_added(p->files[model], id) : tokenizer_file_find(p->file, token) >= 0 || added_somewhere(p, token)))
            continue;
        if (tokenizer_file_add(p->file, token, added ? first_added(p, token) : NULL, err) != 0)
            return -1;
    }
    return 0;
}

static int add_union(token_plan *p, error *err)
{
    const recipe *r = p->recipe;
    size_t base = (size_t)base_of(r);
    for (int added = 0; added < 2; added++) {
        if (add_tokens(p, base, added, err) != 0)
            return -1;
        for (size_t i = 0; i < r->n_models; i++)
            if (i != base && add_tokens(p, i, added, err) != 0)
                return -1;
    }
    return 0;
}

/* The tokenizer of a folder that need not be one of the models. */
static int open_named(token_plan *p, error *err)
{
    const recipe *r = p->recipe;
    int model = recipe_find_model(r, r->tokenizer.model);
    if (model >= 0 && !p->files[model])
        return fail(err, ERROR_FORMAT, "%s has no tokenizer.json, and the recipe wants its tokenizer", p->models[model]->name);
    if (model >= 0) {
        p->file = tokenizer_file_copy(p->files[model]);
        return tokenizer_file_strip(p->file, p->model_rows[model], err);
    }
    char *folder = checkpoint_locate(r->tokenizer.model, r->file);
    p->file = tokenizer_file_open(folder, err);
    free(folder);
    return p->file ? 0 : fail_in(err, "the recipe's tokenizer");
}

static int build_file(token_plan *p, error *err)
{
    const recipe *r = p->recipe;
    size_t base = (size_t)base_of(r);
    if (r->tokenizer.source == TOKENIZER_MODEL) {
        if (open_named(p, err) != 0)
            return -1;
    } else {
        p->file = tokenizer_file_copy(p->files[base]);
        if (tokenizer_file_strip(p->file, p->model_rows[base], err) != 0 || (r->tokenizer.source == TOKENIZER_UNION && add_union(p, err) != 0))
            return -1;
    }
    p->changed = r->tokenizer.source != TOKENIZER_BASE || p->model_rows[base] < tokenizer_file_size(p->files[base]);
    for (size_t i = 0; i < r->tokenizer.n_tokens; i++)
        if (tokenizer_file_find(p->file, r->tokenizer.tokens[i].text) < 0) {
            p->changed = true;
            if (tokenizer_file_add(p->file, r->tokenizer.tokens[i].text, NULL, err) != 0)
                return -1;
        }
    for (int32_t id = 0; id < tokenizer_file_size(p->file); id++)
        if (!tokenizer_file_text(p->file, id))
            return fail(err, ERROR_FORMAT, "the merge's tokenizer has %d ids, but no token with id %d: a tokenizer with holes cannot be built from",
                        tokenizer_file_size(p->file), id);
    p->tokens = tokenizer_file_size(p->file);
    return 0;
}

/* ---- rows */

static void note_dropped(token_plan *p, size_t model)
{
    named list = {0};
    const tokenizer_file *f = p->files[model];
    int64_t size = f ? tokenizer_file_size(f) : 0, rows = p->model_rows[model];
    for (int32_t id = 0; id < size && id < rows; id++)
        if (tokenizer_file_text(f, id) && tokenizer_file_find(p->file, tokenizer_file_text(f, id)) < 0)
            named_add(&list, tokenizer_file_text(f, id));
    named_note(p, &list, p->models[model]->name, "that the merge's tokenizer has not are dropped");
    if (f && size < rows)
        string_print(&p->notes, "%s: rows %lld to %lld of its embeddings have no token and are dropped\n", p->models[model]->name, (long long)size, (long long)rows - 1);
}

static void find_rows(token_plan *p)
{
    const recipe *r = p->recipe;
    int64_t multiple = r->tokenizer.pad_to_multiple_of ? r->tokenizer.pad_to_multiple_of : 1;
    named list = {0};
    p->rows = (p->tokens + multiple - 1) / multiple * multiple;
    p->setting = memory_new((size_t)p->tokens, sizeof *p->setting);
    memset(p->setting, 0xFF, (size_t)p->tokens * sizeof *p->setting);
    for (size_t i = 0; i < r->tokenizer.n_tokens; i++)
        p->setting[tokenizer_file_find(p->file, r->tokenizer.tokens[i].text)] = (int32_t)i;
    for (size_t i = 0; i < r->n_models; i++)
        p->row_of[i] = memory_new((size_t)p->tokens, sizeof **p->row_of);
    for (int32_t t = 0; t < p->tokens; t++) {
        const char *text = tokenizer_file_text(p->file, t);
        bool somewhere = p->setting[t] >= 0 && r->tokenizer.tokens[p->setting[t]].kind != TOKEN_DEFAULT;
        for (size_t i = 0; i < r->n_models; i++)
            somewhere |= (p->row_of[i][t] = model_row(p, i, text)) >= 0;
        if (!somewhere)
            named_add(&list, text);
    }
    named_note(p, &list, "the merge", "that no model has a row for get zeros");
    for (size_t i = 0; i < r->n_models; i++)
        note_dropped(p, i);
}

/* ---- the chat template */

static char *stripped(char *text)
{
    static const char blank[] = " \t\r\n\v\f";
    size_t skip = strspn(text, blank), n = strlen(text);
    while (n > skip && strchr(blank, text[n - 1]))
        n--;
    char *kept = memory_text_n(text + skip, n - skip);
    free(text);
    return kept;
}

/* The template that most models have; of equally many the first, and the base is the first. */
static int find_common(token_plan *p, error *err)
{
    const recipe *r = p->recipe;
    char **texts = memory_new(r->n_models, sizeof *texts);
    size_t best = 0;
    int status = 0;
    for (size_t k = 0, base = (size_t)base_of(r); k < r->n_models && status == 0; k++) {
        const checkpoint *c = p->models[k == 0 ? base : k <= base ? k - 1 : k];
        status = c->folder ? chat_template_read(c->folder, &texts[k], err) : 0;
        texts[k] = texts[k] ? stripped(texts[k]) : NULL;
    }
    for (size_t k = 0; k < r->n_models && status == 0; k++) {
        size_t same = 0;
        for (size_t j = 0; j < r->n_models && texts[k] && texts[k][0]; j++)
            same += texts[j] && strcmp(texts[k], texts[j]) == 0;
        if (same > best) {
            best = same;
            free(p->chat_template);
            p->chat_template = memory_text(texts[k]);
        }
    }
    if (status == 0 && !best)
        string_puts(&p->notes, "chat_template: auto: no model has a chat template\n");
    for (size_t k = 0; k < r->n_models; k++)
        free(texts[k]);
    free(texts);
    return status;
}

static int find_template(token_plan *p, error *err)
{
    const char *said = p->recipe->tokenizer.chat_template;
    if (!said)
        return 0;
    if (strcmp(said, "auto") == 0)
        return find_common(p, err);
    const char *known = chat_template_named(said);
    p->chat_template = memory_text(known ? known : said);
    return 0;
}

/* A base without any tokenizer has nothing that rows could be told apart by: vocabularies are cut to its rows, where the recipe asks for no more. */
static bool is_wanted(const recipe *r, checkpoint *const *models)
{
    const recipe_tokenizer *t = &r->tokenizer;
    bool plain = t->source == TOKENIZER_BASE && !t->n_tokens && !t->pad_to_multiple_of;
    return t->source != TOKENIZER_KEPT && !(plain && !has_tokenizer(models[r->base]));
}

int tokens_plan(const recipe *r, checkpoint *const *models, token_plan *out, error *err)
{
    *out = (token_plan){.recipe = r, .n_models = r->n_models, .models = models};
    int status = find_template(out, err);
    if (status == 0 && is_wanted(r, models)) {
        out->files = memory_new(r->n_models, sizeof *out->files);
        out->model_rows = memory_new(r->n_models, sizeof *out->model_rows);
        out->row_of = memory_new(r->n_models, sizeof *out->row_of);
        status = read_files(out, err) != 0 || build_file(out, err) != 0 ? -1 : 0;
        if (status == 0)
            find_rows(out);
    }
    if (status != 0)
        tokens_free(out);
    return status;
}

static json_t *moved_id(const token_plan *p, const tokenizer_file *from, const char *key, json_t *value)
{
    json_int_t was = json_is_integer(value) ? json_integer_value(value) : -1;
    const char *token = was >= 0 && was < tokenizer_file_size(from) ? tokenizer_file_text(from, (int32_t)was) : NULL;
    int32_t id = token ? tokenizer_file_find(p->file, token) : -1;
    char *name = text_ends_with(key, "_id") ? memory_text_n(key, strlen(key) - strlen("_id")) : NULL;
    if (token && id < 0 && name)
        id = tokenizer_file_named(p->file, name);
    free(name);
    return id >= 0 ? json_integer(id) : json_incref(value);
}

static void move_ids(const token_plan *p, const tokenizer_file *from, json_t *config)
{
    const char *key;
    json_t *value, *one;
    void *next;
    size_t i;
    json_object_foreach_safe(config, next, key, value) {
        if (!text_ends_with(key, "_token_id") && !text_ends_with(key, "_token_index"))     /* image_token_index of LLaVA */
            continue;
        json_array_foreach(value, i, one)
            json_array_set_new(value, i, moved_id(p, from, key, one));
        if (!json_is_array(value))
            json_object_set_new(config, key, moved_id(p, from, key, value));
    }
}

void tokens_move_ids(const token_plan *p, int from, json_t *config)
{
    const tokenizer_file *f = p->file ? p->files[from] ? p->files[from] : p->files[base_of(p->recipe)] : NULL;
    if (!f)
        return;
    move_ids(p, f, config);
    move_ids(p, f, json_object_get(config, "text_config"));
}

static int put_template(const token_plan *p, checkpoint *c, error *err)
{
    const recipe *r = p->recipe;
    char *text = memory_text(p->chat_template), *folder = NULL;
    int status = 0;
    if (!text && r->tokenizer.source == TOKENIZER_MODEL) {
        int model = recipe_find_model(r, r->tokenizer.model);
        folder = model >= 0 ? memory_text(p->models[model]->folder) : checkpoint_locate(r->tokenizer.model, r->file);
        status = chat_template_read(folder, &text, err);
    }
    if (status == 0 && (text || r->tokenizer.source == TOKENIZER_MODEL))
        checkpoint_put_file(c, "chat_template.jinja", text);
    if (status == 0 && text)
        checkpoint_put_file(c, "chat_template.json", NULL);
    free(folder);
    free(text);
    return status;
}

int tokens_put_files(const token_plan *p, checkpoint *c, error *err)
{
    /* They say the same of the base's tokenizer in other words; generation_config.json is left out as mergekit leaves it out. */
    static const char *const stale[] = {"special_tokens_map.json", "tokenizer.model", "vocab.json", "merges.txt", "added_tokens.json", "generation_config.json"};
    if (p->file && (p->changed || p->chat_template)) {
        char *config = tokenizer_file_config(p->file, !p->chat_template);
        checkpoint_put_file(c, "tokenizer_config.json", config);
        free(config);
    }
    if (p->file && p->changed) {
        char *json = tokenizer_file_json(p->file);
        checkpoint_put_file(c, "tokenizer.json", json);
        free(json);
        for (size_t i = 0; i < sizeof stale / sizeof *stale; i++)
            checkpoint_put_file(c, stale[i], NULL);
    }
    return put_template(p, c, err);
}
