#include "tensor/names.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define MAX_LAYERS 100000

struct tensor_names {
    tensor_family *families;   /* [count] sorted by prefix, each once */
    size_t count, capacity;
    const tensor_family *main;
    char *given;               /* a prefix that goes before what the names tell; NULL: none; owned */
};

static const char *const containers[] = {"layers", "layer", "h", "blocks", "block"};
static const char *const embeddings[] = {"embed_tokens.weight", "wte.weight", "embed_in.weight", "word_embeddings.weight", "tok_embeddings.weight", "shared.weight"};
static const char *const heads[] = {"lm_head.weight", "embed_out.weight"};
#define COUNT(a) (sizeof(a) / sizeof *(a))

/* What tells that a tensor is of a model's eyes. transformers puts vision_tower and multi_modal_projector at the top or below "model."; LLaVA's own
 * checkpoints have model.vision_tower.vision_tower.vision_model and model.mm_projector. */
static const char *const projectors[] = {"multi_modal_projector", "mm_projector", "image_newline", "visual.merger", "deepstack_merger_list"};
static const char *const towers[] = {"vision_tower", "vision_model", "visual"};

/* The number at `digits` when a dot follows, -1 for anything else. */
static int64_t number_at(const char *digits, const char **rest)
{
    char *end;
    if (*digits < '0' || *digits > '9')
        return -1;
    long long n = strtoll(digits, &end, 10);
    if (*end != '.' || n >= MAX_LAYERS)
        return -1;
    *rest = end + 1;
    return n;
}

/* Where a run of whole components of the name that reads `part` begins; NULL: none does. */
static const char *find_part(const char *name, const char *part)
{
    size_t n = strlen(part);
    for (const char *at = strstr(name, part); at; at = strstr(at + 1, part))
        if ((at == name || at[-1] == '.') && (at[n] == '.' || at[n] == '\0'))
            return at;
    return NULL;
}

bool names_has_part(const char *name, const char *part)
{
    return find_part(name, part) != NULL;
}

static bool has_any(const char *name, const char *const *parts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (names_has_part(name, parts[i]))
            return true;
    return false;
}

enum names_part names_part_of(const char *name)
{
    return has_any(name, projectors, COUNT(projectors)) ? NAMES_PROJECTOR : has_any(name, towers, COUNT(towers)) ? NAMES_VISION : NAMES_LANGUAGE;
}

bool names_sees(const checkpoint *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (names_part_of(c->items[i].name) != NAMES_LANGUAGE)
            return true;
    return false;
}

/* Bytes of the name before its layer's number, 0 outside the layers. */
static size_t find_prefix(const char *name)
{
    const char *component = name, *rest;
    for (const char *dot = strchr(name, '.'); dot; dot = strchr(component, '.')) {
        size_t n = (size_t)(dot - component);
        for (size_t i = 0; i < COUNT(containers); i++)
            if (strlen(containers[i]) == n && memcmp(containers[i], component, n) == 0 && number_at(dot + 1, &rest) >= 0)
                return (size_t)(dot + 1 - name);
        component = dot + 1;
    }
    return 0;
}

/* Bytes of the name before its layer's number, where it may have one. */
static size_t prefix_of(const tensor_names *n, const char *name)
{
    size_t given = n->given ? strlen(n->given) : 0;
    return given && strncmp(name, n->given, given) == 0 ? given : find_prefix(name);
}

static int compare_prefix(const char *prefix, const char *name, size_t length)
{
    int order = strncmp(prefix, name, length);
    return order ? order : prefix[length] != '\0';
}

/* Names are sorted, so that those of a family mostly follow one another. */
static tensor_family *last_family(tensor_names *n, const char *name, size_t length)
{
    if (n->count && compare_prefix(n->families[n->count - 1].prefix, name, length) == 0)
        return &n->families[n->count - 1];
    if (n->count == n->capacity) {
        n->capacity = n->capacity ? 2 * n->capacity : 4;
        n->families = memory_grow(n->families, n->capacity, sizeof *n->families);
    }
    n->families[n->count] = (tensor_family){.prefix = memory_text_n(name, length)};
    return &n->families[n->count++];
}

static int by_prefix(const void *a, const void *b)
{
    return strcmp(((const tensor_family *)a)->prefix, ((const tensor_family *)b)->prefix);
}

/* Sorted, those of one prefix together. */
static void settle(tensor_names *n)
{
    size_t kept = 0;
    if (n->count)
        qsort(n->families, n->count, sizeof *n->families, by_prefix);
    for (size_t i = 0; i < n->count; i++) {
        tensor_family *f = &n->families[i], *before = kept ? &n->families[kept - 1] : NULL;
        if (!before || strcmp(before->prefix, f->prefix) != 0) {
            n->families[kept++] = *f;
            continue;
        }
        before->layers = f->layers > before->layers ? f->layers : before->layers;
        before->bytes += f->bytes;
        free(f->prefix);
    }
    n->count = kept;
}

/* A small language model may have less than its eyes. */
static bool is_larger(const tensor_family *a, const tensor_family *b)
{
    bool sees = names_part_of(a->prefix) != NAMES_LANGUAGE, other = names_part_of(b->prefix) != NAMES_LANGUAGE;
    return sees != other ? other : a->bytes > b->bytes;
}

tensor_names *names_read(const checkpoint *c, const char *prefix)
{
    tensor_names *n = memory_new(1, sizeof *n);
    n->given = memory_text(prefix);
    for (size_t i = 0; i < c->count; i++) {
        const char *name = c->items[i].name, *rest;
        size_t length = prefix_of(n, name);
        int64_t layer = length ? number_at(name + length, &rest) : -1;
        if (layer < 0)
            continue;
        tensor_family *f = last_family(n, name, length);
        f->layers = layer >= f->layers ? layer + 1 : f->layers;
        f->bytes += tensor_bytes(&c->items[i].tensor);
    }
    settle(n);
    for (size_t i = 0; i < n->count; i++) {
        const tensor_family *f = &n->families[i];
        if (prefix ? strcmp(f->prefix, prefix) == 0 : !n->main || is_larger(f, n->main))
            n->main = f;
    }
    return n;
}

void names_free(tensor_names *n)
{
    if (!n)
        return;
    for (size_t i = 0; i < n->count; i++)
        free(n->families[i].prefix);
    free(n->families);
    free(n->given);
    free(n);
}

const tensor_family *names_main(const tensor_names *n)
{
    return n->main;
}

const tensor_family *names_layer(const tensor_names *n, const char *name, int64_t *layer, const char **rest)
{
    size_t length = prefix_of(n, name), low = 0, high = n->count;
    while (length && low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_prefix(n->families[middle].prefix, name, length);
        if (order == 0)
            return (*layer = number_at(name + length, rest)) >= 0 ? &n->families[middle] : NULL;
        if (order > 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

size_t names_families(const tensor_names *n, const tensor_family **families)
{
    *families = n->families;
    return n->count;
}

size_t names_stem_of(const char *prefix)
{
    size_t end = strlen(prefix);
    if (end)
        end--;
    while (end && prefix[end - 1] != '.')
        end--;
    return end;
}

const char *names_stem(const tensor_names *n, size_t *length)
{
    const char *prefix = n->main ? n->main->prefix : "";
    *length = names_stem_of(prefix);
    return prefix;
}

static bool ends_with_any(const char *name, const char *const *ends, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text_ends_with(name, ends[i]))
            return true;
    return false;
}

bool names_is_head(const char *name)
{
    return ends_with_any(name, heads, COUNT(heads));
}

bool names_is_vocabulary(const char *name)
{
    return names_is_head(name) || ends_with_any(name, embeddings, COUNT(embeddings));
}

static const checkpoint_item *find_ending(const checkpoint *c, const char *const *ends, size_t n)
{
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < c->count; i++)
            if (text_ends_with(c->items[i].name, ends[k]))
                return &c->items[i];
    return NULL;
}

const checkpoint_item *names_embedding(const checkpoint *c)
{
    return find_ending(c, embeddings, COUNT(embeddings));
}

const checkpoint_item *names_head(const checkpoint *c)
{
    return find_ending(c, heads, COUNT(heads));
}
