#include "text/parts.h"

void spans_add(spans *s, size_t start, size_t end, bool match)
{
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 64;
        s->item = memory_grow(s->item, s->capacity, sizeof *s->item);
    }
    s->item[s->count++] = (span){start, end, match};
}

/* Afterwards `match` marks what is to be thrown away. The merging behaviours follow the library's folds: the flag that
 * decides is that of the span last looked at, not of the last group made. */
void spans_cut(spans *s, enum cut how)
{
    size_t made = 0;
    bool previous = false;
    if (how == CUT_REMOVED)
        return;
    if (how == CUT_MERGED_WITH_NEXT) {
        size_t to = s->count;
        for (size_t i = s->count; i-- > 0;) {
            span now = s->item[i];
            if (now.match && !previous && to < s->count)
                s->item[to].start = now.start;
            else
                s->item[--to] = (span){now.start, now.end, false};
            previous = now.match;
        }
        for (size_t i = to; i < s->count; i++)
            s->item[made++] = s->item[i];
        s->count = made;
        return;
    }
    for (size_t i = 0; i < s->count; i++) {
        span now = s->item[i];
        bool join =
            (how == CUT_CONTIGUOUS && now.match == previous) || (how == CUT_MERGED_WITH_PREVIOUS && now.match && !previous);
        if (join && made > 0)
            s->item[made - 1].end = now.end;
        else
            s->item[made++] = (span){now.start, now.end, false};
        previous = now.match;
    }
    s->count = made;
}
