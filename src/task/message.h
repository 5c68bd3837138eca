/* chat: true in a task: the prompt's text is the user's message, and the model's own chat template makes the prompt of it. */
#ifndef TASK_MESSAGE_H
#define TASK_MESSAGE_H

#include "base/yaml.h"
#include "task/dataset.h"
#include "text/chat.h"
#include "text/template.h"

typedef struct message {
    bool chat;
    prompt_template *system;   /* the system message before it, with {field} places; NULL: none; owned */
} message;

/* Of the keys `chat` and `system` of a task file. */
int message_read(message *m, const yaml_value *root, error *err);
void message_clear(message *m);

/* The system message for a question; free() it. Only where there is one. */
char *message_system(const message *m, const question *q, error *err);

/* Renders *text, what the user says, as a prompt of *n bytes in its place. `pictures`: that many go in front where the text has no <image>. */
int message_render(const message *m, const question *q, const chat *c, int pictures, char **text, size_t *n, error *err);

#endif
