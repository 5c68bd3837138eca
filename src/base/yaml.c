#include "base/yaml.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "base/file.h"
#include "base/memory.h"

#define MAX_BYTES ((size_t)4 << 20)
#define MAX_DEPTH 100
#define MAX_VALUES 200000
#define MAX_TEXT ((size_t)16 << 20)  /* bytes of scalars after aliases are followed */
#define MAX_ANCHORS 1000             /* libyaml looks for an alias's anchor in all of them */

/* What the root owns besides its tree: the file's name. The root comes first, so a root is its own document. */
struct document {
    yaml_value root;
    char *name;
};

struct builder {
    yaml_document_t *document;
    const char *name;
    size_t values, text;
};

static int fail_at(error *err, const char *name, yaml_mark_t mark, const char *what)
{
    return fail(err, ERROR_FORMAT, "%s:%zu:%zu: %s", name, mark.line + 1, mark.column + 1, what);
}

static bool known_tag(const char *tag)
{
    static const char prefix[] = "tag:yaml.org,2002:";
    static const char *const plain[] = {"str", "int", "float", "bool", "null", "seq", "map"};
    if (!tag || strcmp(tag, "!") == 0)
        return true;
    if (strncmp(tag, prefix, sizeof prefix - 1) != 0)
        return false;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (strcmp(tag + sizeof prefix - 1, plain[i]) == 0)
            return true;
    return false;
}

static bool is_null_text(const char *text)
{
    return !text[0] || strcmp(text, "~") == 0 || strcmp(text, "null") == 0 || strcmp(text, "Null") == 0 || strcmp(text, "NULL") == 0;
}

static void free_inside(yaml_value *v)
{
    for (size_t i = 0; i < v->count; i++) {
        free_inside(v->items[i]);
        free(v->items[i]);
        if (v->keys)
            free(v->keys[i]);
    }
    free(v->items);
    free(v->keys);
    free(v->key_lines);
    free(v->text);
}

static int build(struct builder *b, yaml_node_t *node, int depth, yaml_value *out, error *err);

static yaml_value *build_new(struct builder *b, int index, int depth, error *err)
{
    yaml_value *v = memory_new(1, sizeof *v);
    if (build(b, yaml_document_get_node(b->document, index), depth, v, err) == 0)
        return v;
    free_inside(v);
    free(v);
    return NULL;
}

struct key_place {
    const char *text;
    int line, column;
};

static int by_text_then_place(const void *a, const void *b)
{
    const struct key_place *x = a, *y = b;
    int order = strcmp(x->text, y->text);
    if (order == 0)
        order = x->line != y->line ? x->line - y->line : x->column - y->column;
    return order;
}

/* Sorted once: a map may have as many keys as a file has room for. */
static int check_keys(struct builder *b, struct key_place *places, size_t n, error *err)
{
    if (n)
        qsort(places, n, sizeof *places, by_text_then_place);
    for (size_t i = 1; i < n; i++)
        if (strcmp(places[i - 1].text, places[i].text) == 0)
            return fail(err, ERROR_FORMAT, "%s:%d:%d: duplicate key '%s', first on line %d", b->name, places[i].line, places[i].column,
                        places[i].text, places[i - 1].line);
    return 0;
}

static int fail_tag(struct builder *b, const yaml_node_t *node, error *err)
{
    return fail(err, ERROR_FORMAT, "%s:%zu:%zu: the tag '%s' is not allowed", b->name, node->start_mark.line + 1,
                node->start_mark.column + 1, (const char *)node->tag);
}

static int take_scalar(struct builder *b, const yaml_node_t *node, const char **out, error *err)
{
    const char *text = (const char *)node->data.scalar.value;
    if (strlen(text) != node->data.scalar.length)
        return fail_at(err, b->name, node->start_mark, "text holds a NUL");
    b->text += node->data.scalar.length;
    if (b->text > MAX_TEXT)
        return fail_at(err, b->name, node->start_mark, "more than 16 MiB of text (aliases followed)");
    *out = text;
    return 0;
}

static int build_map(struct builder *b, yaml_node_t *node, int depth, yaml_value *out, error *err)
{
    size_t n = (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
    struct key_place *places = memory_new(n, sizeof *places);
    int status = -1;
    out->items = memory_new(n, sizeof *out->items);
    out->keys = memory_new(n, sizeof *out->keys);
    out->key_lines = memory_new(n, sizeof *out->key_lines);
    for (size_t i = 0; i < n; i++) {
        yaml_node_pair_t pair = node->data.mapping.pairs.start[i];
        yaml_node_t *key = yaml_document_get_node(b->document, pair.key);
        const char *text;
        if (!key || key->type != YAML_SCALAR_NODE) {
            fail_at(err, b->name, key ? key->start_mark : node->start_mark, "a key should be plain text");
            goto done;
        }
        if (!known_tag((const char *)key->tag)) {
            fail_tag(b, key, err);
            goto done;
        }
        if (take_scalar(b, key, &text, err) != 0)
            goto done;
        yaml_value *item = build_new(b, pair.value, depth + 1, err);
        if (!item)
            goto done;
        out->keys[i] = memory_text(text);
        out->key_lines[i] = (int)key->start_mark.line + 1;
        out->items[i] = item;
        out->count = i + 1;
        places[i] = (struct key_place){out->keys[i], out->key_lines[i], (int)key->start_mark.column + 1};
    }
    status = check_keys(b, places, n, err);
done:
    free(places);
    return status;
}

static int build_list(struct builder *b, yaml_node_t *node, int depth, yaml_value *out, error *err)
{
    size_t n = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    out->items = memory_new(n, sizeof *out->items);
    for (size_t i = 0; i < n; i++) {
        out->items[i] = build_new(b, node->data.sequence.items.start[i], depth + 1, err);
        if (!out->items[i])
            return -1;
        out->count = i + 1;
    }
    return 0;
}

static int build(struct builder *b, yaml_node_t *node, int depth, yaml_value *out, error *err)
{
    out->file = b->name;
    out->line = out->column = 1;
    if (!node)
        return 0;
    out->line = (int)node->start_mark.line + 1;
    out->column = (int)node->start_mark.column + 1;
    if (depth > MAX_DEPTH)
        return fail_at(err, b->name, node->start_mark, "nested deeper than 100 levels (or an anchor that contains itself)");
    if (++b->values > MAX_VALUES)
        return fail_at(err, b->name, node->start_mark, "more than 200000 values (aliases followed)");
    bool function = node->type == YAML_SCALAR_NODE && node->tag && strcmp((const char *)node->tag, "!function") == 0;
    if (!function && !known_tag((const char *)node->tag))
        return fail_tag(b, node, err);
    if (node->type == YAML_MAPPING_NODE) {
        out->kind = YAML_MAP;
        return build_map(b, node, depth, out, err);
    }
    if (node->type == YAML_SEQUENCE_NODE) {
        out->kind = YAML_LIST;
        return build_list(b, node, depth, out, err);
    }
    const char *text;
    if (take_scalar(b, node, &text, err) != 0)
        return -1;
    out->quoted = node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    if (!out->quoted && !function && is_null_text(text))
        return 0;
    out->kind = function ? YAML_FUNCTION : YAML_TEXT;
    out->text = memory_text(text);
    return 0;
}

static int parser_error(const yaml_parser_t *p, const char *name, error *err)
{
    size_t line = p->problem_mark.line + 1, column = p->problem_mark.column + 1;
    return fail(err, ERROR_FORMAT, "%s:%zu:%zu: not valid YAML: %s", name, line, column, p->problem ? p->problem : "cannot be read");
}

static bool has_anchor(const yaml_event_t *e)
{
    return (e->type == YAML_SCALAR_EVENT && e->data.scalar.anchor) ||
           (e->type == YAML_SEQUENCE_START_EVENT && e->data.sequence_start.anchor) ||
           (e->type == YAML_MAPPING_START_EVENT && e->data.mapping_start.anchor);
}

/* libyaml composes a tree without limits: the events are counted first. */
static int check_events(const char *text, size_t n, const char *name, error *err)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser))
        return fail(err, ERROR_MEMORY, "no memory to read %s", name);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
    int status = 0, depth = 0, values = 0, anchors = 0;
    for (bool more = true; more && status == 0;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            status = parser_error(&parser, name, err);
            break;
        }
        bool begins = event.type == YAML_SEQUENCE_START_EVENT || event.type == YAML_MAPPING_START_EVENT;
        more = event.type != YAML_STREAM_END_EVENT && event.type != YAML_NO_EVENT;
        depth += begins;
        depth -= event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT;
        values += begins || event.type == YAML_SCALAR_EVENT || event.type == YAML_ALIAS_EVENT;
        anchors += has_anchor(&event);
        if (depth > MAX_DEPTH)
            status = fail_at(err, name, event.start_mark, "nested deeper than 100 levels");
        else if (values > 2 * MAX_VALUES)
            status = fail_at(err, name, event.start_mark, "more than 400000 keys and values");
        else if (anchors > MAX_ANCHORS)
            status = fail_at(err, name, event.start_mark, "more than 1000 anchors");
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return status;
}

yaml_value *yaml_parse(const char *text, size_t n, const char *name, error *err)
{
    if (n > MAX_BYTES) {
        fail(err, ERROR_LIMIT, "%s: %zu bytes of YAML, more than the limit of %zu", name, n, MAX_BYTES);
        return NULL;
    }
    if (check_events(text, n, name, err) != 0)
        return NULL;
    yaml_parser_t parser;
    yaml_document_t document, second;
    struct document *root = NULL;
    if (!yaml_parser_initialize(&parser)) {
        fail(err, ERROR_MEMORY, "no memory to read %s", name);
        return NULL;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
    if (!yaml_parser_load(&parser, &document)) {
        parser_error(&parser, name, err);
        goto done;
    }
    root = memory_new(1, sizeof *root);
    root->name = memory_text(name);
    struct builder b = {.document = &document, .name = root->name};
    int status = build(&b, yaml_document_get_root_node(&document), 0, &root->root, err);
    yaml_document_delete(&document);
    if (status == 0) {
        if (!yaml_parser_load(&parser, &second)) {
            status = parser_error(&parser, name, err);
        } else {
            if (yaml_document_get_root_node(&second))
                status = fail(err, ERROR_FORMAT, "%s: more than one YAML document", name);
            yaml_document_delete(&second);
        }
    }
    if (status != 0) {
        yaml_free(&root->root);
        root = NULL;
    }
done:
    yaml_parser_delete(&parser);
    return root ? &root->root : NULL;
}

yaml_value *yaml_read(const char *path, error *err)
{
    size_t n;
    char *text = file_read(path, MAX_BYTES, &n, err);
    if (!text)
        return NULL;
    yaml_value *root = yaml_parse(text, n, path, err);
    free(text);
    return root;
}

void yaml_free(yaml_value *root)
{
    if (!root)
        return;
    struct document *document = (struct document *)root;
    free_inside(root);
    free(document->name);
    free(document);
}

const yaml_value *yaml_get(const yaml_value *map, const char *key)
{
    if (!map || map->kind != YAML_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (strcmp(map->keys[i], key) == 0)
            return map->items[i];
    return NULL;
}

int yaml_fail(error *err, const yaml_value *at, const char *format, ...)
{
    char text[900];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return fail(err, ERROR_FORMAT, "%s:%d:%d: %s", at->file, at->line, at->column, text);
}

int yaml_text(const yaml_value *v, const char **out, error *err)
{
    if (!v || v->kind == YAML_NULL)
        return 0;
    if (v->kind == YAML_FUNCTION)
        return yaml_fail(err, v, "'!function %s' is Python code, which is not run here", v->text);
    if (v->kind != YAML_TEXT)
        return yaml_fail(err, v, "should be text");
    *out = v->text;
    return 0;
}

bool yaml_is_real(const yaml_value *v, double *out)
{
    if (!v || v->kind != YAML_TEXT || v->quoted || !v->text[0])
        return false;
    const char *digits = v->text + strspn(v->text, "+-");
    if (strspn(digits, "0123456789.") == 0 || strncasecmp(digits, "0x", 2) == 0)
        return false;
    char *end;
    double x = strtod(v->text, &end);
    if (*end)
        return false;
    *out = x;
    return true;
}

int yaml_real(const yaml_value *v, double *out, error *err)
{
    if (!v || v->kind == YAML_NULL)
        return 0;
    double x;
    if (v->kind != YAML_TEXT)
        return yaml_fail(err, v, "should be a number");
    if (!yaml_is_real(v, &x) || !isfinite(x))
        return yaml_fail(err, v, "'%s' is not a finite number", v->text);
    *out = x;
    return 0;
}

int yaml_int(const yaml_value *v, int64_t low, int64_t high, int64_t *out, error *err)
{
    if (!v || v->kind == YAML_NULL)
        return 0;
    if (v->kind != YAML_TEXT || v->quoted)
        return yaml_fail(err, v, "should be a whole number");
    char *end;
    errno = 0;
    long long n = strtoll(v->text, &end, 10);
    if (*end || errno)
        return yaml_fail(err, v, "'%s' is not a whole number", v->text);
    if (n < low || n > high)
        return yaml_fail(err, v, "%lld is outside [%lld, %lld]", n, (long long)low, (long long)high);
    *out = n;
    return 0;
}

int yaml_bool(const yaml_value *v, bool *out, error *err)
{
    static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {"false", "no", "off"};
    if (!v || v->kind == YAML_NULL)
        return 0;
    if (v->kind == YAML_TEXT && !v->quoted)
        for (int i = 0; i < 3; i++) {
            if (strcasecmp(v->text, yes[i]) == 0) {
                *out = true;
                return 0;
            }
            if (strcasecmp(v->text, no[i]) == 0) {
                *out = false;
                return 0;
            }
        }
    return yaml_fail(err, v, "should be true or false");
}

static size_t edit_distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), row[64];
    if (n > 60 || m > 60)
        return SIZE_MAX;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[m];
}

const char *text_nearest(const char *word, const char *const *known)
{
    const char *nearest = NULL;
    size_t best = strlen(word) / 2 + 1;
    for (; *known; known++) {
        size_t d = edit_distance(word, *known);
        if (d <= best && (!nearest || d < best)) {
            best = d;
            nearest = *known;
        }
    }
    return nearest;
}

int yaml_known_keys(const yaml_value *map, const char *const *known, error *err)
{
    if (!map || map->kind == YAML_NULL)
        return 0;
    if (map->kind != YAML_MAP)
        return yaml_fail(err, map, "should be a mapping (key: value)");
    for (size_t i = 0; i < map->count; i++) {
        size_t k = 0;
        while (known[k] && strcmp(known[k], map->keys[i]) != 0)
            k++;
        if (known[k])
            continue;
        const char *near = text_nearest(map->keys[i], known);
        return fail(err, ERROR_FORMAT, "%s:%d: unknown key '%s'%s%s%s", map->file, map->key_lines[i], map->keys[i],
                    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    return 0;
}
