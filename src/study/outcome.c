/* OUT: study.db, best/, recipe.yml, report.html. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "study/session.h"

/* What a run that was killed while it made its first file leaves behind is ours too. */
static bool ours(const char *name)
{
    return strncmp(name, "study.db", 8) == 0 || strcmp(name, "scratch") == 0 || strcmp(name, "features") == 0;
}

int outcome_check(const char *out, const char *db, bool force, error *err)
{
    if (!file_exists(out) || file_exists(db))
        return 0;
    DIR *folder = opendir(out);
    if (!folder)
        return fail_errno(err, "%s", out);
    int status = 0;
    for (struct dirent *entry; status == 0 && !force && (entry = file_next_entry(folder));)
        if (!ours(entry->d_name))
            status =
                fail(err, ERROR_USAGE, "%s: holds '%.100s' and no study; give another -o OUT, or --force", out, entry->d_name);
    closedir(folder);
    return status;
}

int outcome_apart(const session *s, error *err)
{
    const char *out = s->options->fork ? s->options->fork : s->out;
    char *best = file_join(out, "best");
    int status = 0;
    for (size_t i = 0; status == 0 && i < s->n_models; i++) {
        char *path = checkpoint_locate(s->models[i].path, NULL);
        if (checkpoint_reads(path, out) || checkpoint_reads(path, best))
            status = fail(err, ERROR_USAGE, "the output folder %s would overwrite the model '%s' (%s); give another -o OUT", out,
                          s->models[i].name, path);
        free(path);
    }
    free(best);
    return status;
}

int outcome_interrupted(const session *s, error *err)
{
    return fail(err, ERROR_INTERRUPTED,
                "interrupted; everything that was finished is saved in %s. To go on: merganser evolve %s -o %s", s->db,
                s->file->path, s->out);
}
