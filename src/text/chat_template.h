/* Chat templates: Jinja texts that turn a conversation into a prompt. chat.h runs them. */
#ifndef TEXT_CHAT_TEMPLATE_H
#define TEXT_CHAT_TEMPLATE_H

#include "base/error.h"
#include "tensor/checkpoint.h"

/* The template of a well-known format ("chatml"); NULL for another name. */
const char *chat_template_named(const char *name);
const char *const *chat_template_names(void);   /* NULL-terminated */

/* The one of a model's folder: chat_template.jinja, else that of tokenizer_config.json (of several, the one named "default"), else that of
 * chat_template.json, where processors keep it. free() it. *out NULL where there is none. */
int chat_template_read(const char *folder, char **out, error *err);

/* The same of a checkpoint, whose files may be in memory. */
int chat_template_of(const checkpoint *c, char **out, error *err);

#endif
