#include "merge/recipe_tokenizer.h"

#include <stdlib.h>
#include <string.h>

#include "merge/recipe.h"
#include "merge/recipe_parts.h"
#include "text/chat_template.h"
#include "text/vocabulary.h"

#define MAX_TOKENS 100000
#define MAX_TOKEN_BYTES 200
#define MAX_MULTIPLE 65536

static const char *const tokenizer_keys[] = {"source", "tokens", "pad_to_multiple_of", NULL};
static const char *const token_keys[] = {"source", "force", NULL};
static const char *const source_keys[] = {"kind", "model", "token", "token_id", NULL};
static const char *const kinds[] = {"zero", "model_token", NULL};

void recipe_tokenizer_free(recipe_tokenizer *t)
{
    for (size_t i = 0; i < t->n_tokens; i++) {
        free(t->tokens[i].text);
        free(t->tokens[i].other);
    }
    free(t->tokens);
    free(t->model);
    free(t->chat_template);
    *t = (recipe_tokenizer){0};
}

recipe_tokenizer recipe_tokenizer_copy(const recipe_tokenizer *t)
{
    recipe_tokenizer copy = *t;
    copy.model = memory_text(t->model);
    copy.chat_template = memory_text(t->chat_template);
    copy.tokens = memory_new(t->n_tokens, sizeof *copy.tokens);
    for (size_t i = 0; i < t->n_tokens; i++) {
        copy.tokens[i] = t->tokens[i];
        copy.tokens[i].text = memory_text(t->tokens[i].text);
        copy.tokens[i].other = memory_text(t->tokens[i].other);
    }
    return copy;
}

static int read_model(const yaml_value *map, const char *key, const recipe *r, int *out, error *err)
{
    char *path = NULL;
    if (recipe_model_name(map, key, &path, err) != 0)
        return -1;
    *out = recipe_find_model(r, path);
    const char **known = memory_new(r->n_models + 1, sizeof *known);
    for (size_t i = 0; i < r->n_models; i++)
        known[i] = r->models[i].path;
    const char *near = *out < 0 ? text_nearest(path, known) : NULL;
    if (*out < 0)
        yaml_fail(err, recipe_member(map, key), "'%s' is not one of the models%s%s%s", path, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    free(known);
    free(path);
    return *out < 0 ? -1 : 0;
}

/* source: {kind: zero} or {kind: model_token, model: M, token: T | token_id: N}. */
static int read_other(const yaml_value *v, const recipe *r, recipe_token *t, error *err)
{
    const yaml_value *token = recipe_member(v, "token"), *id = recipe_member(v, "token_id");
    const char *text = NULL;
    int kind = -1;
    if (yaml_known_keys(v, source_keys, err) != 0 || recipe_one_of(recipe_member(v, "kind"), kinds, &kind, err) != 0)
        return -1;
    if (kind < 0)
        return yaml_fail(err, v, "a source that is a map needs a kind: zero or model_token");
    t->kind = kind == 0 ? TOKEN_ZERO : TOKEN_OTHER;
    if (kind == 0)
        return token || id || recipe_member(v, "model") ? yaml_fail(err, v, "kind zero takes neither model nor token") : 0;
    if (!token == !id)
        return yaml_fail(err, v, "kind model_token needs exactly one of token and token_id");
    if (read_model(v, "model", r, &t->model, err) != 0 || yaml_text(token, &text, err) != 0 || yaml_int(id, 0, VOCABULARY_LIMIT - 1, &t->id, err) != 0)
        return -1;
    t->other = memory_text(text);
    return 0;
}

static int read_token(const yaml_value *map, size_t i, const recipe *r, recipe_token *t, error *err)
{
    const yaml_value *v = map->items[i], *source = recipe_member(v, "source");
    size_t n = strlen(map->keys[i]);
    *t = (recipe_token){.text = memory_text(map->keys[i])};
    if (n == 0 || n > MAX_TOKEN_BYTES)
        return fail(err, ERROR_LIMIT, "%s:%d: a token of %zu bytes; it should have 1 to %d", map->file, map->key_lines[i], n, MAX_TOKEN_BYTES);
    if (v->kind != YAML_MAP && v->kind != YAML_NULL)
        return yaml_fail(err, v, "a token's settings should be a map {source, force}");
    if (yaml_known_keys(v, token_keys, err) != 0 || yaml_bool(recipe_member(v, "force"), &t->force, err) != 0)
        return -1;
    if (!source)
        return t->force ? yaml_fail(err, v, "force needs a source: what the embedding should be everywhere") : 0;
    if (source->kind == YAML_MAP)
        return read_other(source, r, t, err);
    t->kind = TOKEN_SAME;
    return read_model(v, "source", r, &t->model, err);
}

static int read_tokens(const yaml_value *map, recipe *r, error *err)
{
    recipe_tokenizer *t = &r->tokenizer;
    if (!map)
        return 0;
    if (map->kind != YAML_MAP)
        return yaml_fail(err, map, "tokens should be a map of tokens to their settings");
    if (map->count > MAX_TOKENS)
        return yaml_fail(err, map, "%zu tokens, more than the limit of %d", map->count, MAX_TOKENS);
    t->tokens = memory_new(map->count, sizeof *t->tokens);
    while (t->n_tokens < map->count) {
        size_t i = t->n_tokens++;
        if (read_token(map, i, r, &t->tokens[i], err) != 0)
            return -1;
    }
    return 0;
}

static int read_source(const yaml_value *map, const char *key, recipe *r, error *err)
{
    char *text = NULL;
    recipe_tokenizer *t = &r->tokenizer;
    if (recipe_model_name(map, key, &text, err) != 0)
        return -1;
    t->source = strcmp(text, "base") == 0 ? TOKENIZER_BASE : strcmp(text, "union") == 0 ? TOKENIZER_UNION : TOKENIZER_MODEL;
    if (t->source == TOKENIZER_MODEL)
        t->model = text;
    else
        free(text);
    if (t->source == TOKENIZER_BASE && r->base < 0)
        return yaml_fail(err, recipe_member(map, key), "the base's tokenizer is asked for, but there is no base_model");
    return 0;
}

static int read_full(const yaml_value *full, recipe *r, error *err)
{
    if (yaml_known_keys(full, tokenizer_keys, err) != 0)
        return -1;
    r->tokenizer.source = TOKENIZER_UNION;
    if (recipe_member(full, "source") && read_source(full, "source", r, err) != 0)
        return -1;
    if (recipe_member(full, "pad_to_multiple_of") && yaml_int(recipe_member(full, "pad_to_multiple_of"), 1, MAX_MULTIPLE, &r->tokenizer.pad_to_multiple_of, err) != 0)
        return -1;
    return read_tokens(recipe_member(full, "tokens"), r, err);
}

static int read_chat_template(const yaml_value *v, recipe *r, error *err)
{
    const char *text = NULL;
    if (!v)
        return 0;
    if (yaml_text(v, &text, err) != 0)
        return -1;
    if (strcmp(text, "auto") != 0 && !chat_template_named(text) && !strchr(text, '{')) {
        const char *near = text_nearest(text, chat_template_names());
        string all = {0};
        for (size_t i = 0; chat_template_names()[i]; i++)
            string_print(&all, ", %s", chat_template_names()[i]);
        yaml_fail(err, v, "chat_template '%.100s' is neither auto%s nor a Jinja text%s%s%s", text, all.text, near ? "; did you mean '" : "", near ? near : "",
                  near ? "'?" : "");
        free(all.text);
        return -1;
    }
    r->tokenizer.chat_template = memory_text(text);
    return 0;
}

int recipe_tokenizer_read(const yaml_value *root, recipe *r, error *err)
{
    const yaml_value *plain = recipe_member(root, "tokenizer_source"), *full = recipe_member(root, "tokenizer");
    if (plain && full)
        return yaml_fail(err, full, "tokenizer and tokenizer_source exclude each other");
    if (plain && read_source(root, "tokenizer_source", r, err) != 0)
        return -1;
    if (full && (full->kind == YAML_MAP ? read_full(full, r, err) : read_source(root, "tokenizer", r, err)) != 0)
        return -1;
    return read_chat_template(recipe_member(root, "chat_template"), r, err);
}

static void put_token(const recipe *r, const recipe_token *t, string *out)
{
    string_puts(out, "    ");
    yaml_put_text(out, t->text);
    string_puts(out, t->kind == TOKEN_DEFAULT ? ": {}\n" : ":\n");
    if (t->kind == TOKEN_SAME) {
        string_puts(out, "      source: ");
        yaml_put_text(out, r->models[t->model].path);
        string_puts(out, "\n");
    } else if (t->kind == TOKEN_ZERO) {
        string_puts(out, "      source: {kind: zero}\n");
    } else if (t->kind == TOKEN_OTHER) {
        string_puts(out, "      source:\n        kind: model_token\n        model: ");
        yaml_put_text(out, r->models[t->model].path);
        string_puts(out, t->other ? "\n        token: " : "\n        token_id: ");
        if (t->other)
            yaml_put_text(out, t->other);
        else
            string_print(out, "%lld", (long long)t->id);
        string_puts(out, "\n");
    }
    if (t->force)
        string_puts(out, "      force: true\n");
}

void recipe_tokenizer_write(const recipe *r, string *out)
{
    const recipe_tokenizer *t = &r->tokenizer;
    bool full = t->n_tokens || t->pad_to_multiple_of;
    if (t->source != TOKENIZER_KEPT) {
        string_puts(out, full ? "tokenizer:\n  source: " : "tokenizer_source: ");
        yaml_put_text(out, t->source == TOKENIZER_BASE ? "base" : t->source == TOKENIZER_UNION ? "union" : t->model);
        string_puts(out, "\n");
    }
    if (t->pad_to_multiple_of)
        string_print(out, "  pad_to_multiple_of: %lld\n", (long long)t->pad_to_multiple_of);
    if (t->n_tokens)
        string_puts(out, "  tokens:\n");
    for (size_t i = 0; i < t->n_tokens; i++)
        put_token(r, &t->tokens[i], out);
    if (t->chat_template) {
        string_puts(out, "chat_template: ");
        yaml_put_text(out, t->chat_template);
        string_puts(out, "\n");
    }
}
