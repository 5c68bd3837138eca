/* The small tokenizer of the engine's tests, opened for a group and closed behind it. */
#ifndef UNIT_ENGINE_WORDS_H
#define UNIT_ENGINE_WORDS_H

#include "../base/check.h"

#include "text/tokenizer.h"

static tokenizer *words;

static int open_words(void **state)
{
    (void)state;
    error err = {0};
    words = tokenizer_open(SOURCE_DIR "/tests/data/engine/tokenizer.json", &err);
    if (!words)
        fail_msg("%s", err.text);
    return 0;
}

static int close_words(void **state)
{
    (void)state;
    tokenizer_free(words);
    return 0;
}

#endif
