/* Chat templates: Jinja texts that turn a conversation into a prompt. They are carried, not run. */
#ifndef TEXT_CHAT_TEMPLATE_H
#define TEXT_CHAT_TEMPLATE_H

#include "base/error.h"

/* The template of a well-known format ("chatml"); NULL for another name. */
const char *chat_template_named(const char *name);
const char *const *chat_template_names(void);   /* NULL-terminated */

/* The one of a model's folder: chat_template.jinja, else that of tokenizer_config.json (of several, the one named "default"). free() it. *out NULL where
 * there is none. */
int chat_template_read(const char *folder, char **out, error *err);

#endif
