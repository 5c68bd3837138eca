#include "merge/card.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/memory.h"

/* JSON's quotes are YAML's. */
static void put_quoted(string *s, const char *text)
{
    json_t *value = json_string(text);
    char *quoted = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    string_puts(s, quoted ? quoted : "\"\"");
    free(quoted);
    json_decref(value);
}

char *model_card_text(const model_card *card)
{
    string s = {0};
    string_puts(&s, "---\nlibrary_name: transformers\ntags:\n- mergekit\n- merge\nbase_model:\n");
    for (size_t i = 0; i < card->n_models; i++) {
        string_puts(&s, "- ");
        put_quoted(&s, card->models[i].path);
        string_puts(&s, "\n");
    }
    string_print(&s, "---\n# %s\n\n%s.\n\n", file_name(card->out), card->summary);
    for (size_t i = 0; i < card->n_models; i++) {
        const char *role = card->models[i].role;
        string_print(&s, "- `%s`%s%s%s\n", card->models[i].path, role ? " (" : "", role ? role : "", role ? ")" : "");
    }
    string_print(&s, "\n## Recipe\n\n```yaml\n%s```\n", card->recipe);
    return s.text;
}
