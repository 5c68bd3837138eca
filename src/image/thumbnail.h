/* A picture small enough to stand inside a page. */
#ifndef IMAGE_THUMBNAIL_H
#define IMAGE_THUMBNAIL_H

#include <stdbool.h>

#include "image/image.h"

#define THUMBNAIL_SIDE 160   /* pixels of the longer side, at most */

/* The picture, each pixel the mean of those it stands for, as a JPEG in a "data:" URI; free() it. NULL and *err on failure. */
char *thumbnail_uri(const image *in, const char *name, error *err);

/* Whether a text is such a URI and nothing else: a page may hold it. */
bool thumbnail_is_uri(const char *text);

#endif
