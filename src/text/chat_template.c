#include "text/chat_template.h"

#include <string.h>

#include "base/memory.h"
#include "tensor/gguf_model.h"
#include "text/companion.h"

/* White space between the blocks would stand in the prompt: there is none. */
#define ALPACA \
    "{% set titles = {'user': 'Instruction', 'assistant': 'Response', 'user_context': 'Input'} %}" \
    "{% for message in messages if message.role == 'system' %}{{ message.content | trim ~ '\\n\\n' if loop.last else '' }}{% endfor %}" \
    "{% for message in messages if message.role in titles %}" \
    "{{ '' if loop.first else '\\n\\n' }}{{ '### ' ~ titles[message.role] ~ ':\\n' ~ message.content | trim }}" \
    "{% endfor %}" \
    "{% if add_generation_prompt and messages[-1].role != 'assistant' %}{{ '\\n\\n### Response:\\n' }}{% endif %}"

#define CHATML \
    "{% for message in messages %}{{ '<|im_start|>' ~ message.role ~ '\\n' ~ message.content ~ '<|im_end|>\\n' }}{% endfor %}" \
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"

#define EXAONE \
    "{% for message in messages %}" \
    "{% if loop.first and message.role != 'system' %}{{ '[|system|][|endofturn|]\\n' }}{% endif %}" \
    "{{ '[|' ~ message.role ~ '|]' ~ message.content ~ ('\\n' if message.role == 'user' else '[|endofturn|]\\n') }}" \
    "{% endfor %}" \
    "{% if add_generation_prompt %}{{ '[|assistant|]' }}{% endif %}"

#define LLAMA3 \
    "{{ bos_token if messages else '' }}" \
    "{% for message in messages %}{{ '<|start_header_id|>' ~ message.role ~ '<|end_header_id|>\\n\\n' ~ (message.content | trim) ~ '<|eot_id|>' }}{% endfor %}" \
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"

#define MISTRAL \
    "{% set system = messages[0].content ~ '\\n\\n' if messages[0].role == 'system' else '' %}" \
    "{% set turns = messages[1:] if messages[0].role == 'system' else messages %}" \
    "{{ bos_token }}" \
    "{% for message in turns %}" \
    "{% if message.role != ('assistant' if loop.index0 % 2 else 'user') %}" \
    "{{ raise_exception('after an optional system message, user and assistant must take turns') }}" \
    "{% elif message.role == 'user' %}{{ ' [INST] ' ~ (system if loop.first else '') ~ message.content ~ ' [/INST]' }}" \
    "{% else %}{{ ' ' ~ message.content ~ eos_token }}{% endif %}" \
    "{% endfor %}"

static const char *const names[] = {"alpaca", "chatml", "exaone", "llama3", "mistral", NULL};
static const char *const texts[] = {ALPACA, CHATML, EXAONE, LLAMA3, MISTRAL};

const char *chat_template_named(const char *name)
{
    for (size_t i = 0; names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return texts[i];
    return NULL;
}

const char *const *chat_template_names(void)
{
    return names;
}

/* "chat_template" of tokenizer_config.json: a text, or a list of {name, template}. */
static const char *default_template(const json_t *value)
{
    json_t *one;
    size_t i;
    json_array_foreach((json_t *)value, i, one) {
        const char *name = json_string_value(json_object_get(one, "name"));
        if (name && strcmp(name, "default") == 0)
            return json_string_value(json_object_get(one, "template"));
    }
    return json_string_value(value);
}

int chat_template_of(const checkpoint *c, char **out, error *err)
{
    static const char *const files[] = {"tokenizer_config.json", "chat_template.json"};
    size_t n;
    if (companion_of(c, "chat_template.jinja", (size_t)4 << 20, out, &n, err) != 0)
        return -1;
    for (size_t i = 0; !*out && i < sizeof files / sizeof *files; i++) {
        json_t *file;
        if (companion_object_of(c, files[i], &file, err) != 0)
            return -1;
        *out = memory_text(default_template(json_object_get(file, "chat_template")));
        json_decref(file);
    }
    return 0;
}

int chat_template_read(const char *folder, char **out, error *err)
{
    return chat_template_of(&(checkpoint){.folder = (char *)folder}, out, err);
}
