#include "study/forecast.h"

#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "merge/method.h"
#include "model/vision_config.h"

static void put_models(const session *s, string *out)
{
    string_puts(out, "models:\n");
    for (size_t i = 0; i < s->n_models; i++) {
        const session_model *m = &s->models[i];
        char size[32];
        string_print(out, "  %-12s %s, %d layers, %s%s: %s\n", m->name, m->architecture ? m->architecture->type : "unknown", m->layers,
                     progress_bytes(size, (double)checkpoint_bytes(m->checkpoint)), m->checkpoint->config && vision_config_is(m->checkpoint->config) ? ", sees" : "", m->path);
    }
}

static void put_sources(const step *st, string *out)
{
    bool first = true;
    for (size_t i = 0; i < st->n_models; i++) {
        if (st->recipe && (int)i == st->recipe->base)
            continue;
        string_print(out, "%s%s", first ? "" : ", ", st->names[i]);
        first = false;
    }
}

static void put_step(const session *s, const step *st, string *out)
{
    string_print(out, "  %s: ", st->file->name);
    if (st->recipe) {
        string_print(out, "%s%s of ", st->file->language_only ? "language part, " : "", st->recipe->method);
        put_sources(st, out);
        if (st->recipe->base >= 0)
            string_print(out, " over %s", st->names[st->recipe->base]);
        if (st->file->language_only)
            string_print(out, "; all else is %s's", shape_of(s, st->index)->name);
    } else {
        string_puts(out, "layers of ");
        put_sources(st, out);
        string_print(out, ", %d times end to end, at most %d hops", st->file->repetitions, st->max_hops);
    }
    string_print(out, "\n    %zu numbers by %s; %lld generations of %d, %lld trials\n", st->genome->count, st->optimizer, (long long)st->generations, st->population,
                 (long long)st->generations * st->population);
}

static void put_pool(const char *what, const question_pool *p, string *out)
{
    for (size_t i = 0; i < p->count; i++)
        string_print(out, "  %-9s %zu of %zu of '%s'%s\n", i ? "" : what, p->asked[i], p->sets[i].count, p->sets[i].task->name, p->sets[i].task->image_field ? ", with pictures" : "");
}

static void put_time(const forecast *f, string *out)
{
    char a[32], b[32], c[32], d[32];
    const costs *cost = &f->cost;
    string_print(out, "time: about %s a candidate (merging %s), %s for the search, %s for the final choice and the table", progress_duration(a, f->candidate),
                 progress_duration(b, cost->merge), progress_duration(c, f->search), progress_duration(d, f->last));
    if (cost->pictures > 0)
        string_print(out, ", %s once for the pictures", progress_duration(a, cost->pictures));
    string_puts(out, cost->counted ? "\n  an estimate from the speed of this machine's kernels, as if every answer took all its tokens: the models were not run, and their weights not read whole\n"
                                    : "\n  measured on a few questions\n");
}

char *forecast_text(const session *s, const forecast *f)
{
    string out = {0};
    char a[32], b[32], c[32];
    const char *to = s->options->fork ? s->options->fork : s->out;
    string_print(&out, "%s: a study; a dry run writes nothing\n", s->file->name);
    put_models(s, &out);
    string_puts(&out, "search:\n");
    for (size_t k = 0; k < s->n_steps; k++)
        put_step(s, &s->steps[k], &out);
    string_puts(&out, "questions:\n");
    put_pool("search", &s->search, &out);
    put_pool("select", &s->select, &out);
    put_pool("held out", &s->held_out, &out);
    put_time(f, &out);
    string_print(&out, "memory: %s, of it %s of merged weights and %s of keys and values; the models' files are mapped beside it\n", progress_bytes(a, (double)f->memory),
                 progress_bytes(b, (double)f->merged), progress_bytes(c, (double)f->kv));
    string_print(&out, "writes: %s/ with study.db, report.html, recipe.yml%s%s and best/ (a Hugging Face folder): %s at most, of %s free\n", to,
                 s->steps[s->n_steps - 1].path ? ", path.yml" : "", f->features ? ", features/ of pictures" : "", progress_bytes(a, (double)f->disk),
                 progress_bytes(b, (double)f->disk_free));
    return out.text;
}
