/* A path as people see it: what runs again, how much of each source is on it, and all of it drawn on a terminal.
 *
 *     char *text = path_drawing(p, layers, terminal_width());       // layers [p->n_sources]: how many each has
 *
 *     hop          0    1    2    3
 *     ja           0    1         1'
 *     math-b                 2
 *     scale          1.03
 */
#ifndef STUDY_PATH_DRAWING_H
#define STUDY_PATH_DRAWING_H

#include <jansson.h>
#include <stdbool.h>

#include "model/path.h"

typedef struct path_facts {
    bool *again;                /* [n_hops] whether this layer ran before on the path; owned */
    size_t *hops, *distinct;    /* [n_sources] of each source; owned */
    size_t repeats, scaled;     /* hops that run a layer again; hops whose scale is not 1 */
} path_facts;

path_facts path_facts_new(const layer_path *p);
void path_facts_free(path_facts *f);

/* "0-3, 7": the layers of a source that are on the path, in their order; free() it. */
char *path_layers_text(const layer_path *p, int source);

/* layers NULL: not known, nor then which source gives what is outside the layers. Ends with a newline; free() it. */
char *path_drawing(const layer_path *p, const int *layers, int width);

/* The path of a row of a study's table ("hops"), NULL where it has none or it is not one. What the study's settings know of its step
 * gives the order of the sources and their layers: *layers [n_sources], to free(); NULL where no step has these sources. */
layer_path *path_of_row(const json_t *row, const json_t *settings, int **layers);

#endif
