#include "text/chat.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "text/chat_template.h"
#include "text/companion.h"
#include "text/jinja.h"
#include "text/utf8.h"

struct chat {
    char *text;          /* of the template; owned */
    jinja *compiled;
    json_t *tokens;      /* bos_token, eos_token, ...: their texts */
};

/* ---- what a template is told of the tokenizer */

static void add_token(json_t *tokens, const char *name, const tokenizer *t, int32_t id)
{
    const char *text = id >= 0 ? tokenizer_text(t, id) : NULL;
    if (text && !json_object_get(tokens, name))
        json_object_set_new(tokens, name, json_string(text));
}

/* Every "..._token" of tokenizer_config.json, a text or {"content": ...}; what it does not say, the tokenizer itself knows. */
static int read_tokens(chat *c, const checkpoint *model, const tokenizer *t, error *err)
{
    json_t *config, *value;
    const char *key;
    if (companion_object_of(model, "tokenizer_config.json", &config, err) != 0)
        return -1;
    c->tokens = json_object();
    json_object_foreach(config, key, value) {
        json_t *text = json_is_object(value) ? json_object_get(value, "content") : value;
        if (text_ends_with(key, "_token") && json_is_string(text))
            json_object_set(c->tokens, key, text);
    }
    json_decref(config);
    add_token(c->tokens, "bos_token", t, tokenizer_bos(t));
    add_token(c->tokens, "eos_token", t, tokenizer_eos(t));
    return 0;
}

/* ---- a model's */

chat *chat_of(const checkpoint *model, const tokenizer *t, bool frozen, error *err)
{
    static const struct tm day = {.tm_year = 124, .tm_mon = 6, .tm_mday = 26, .tm_wday = 5, .tm_yday = 207};
    chat *c = memory_new(1, sizeof *c);
    if (chat_template_of(model, &c->text, err) != 0 || read_tokens(c, model, t, err) != 0)
        goto failed;
    if (!c->text) {
        fail(err, ERROR_UNSUPPORTED, "%s: has no chat template (chat_template.jinja, or chat_template in tokenizer_config.json)", model->name);
        goto failed;
    }
    char *name = memory_print("%s: chat template", model->name);
    c->compiled = jinja_parse(name, c->text, strlen(c->text), JINJA_CHAT, err);
    free(name);
    if (!c->compiled)
        goto failed;
    if (frozen)
        jinja_set_clock(c->compiled, &day);
    return c;
failed:
    chat_free(c);
    return NULL;
}

void chat_free(chat *c)
{
    if (!c)
        return;
    jinja_free(c->compiled);
    json_decref(c->tokens);
    free(c->text);
    free(c);
}

const char *chat_template_text(const chat *c)
{
    return c->text;
}

/* ---- a conversation */

void chat_say(json_t *messages, const char *role, const char *content)
{
    string repaired = {0};
    string_puts(&repaired, "");
    utf8_repair(&repaired, content, strlen(content));
    json_array_append_new(messages, json_pack("{s:s, s:s}", "role", role, "content", repaired.text));
    free(repaired.text);
}

char *chat_text(const chat *c, const json_t *messages, size_t *n, error *err)
{
    json_t *variables = json_copy(c->tokens);
    json_object_set(variables, "messages", (json_t *)messages);
    json_object_set_new(variables, "tools", json_null());
    json_object_set_new(variables, "documents", json_null());
    json_object_set_new(variables, "add_generation_prompt", json_true());
    char *text = jinja_render(c->compiled, variables, n, err);
    json_decref(variables);
    return text;
}

int chat_prompt(const chat *c, const json_t *messages, const tokenizer *t, token_list *out, error *err)
{
    size_t n;
    char *text = chat_text(c, messages, &n, err);
    if (!text)
        return -1;
    int status = tokenizer_encode(t, text, n, false, out, err);
    free(text);
    return status;
}
