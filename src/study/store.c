#include "study/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "study/store_database.h"
#include "study/store_schema.h"

static store *new_store(const char *path, bool read_only)
{
    store *s = memory_new(1, sizeof *s);
    s->path = memory_text(path);
    s->read_only = read_only;
    s->lock_fd = -1;
    return s;
}

const char *store_study_name(const store *s)
{
    return s->study_name;
}

void store_close(store *s)
{
    if (!s)
        return;
    database_close(s);
    if (s->lock_fd >= 0) {
        unlink(s->lock_path);
        close(s->lock_fd);
    }
    free(s->lock_path);
    free(s->study_name);
    free(s->path);
    free(s);
}

static int fill_new(store *s, const char *study_name, const char *metric, const char *settings, error *err)
{
    if (database_begin(s, err) != 0)
        return -1;
    json_t *list = json_pack("[s]", metric);
    char *metrics = list ? json_dumps(list, 0) : NULL;
    int status = metrics ? 0 : fail(err, ERROR_FORMAT, "%s: the metric's name is not UTF-8", s->path);
    if (status == 0)
        status = database_script(s, store_schema_optuna, err);
    if (status == 0)
        status = database_script(s, store_schema_own, err);
    if (status == 0)
        status = database_do(s, err, "INSERT INTO version_info VALUES (1, ?, ?)", "it", (int64_t)STORE_OPTUNA_SCHEMA,
                             STORE_OPTUNA_LIBRARY);
    if (status == 0)
        status = database_do(s, err, "INSERT INTO alembic_version VALUES (?)", "t", STORE_OPTUNA_HEAD);
    if (status == 0)
        status = database_do(s, err, "INSERT INTO studies VALUES (1, ?)", "t", study_name);
    if (status == 0)
        status = database_do(s, err, "INSERT INTO study_directions VALUES (1, 'MAXIMIZE', 1, 0)", "");
    if (status == 0)
        status = database_do(s, err, "INSERT INTO study_system_attributes VALUES (1, 1, 'study:metric_names', ?)", "t", metrics);
    if (status == 0)
        status = database_do(s, err, "INSERT INTO mg_study VALUES (1, ?, ?)", "it", (int64_t)STORE_FORMAT, settings);
    free(metrics);
    json_decref(list);
    return database_end(s, status, err);
}

/* `from` becomes `to`, which must not be there; file systems without that flag get the check and the rename apart. */
static int rename_new(const char *from, const char *to, error *err)
{
    int status = renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
    if (status != 0 && (errno == EINVAL || errno == ENOSYS || errno == ENOTSUP))
        status = file_exists(to) ? (errno = EEXIST, -1) : rename(from, to);
    if (status != 0)
        return fail_errno(err, "%s", to);
    char *folder = file_folder(to);
    status = file_sync_folder(folder, err);
    free(folder);
    return status;
}

store *store_create(const char *path, const char *study_name, const char *metric, const json_t *settings, error *err)
{
    if (file_exists(path)) {
        fail(err, ERROR_STATE, "%s: exists already", path);
        return NULL;
    }
    char *text = json_dumps(settings, JSON_COMPACT);
    char *temporary = memory_print("%s.creating", path);
    store *s = new_store(temporary, false), *opened = NULL;
    unlink(temporary);
    if (!text) {
        fail(err, ERROR_FORMAT, "%s: the study's settings cannot be written as JSON (text that is not UTF-8?)", path);
        goto done;
    }
    if (database_open(s, true, err) != 0 || fill_new(s, study_name, metric, text, err) != 0)
        goto done;
    database_close(s);
    if (rename_new(temporary, path, err) == 0)
        opened = store_open(path, false, err);
done:
    store_close(s);
    if (!opened)
        unlink(temporary);
    free(temporary);
    free(text);
    return opened;
}

static int has_table(store *s, const char *name, bool *there, error *err)
{
    int64_t n = 0;
    int status =
        database_int(s, &n, NULL, err, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = ?", "t", name);
    *there = n > 0;
    return status;
}

static int check_versions(store *s, error *err)
{
    bool optuna, ours;
    if (has_table(s, "alembic_version", &optuna, err) != 0 || has_table(s, "mg_study", &ours, err) != 0)
        return -1;
    if (!optuna && !ours)
        return fail(err, ERROR_FORMAT, "%s: is not a study (an SQLite database with other tables)", s->path);
    if (!ours)
        return fail(err, ERROR_FORMAT, "%s: is a study of Optuna's without this program's tables: it was made by something else",
                    s->path);
    sqlite3_stmt *q = database_query(s, err, "SELECT version_num FROM alembic_version", "");
    int row = q ? database_step(s, q, err) : -1;
    const char *head = row == 1 ? (const char *)sqlite3_column_text(q, 0) : NULL;
    int status = row < 0 ? -1 : 0;
    if (row >= 0 && (!head || strcmp(head, STORE_OPTUNA_HEAD) != 0))
        status = fail(err, ERROR_UNSUPPORTED, "%s: Optuna's tables have version '%s', this program reads %s", s->path,
                      head ? head : "none", STORE_OPTUNA_HEAD);
    sqlite3_finalize(q);
    int64_t schema = -1, format = -1;
    if (status == 0)
        status = database_int(s, &schema, NULL, err, "SELECT schema_version FROM version_info", "");
    if (status == 0 && schema != STORE_OPTUNA_SCHEMA)
        status = fail(err, ERROR_UNSUPPORTED, "%s: Optuna's schema version is %lld, this program reads %d", s->path,
                      (long long)schema, STORE_OPTUNA_SCHEMA);
    if (status == 0)
        status = database_int(s, &format, NULL, err, "SELECT format FROM mg_study", "");
    if (status == 0 && format != STORE_FORMAT)
        status =
            fail(err, ERROR_UNSUPPORTED, "%s: has format %lld, this program reads %d: read it with the version that wrote it, or begin anew with another -o OUT",
                 s->path, (long long)format, STORE_FORMAT);
    return status;
}

static int check_whole(store *s, error *err)
{
    sqlite3_stmt *q = database_query(s, err, "PRAGMA quick_check(1)", "");
    int row = q ? database_step(s, q, err) : -1;
    const char *said = row == 1 ? (const char *)sqlite3_column_text(q, 0) : "";
    int status = row < 0 ? -1 : 0;
    if (row >= 0 && (!said || strcmp(said, "ok") != 0))
        status = fail(err, ERROR_FORMAT, "%s: the database is corrupt (%s); go back to a copy of it", s->path, said ? said : "?");
    sqlite3_finalize(q);
    return status;
}

static int read_name(store *s, error *err)
{
    sqlite3_stmt *q = database_query(s, err, "SELECT study_name FROM studies JOIN mg_study USING (study_id)", "");
    int row = q ? database_step(s, q, err) : -1;
    if (row == 1)
        s->study_name = database_text(q, 0);
    sqlite3_finalize(q);
    if (row < 0)
        return -1;
    return s->study_name ? 0 : fail(err, ERROR_FORMAT, "%s: holds no study", s->path);
}

store *store_open(const char *path, bool read_only, error *err)
{
    store *s = new_store(path, read_only);
    if (database_open(s, false, err) == 0 && check_versions(s, err) == 0 && check_whole(s, err) == 0 && read_name(s, err) == 0)
        return s;
    store_close(s);
    return NULL;
}

int store_copy(store *s, const char *to, error *err)
{
    if (file_exists(to))
        return fail(err, ERROR_STATE, "%s: exists already", to);
    char *temporary = memory_print("%s.creating", to);
    unlink(temporary);
    int status = database_script(s, "PRAGMA query_only=0", err);      /* it writes another file only */
    if (status == 0)
        status = database_do(s, err, "VACUUM INTO ?", "t", temporary);
    if (status == 0 && s->read_only)
        status = database_script(s, "PRAGMA query_only=1", err);
    if (status == 0)
        status = rename_new(temporary, to, err);
    if (status != 0)
        unlink(temporary);
    free(temporary);
    return status;
}

static json_t *read_json(store *s, sqlite3_stmt *q, const char *what, error *err)
{
    int row = q ? database_step(s, q, err) : -1;
    json_t *value = NULL;
    if (row == 1) {
        const char *text = (const char *)sqlite3_column_text(q, 0);
        char *name = memory_print("%s: %s", s->path, what);
        value = json_parse(text ? text : "", (size_t)sqlite3_column_bytes(q, 0), name, err);
        free(name);
    } else if (row == 0 && err) {
        *err = (error){.code = ERROR_NONE};
    }
    sqlite3_finalize(q);
    return value;
}

json_t *store_settings(store *s, error *err)
{
    json_t *settings = read_json(s, database_query(s, err, "SELECT settings FROM mg_study", ""), "settings", err);
    if (settings && !json_is_object(settings)) {
        json_decref(settings);
        fail(err, ERROR_FORMAT, "%s: settings are not an object", s->path);
        return NULL;
    }
    return settings;
}

int store_set_settings(store *s, const json_t *settings, error *err)
{
    char *text = json_dumps(settings, JSON_COMPACT);
    if (!text)
        return fail(err, ERROR_FORMAT, "%s: the study's settings cannot be written as JSON", s->path);
    int status = database_do(s, err, "UPDATE mg_study SET settings = ?", "t", text);
    free(text);
    return status;
}

int store_put(store *s, const char *name, const json_t *value, error *err)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text)
        return fail(err, ERROR_FORMAT, "%s: '%s' cannot be written as JSON", s->path, name);
    int status =
        database_do(s, err, "INSERT INTO mg_results VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", "tt",
                    name, text);
    free(text);
    return status;
}

json_t *store_get(store *s, const char *name, error *err)
{
    return read_json(s, database_query(s, err, "SELECT value FROM mg_results WHERE name = ?", "t", name), name, err);
}

/* The lock lies in its own file: closing any descriptor of the database itself would drop SQLite's locks. The file goes when
 * the study is closed, so after taking the lock it must still be the file of that name. */
int store_lock(store *s, error *err)
{
    s->lock_path = memory_print("%s.lock", s->path);
    for (;;) {
        int fd = open(s->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0)
            return fail_errno(err, "%s", s->lock_path);
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            int taken = errno == EWOULDBLOCK;
            fail_errno(err, "%s", s->lock_path);
            close(fd);
            return taken ? fail(err, ERROR_STATE, "%s: another process is running this study; wait for it or stop it", s->path)
                         : -1;
        }
        struct stat held, named;
        if (fstat(fd, &held) == 0 && stat(s->lock_path, &named) == 0 && held.st_ino == named.st_ino &&
            held.st_dev == named.st_dev) {
            s->lock_fd = fd;
            return 0;
        }
        close(fd);
    }
}
