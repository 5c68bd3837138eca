/* One model's embeddings or head, row by row as the merge's vocabulary has them: private to tokens. */
#ifndef MERGE_TOKENS_VIEW_H
#define MERGE_TOKENS_VIEW_H

#include "merge/tokens.h"

void token_view_free(token_view *v);
const tensor *token_view_tensor(const token_view *v);

#endif
