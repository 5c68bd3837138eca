#include "task/segment.h"

#ifdef MERGANSER_MECAB

#include <mecab.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"

struct segmenter {
    mecab_t *tagger;
    char *dictionary;        /* owned */
    pthread_mutex_t lock;    /* a tagger serves one thread at a time */
};

static const char *const files[] = {"dicrc", "sys.dic", "unk.dic", "matrix.bin", "char.bin", NULL};

/* The first of a compiled dictionary's files that is not one of this folder's; NULL where all are there. MeCab would wait for a
 * FIFO for ever. */
static const char *missing_file(const char *folder)
{
    for (const char *const *name = files; *name; name++) {
        char *path = file_join(folder, *name);
        int fd = file_open(path, NULL);
        free(path);
        if (fd < 0)
            return *name;
        close(fd);
    }
    return NULL;
}

static const char *find_ipadic(void)
{
    static const char *const places[] = {"/var/lib/mecab/dic/ipadic-utf8", "/usr/lib/mecab/dic/ipadic", "/usr/local/lib/mecab/dic/ipadic"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (!missing_file(places[i]))
            return places[i];
    return NULL;
}

static int open_tagger(segmenter *s, error *err)
{
    /* -r /dev/null: a user's mecabrc must not change scores */
    char *arguments[] = {"mecab", "-r", "/dev/null", "-d", s->dictionary};
    s->tagger = mecab_new(sizeof arguments / sizeof *arguments, arguments);
    if (!s->tagger) {
        const char *why = mecab_strerror(NULL);
        return fail(err, ERROR_FORMAT, "%s: MeCab cannot open this dictionary: %.200s", s->dictionary, why ? why : "no reason given");
    }
    const mecab_dictionary_info_t *info = mecab_dictionary_info(s->tagger);
    const char *charset = info && info->charset ? info->charset : "unknown";
    if (strcasecmp(charset, "utf-8") != 0 && strcasecmp(charset, "utf8") != 0)
        return fail(err, ERROR_UNSUPPORTED, "%s: is a dictionary in %.40s, and texts are UTF-8 (package mecab-ipadic-utf8 has IPADIC in UTF-8)",
                    s->dictionary, charset);
    return 0;
}

segmenter *segmenter_open(const char *dictionary, error *err)
{
    const char *missing = dictionary ? missing_file(dictionary) : NULL;
    if (missing) {
        fail(err, ERROR_IO, "%s: is no MeCab dictionary: it has no file %s (package mecab-ipadic-utf8 has IPADIC in /var/lib/mecab/dic/ipadic-utf8)",
             dictionary, missing);
        return NULL;
    }
    if (!dictionary && !(dictionary = find_ipadic())) {
        fail(err, ERROR_IO, "MeCab's dictionary IPADIC is not installed: install the package mecab-ipadic-utf8, or name a dictionary's folder with 'dictionary'");
        return NULL;
    }
    segmenter *s = memory_new(1, sizeof *s);
    s->dictionary = memory_text(dictionary);
    pthread_mutex_init(&s->lock, NULL);
    if (open_tagger(s, err) == 0)
        return s;
    segmenter_free(s);
    return NULL;
}

void segmenter_free(segmenter *s)
{
    if (!s)
        return;
    if (s->tagger)
        mecab_destroy(s->tagger);
    pthread_mutex_destroy(&s->lock);
    free(s->dictionary);
    free(s);
}

const char *segmenter_dictionary(const segmenter *s)
{
    return s->dictionary;
}

int segmenter_cut(segmenter *s, const char *text, word_list *out, error *err)
{
    *out = (word_list){.text = memory_text(text)};
    pthread_mutex_lock(&s->lock);
    const mecab_node_t *node = mecab_sparse_tonode2(s->tagger, out->text, strlen(out->text));
    int status = 0;
    if (!node)
        status = fail(err, ERROR_FORMAT, "%s: MeCab cannot cut a text: %.200s", s->dictionary, mecab_strerror(s->tagger));
    for (; node; node = node->next)
        if (node->stat != MECAB_BOS_NODE && node->stat != MECAB_EOS_NODE)
            word_list_add(out, node->surface, node->length);
    pthread_mutex_unlock(&s->lock);
    return status;
}

#else

segmenter *segmenter_open(const char *dictionary, error *err)
{
    (void)dictionary;
    fail(err, ERROR_UNSUPPORTED, "this merganser was built without MeCab, which cuts Japanese into words: install libmecab-dev and build again");
    return NULL;
}

void segmenter_free(segmenter *s)
{
    (void)s;
}

const char *segmenter_dictionary(const segmenter *s)
{
    (void)s;
    return "";
}

int segmenter_cut(segmenter *s, const char *text, word_list *out, error *err)
{
    (void)s;
    (void)text;
    *out = (word_list){0};
    return fail(err, ERROR_UNSUPPORTED, "this merganser was built without MeCab");
}

#endif
