/* How much two lists of words have in common: ROUGE (Lin, 2004) as the package rouge_score counts it, and SQuAD's F1. */
#ifndef TASK_OVERLAP_H
#define TASK_OVERLAP_H

#include "task/word_list.h"

typedef struct overlap { double precision, recall, f; } overlap;

/* ROUGE-n, n 1 or 2: n-grams, each as often as it stands in both. No n-gram on a side: all 0. */
overlap overlap_ngrams(const word_list *reference, const word_list *answer, int n);

/* ROUGE-L: the longest common subsequence. */
overlap overlap_sequence(const word_list *reference, const word_list *answer);

/* SQuAD 2's F1 of two bags: 1 where both are empty, 0 where one is. */
double overlap_f1(const word_list *reference, const word_list *answer);

#endif
