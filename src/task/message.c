#include "task/message.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "task/picture.h"

int message_read(message *m, const yaml_value *root, error *err)
{
    const yaml_value *v = yaml_get(root, "system");
    const char *text = NULL;
    char name[600];
    if (yaml_bool(yaml_get(root, "chat"), &m->chat, err) != 0 || yaml_text(v, &text, err) != 0)
        return -1;
    if (!text)
        return 0;
    if (!m->chat)
        return yaml_fail(err, v, "'system' is a message of a conversation: it goes with 'chat: true'");
    snprintf(name, sizeof name, "%.500s:%d: system", root->file, v->line);
    m->system = template_parse(text, name, err);
    return m->system ? 0 : -1;
}

void message_clear(message *m)
{
    template_free(m->system);
    *m = (message){0};
}

char *message_system(const message *m, const question *q, error *err)
{
    char name[512];
    snprintf(name, sizeof name, "%.450s line %zu", q->file, q->line);
    return template_fill(m->system, q->fields, name, err);
}

static int say_system(const message *m, const question *q, json_t *messages, error *err)
{
    if (!m->system)
        return 0;
    char *text = message_system(m, q, err);
    if (text)
        chat_say(messages, "system", text);
    free(text);
    return text ? 0 : -1;
}

int message_render(const message *m, const question *q, const chat *c, int pictures, char **text, size_t *n, error *err)
{
    char name[512];
    json_t *messages = json_array();
    string said = {0};
    snprintf(name, sizeof name, "%.450s line %zu", q->file, q->line);
    for (int i = 0; i < pictures && !strstr(*text, PICTURE_MARK); i++)
        string_puts(&said, PICTURE_MARK "\n");
    string_puts(&said, *text);
    int status = say_system(m, q, messages, err);
    if (status == 0) {
        chat_say(messages, "user", said.text);
        char *prompt = chat_text(c, messages, n, err);
        if (prompt) {
            free(*text);
            *text = prompt;
        } else {
            status = fail_in(err, "%s", name);
        }
    }
    json_decref(messages);
    free(said.text);
    return status;
}
