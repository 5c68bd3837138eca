/* Japanese text cut into words by MeCab. The only use of libmecab is behind this header; built without it, every opening
 * fails with one line that says so. Safe to call from several threads. */
#ifndef TASK_SEGMENT_H
#define TASK_SEGMENT_H

#include "base/error.h"
#include "task/word_list.h"

typedef struct segmenter segmenter;

/* `dictionary` is a folder with a MeCab dictionary in UTF-8; NULL: IPADIC where the system has it. MeCab believes what a
 * dictionary's files state: it should be one that was installed or compiled on purpose. */
segmenter *segmenter_open(const char *dictionary, error *err);
void segmenter_free(segmenter *s);
const char *segmenter_dictionary(const segmenter *s);   /* the folder in use */

/* The words of text, in order, added to an empty *out, which points into a copy of its own. Text is cut as it is:
 * japanese_normalize comes before. */
int segmenter_cut(segmenter *s, const char *text, word_list *out, error *err);

#endif
