#include "merge/view.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

size_t views_of(const recipe *r, merge_view **views)
{
    size_t n = 0;
    *views = memory_new(r->n_modules + 1, sizeof **views);
    if (r->n_slices == 0)
        (*views)[n++] = (merge_view){.module = -1, .first = -1, .last = -1, .whole = true};
    for (size_t i = 0; i < r->n_slices; i++) {
        const recipe_slice *s = &r->slices[i];
        if (n == 0 || (*views)[n - 1].module != s->module)
            (*views)[n++] = (merge_view){.module = s->module, .first = (int)i, .last = (int)i, .whole = s->sources[0].end < 0};
        else
            (*views)[n - 1].last = (int)i;
    }
    return n;
}

bool view_has(const char *module, const tensor_names *names, const char *name)
{
    size_t stem;
    const char *prefix = names_stem(names, &stem);
    if (strcmp(module, "default") == 0)
        return true;
    if (strcmp(module, "text_decoder") == 0 || strcmp(module, "language_model") == 0)
        return names_part_of(name) == NAMES_LANGUAGE && (stem == 0 || strncmp(name, prefix, stem) == 0 || names_is_vocabulary(name));
    if (strcmp(module, "vision_tower") == 0 || strcmp(module, "vision_model") == 0)
        return names_part_of(name) == NAMES_VISION;
    if (strcmp(module, "multi_modal_projector") == 0)
        return names_part_of(name) == NAMES_PROJECTOR;
    return names_has_part(name, module);
}

bool view_is_behind(const char *name)
{
    static const char *const parts[] = {"norm", "ln_f", "final_layer_norm", "final_layernorm", "final_norm", "lm_head", "embed_out", "head", "score", "classifier", "output"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (names_has_part(name, parts[i]))
            return true;
    return false;
}

static bool ends_with_n(const char *text, size_t n, const char *end, size_t m)
{
    return n > m && memcmp(text + n - m, end, m) == 0;
}

char *view_translate(const tensor_names *from, const tensor_names *to, const checkpoint *target, const char *name)
{
    size_t n, m;
    const char *own = names_stem(from, &n), *other = names_stem(to, &m);
    if (n == m && memcmp(own, other, n) == 0)
        return memory_text(name);
    if (names_is_head(name) && names_head(target))
        return memory_text(names_head(target)->name);
    if (strncmp(name, own, n) == 0 && !names_is_head(name))
        return memory_print("%.*s%s", (int)m, other, name + n);
    if (ends_with_n(own, n, other, m) && strncmp(name, own, n - m) == 0)      /* "language_model." + "model." */
        return memory_text(name + (n - m));
    if (ends_with_n(other, m, own, n))
        return memory_print("%.*s%s", (int)(m - n), other, name);
    return memory_text(name);
}

char *view_layer_name(const tensor_names *names, int64_t layer, const char *rest)
{
    return memory_print("%s%lld.%s", names_main(names)->prefix, (long long)layer, rest);
}
