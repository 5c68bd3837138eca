#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tensor/gguf_tokenizer.h"

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define REST "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define LLAMA3 CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}" REST
#define QWEN2 CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}" REST
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define TEKKEN "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" \
               "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

static const gguf_pre table[] = {
    {.names = {"llama-bpe", "llama3", "llama-v3"}, .patterns = {LLAMA3}, .ignore_merges = true, .bos = true},
    {.names = {"smaug-bpe", "dbrx"}, .patterns = {LLAMA3}},
    {.names = {"qwen2", "deepseek-r1-qwen", "kormo"}, .patterns = {QWEN2}, .nfc = true},
    {.names = {"gpt-2", "phi-2"}},
    {.names = {"smollm", "starcoder", "refact", "command-r", "codeshell"}, .digits = true},
    {.names = {"tekken"}, .patterns = {TEKKEN}, .ignore_merges = true, .bos = true},
    {.names = {"default"}, .patterns = {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}},
};
#define COUNT(a) (sizeof(a) / sizeof *(a))

const gguf_pre *gguf_pre_named(const char *name)
{
    for (size_t i = 0; i < COUNT(table); i++)
        for (size_t k = 0; k < COUNT(table[i].names) && table[i].names[k]; k++)
            if (strcmp(table[i].names[k], name) == 0)
                return &table[i];
    return NULL;
}

json_t *gguf_pre_json(const gguf_pre *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < COUNT(p->patterns) && p->patterns[i]; i++)
        json_array_append_new(list, json_pack("{s:s, s:{s:s}, s:s, s:b}", "type", "Split", "pattern", "Regex", p->patterns[i], "behavior", "Isolated", "invert", 0));
    if (p->digits)
        json_array_append_new(list, json_pack("{s:s, s:b}", "type", "Digits", "individual_digits", 1));
    json_array_append_new(list, json_pack("{s:s, s:b, s:b, s:b}", "type", "ByteLevel", "add_prefix_space", 0, "trim_offsets", 1, "use_regex", !p->patterns[0]));
    return json_pack("{s:s, s:o}", "type", "Sequence", "pretokenizers", list);
}

/* What a pre-tokenizer does, in a few words: two that do the same are described alike. */
static void describe(const json_t *pre, string *out)
{
    const char *type = json_string_value(json_object_get(pre, "type"));
    const json_t *list = json_object_get(pre, "pretokenizers");
    if (!type)
        return;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!json_object_get(json_array_get(list, i), "pretokenizers"))
            describe(json_array_get(list, i), out);
    if (json_is_array(list))
        return;
    const char *pattern = json_string_value(json_object_get(json_object_get(pre, "pattern"), "Regex"));
    const json_t *regex = json_object_get(pre, "use_regex");
    string_print(out, "%s %s", type, pattern ? pattern : "");
    if (strcmp(type, "ByteLevel") == 0)
        string_print(out, "%d %d", json_is_true(json_object_get(pre, "add_prefix_space")), !regex || json_is_true(regex));
    if (strcmp(type, "Digits") == 0)
        string_print(out, "%d", json_is_true(json_object_get(pre, "individual_digits")));
    if (strcmp(type, "Split") == 0)
        string_print(out, " %s %d", json_string_value(json_object_get(pre, "behavior")) ? json_string_value(json_object_get(pre, "behavior")) : "", json_is_true(json_object_get(pre, "invert")));
    string_puts(out, "\n");
}

static char *description(const json_t *pre)
{
    string s = {0};
    string_puts(&s, "");
    describe(pre, &s);
    return s.text;
}

const gguf_pre *gguf_pre_of(const json_t *pre_tokenizer, bool ignore_merges)
{
    char *wanted = description(pre_tokenizer);
    const gguf_pre *found = NULL;
    for (size_t i = 0; i < COUNT(table) && !found; i++) {
        json_t *json = gguf_pre_json(&table[i]);
        char *text = description(json);
        if (strcmp(text, wanted) == 0 && table[i].ignore_merges == ignore_merges)
            found = &table[i];
        free(text);
        json_decref(json);
    }
    free(wanted);
    return found;
}
