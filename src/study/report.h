/* A study as one HTML page that needs nothing else: inline SVG and CSS, no scripts, no network.
 *
 *     if (report_html(s, "out/report.html", err) < 0) ...
 *
 * The page shows whatever is there: a study that has just begun has settings and no table. Everything from the study is
 * escaped. Besides the trials, it reads the settings and the named results below (store_put); every member may be missing
 * or null, and a member of another type counts as missing. Scores are shares of 1; scores that do not lie in [0, 1] are
 * shown as they are.
 *
 * store_settings: any object; shown whole, long texts folded. Two members mean something here:
 *   "fixed": {"steps": [{"name": "PS", "space": "parameters" | "data-flow", "sources": ["ja", ...],      in the order of a path's sources
 *                        "genome": {"dimensions": [{"name": "ja.weight.g0", "low": 0, "high": 2, "binary": true (optional)}, ...]}}, ...]}
 *                                                                                names of a trial's vector, in order
 *   "metric": "acc_ja"
 *
 * "table":
 *   {"rows": [{"name": "ja", "kind": "source" | "unsearched" | "evolved" | "ablation", "path": "demo/models/ja" (optional), "trial": 17 (optional),
 *              "hops": [["ja", 0, 1.0], ...] (optional: source, layer, scale),
 *              "search":   {"score": .19, "low": .15, "high": .23, "n": 400},
 *              "select":   {...},                                 each split may be null: not run
 *              "held_out": {"score": .2, "low": .18, "high": .22, "n": 1200, "acc": .2,
 *                           "tasks": [{"task": "jnli", "score": .5, "low": .4, "high": .6, "n": 300}, ...]}}, ...],      of several tasks, each
 *    "winner": "evolved",              name of the row that best/ holds
 *    "pairs": [{"row": "DFS", "against": "ja", "better": 590, "worse": 25, "p": 1e-140, "difference": .47, "low": .44, "high": .5}, ...],
 *    "wins": 612, "losses": 3,         held-out questions on which the winner scores more than every source; less than some source
 *    "graded": true (optional),        there are scores between 0 and 1: "solves" is not said of them
 *    "notes": ["A source wins on select: best/ is that source.", ...]}
 *
 * "worked": [{"question": "...", "gold": "42", "note": "no source solves it" (optional),
 *             "picture": "cats/1.jpg", "thumbnail": "data:image/jpeg;base64,..." (optional; image/thumbnail.h, anything else is not shown),
 *             "answers": [{"name": "ja", "text": "...", "ok": false, "score": 0 (optional)}, ...]}, ...]
 *
 * "places": [{"what": "the evolved model", "path": "demo/out/best"}, ...]     where everything lies
 */
#ifndef STUDY_REPORT_H
#define STUDY_REPORT_H

#include "base/error.h"
#include "study/store.h"

/* Writes the page to `path` (whole or not at all). */
int report_html(store *s, const char *path, error *err);

#endif
