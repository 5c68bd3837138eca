#include "study/store_database.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"

#define BUSY_MILLISECONDS 20000

int database_fail(store *s, const char *doing, error *err)
{
    int code = s->db ? sqlite3_extended_errcode(s->db) : SQLITE_NOMEM;
    const char *what = s->db ? sqlite3_errmsg(s->db) : "out of memory";
    switch (code & 0xff) {
    case SQLITE_NOTADB:
        return fail(err, ERROR_FORMAT, "%s: is not a study (not an SQLite database)", s->path);
    case SQLITE_CORRUPT:
        return fail(err, ERROR_FORMAT, "%s: the database is corrupt (%s); go back to a copy of it", s->path, what);
    case SQLITE_FULL:
        return fail(err, ERROR_IO, "%s: %s: the disk is full; make room and run the same command again, finished trials are kept",
                    s->path, doing);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return fail(err, ERROR_STATE,
                    "%s: %s: another program has held the database for %d s; close it (optuna-dashboard?) and try again", s->path,
                    doing, BUSY_MILLISECONDS / 1000);
    case SQLITE_READONLY:
        return fail(err, ERROR_IO, "%s: %s: the file cannot be written", s->path, doing);
    default:
        return fail(err, ERROR_IO, "%s: %s: %s (SQLite error %d)", s->path, doing, what, code);
    }
}

/* SQLite's locks and WAL need shared memory that network file systems do not give: studies there get lost quietly. */
static int check_file_system(const char *path, error *err)
{
    static const struct { unsigned long magic; const char *name; bool refuse; } kinds[] = {
        {0x6969, "NFS", true},       {0xff534d42, "CIFS", true},   {0xfe534d42, "SMB", true},  {0x517b, "SMB", true},
        {0x5346414f, "AFS", true},   {0x00c36400, "Ceph", true},   {0x0bd00bd0, "Lustre", true}, {0x47504653, "GPFS", true},
        {0x7461636f, "OCFS2", true}, {0x65735546, "FUSE", false},  {0x01021997, "9p", false},
    };
    char *folder = file_folder(path);
    struct statfs info;
    int status = 0;
    if (statfs(folder, &info) == 0)
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
            if (kinds[i].magic != ((unsigned long)info.f_type & 0xffffffff))
                continue;
            if (kinds[i].refuse)
                status = fail(err, ERROR_UNSUPPORTED,
                              "%s: lies on a network file system (%s), where SQLite cannot keep a study safe; "
                              "choose an output folder on a local disk",
                              path, kinds[i].name);
            else
                progress_say("%s lies on a %s file system: if that is a network, choose a local disk", path, kinds[i].name);
        }
    free(folder);
    return status;
}

/* Only a WAL that is there needs the shared memory file beside it; without one a folder that cannot be written still can be read. */
static char *immutable_name(const char *path)
{
    string uri = {0};
    string_puts(&uri, "file:");
    for (const char *p = path; *p; p++) {
        if (strchr("%?#", *p))
            string_print(&uri, "%%%02X", (unsigned char)*p);
        else
            string_add(&uri, p, 1);
    }
    string_puts(&uri, "?immutable=1");
    return uri.text;
}

static bool has_wal(const char *path)
{
    char *wal = memory_print("%s-wal", path);
    uint64_t size = 0;
    bool there = file_size(wal, &size, NULL) == 0 && size > 0;
    free(wal);
    return there;
}

static int open_handle(store *s, const char *name, int flags, error *err)
{
    sqlite3_close(s->db);
    s->db = NULL;
    if (sqlite3_open_v2(name, &s->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL) != SQLITE_OK)
        return database_fail(s, "opening", err);
    sqlite3_busy_timeout(s->db, BUSY_MILLISECONDS);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);           /* a stranger's file: no shadow-table tricks, */
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);      /* no functions run from its schema, */
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);      /* no triggers, */
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);         /* no views in the place of tables */
    return 0;
}

/* A connection that could write but may not takes its -wal and -shm away again when it closes; where that is not allowed,
 * one that cannot write will do. */
static int open_to_read(store *s, error *err)
{
    if (open_handle(s, s->path, SQLITE_OPEN_READWRITE, err) == 0 && !sqlite3_db_readonly(s->db, "main"))
        return database_script(s, "PRAGMA query_only=1", err);
    if (open_handle(s, s->path, SQLITE_OPEN_READONLY, err) != 0)
        return -1;
    int status = sqlite3_exec(s->db, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL) & 0xff;
    if ((status == SQLITE_CANTOPEN || status == SQLITE_READONLY) && !has_wal(s->path)) {
        char *uri = immutable_name(s->path);
        status = open_handle(s, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, err);
        free(uri);
        return status;
    }
    return status == SQLITE_OK ? 0 : database_fail(s, "opening", err);
}

int database_open(store *s, bool create, error *err)
{
    struct stat info;
    if (!create) {
        if (stat(s->path, &info) != 0)
            return fail_errno(err, "%s", s->path);
        if (!S_ISREG(info.st_mode))
            return fail(err, ERROR_FORMAT, "%s: is not a regular file", s->path);
        if (info.st_size == 0 && !has_wal(s->path))
            return fail(err, ERROR_FORMAT, "%s: is not a study (an empty file)", s->path);
    }
    if (!s->read_only && check_file_system(s->path, err) != 0)
        return -1;
    if (s->read_only)
        return open_to_read(s, err);
    if (open_handle(s, s->path, SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0), err) != 0)
        return -1;
    if (database_script(s, "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON", err) != 0)
        return -1;
    return create ? 0 : database_script(s, "PRAGMA journal_mode=WAL", err);
}

void database_close(store *s)
{
    sqlite3_close(s->db);
    s->db = NULL;
}

int database_script(store *s, const char *sql, error *err)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : database_fail(s, "reading or writing", err);
}

static int bind_one(sqlite3_stmt *q, int at, char type, va_list *args)
{
    switch (type) {
    case 'i':
        return sqlite3_bind_int64(q, at, va_arg(*args, int64_t));
    case 'r':
        return sqlite3_bind_double(q, at, va_arg(*args, double));
    case 't':
        return sqlite3_bind_text(q, at, va_arg(*args, const char *), -1, SQLITE_TRANSIENT);
    case 'b': {
        const void *bytes = va_arg(*args, const void *);
        size_t n = va_arg(*args, size_t);
        return sqlite3_bind_blob64(q, at, n ? bytes : "", n, SQLITE_TRANSIENT);
    }
    default:
        return sqlite3_bind_null(q, at);
    }
}

static sqlite3_stmt *query(store *s, error *err, const char *sql, const char *types, va_list *args)
{
    sqlite3_stmt *q = NULL;
    int code = sqlite3_prepare_v2(s->db, sql, -1, &q, NULL);
    for (int i = 0; code == SQLITE_OK && types[i]; i++)
        code = bind_one(q, i + 1, types[i], args);
    if (code == SQLITE_OK)
        return q;
    database_fail(s, "reading or writing", err);
    sqlite3_finalize(q);
    return NULL;
}

sqlite3_stmt *database_query(store *s, error *err, const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    sqlite3_stmt *q = query(s, err, sql, types, &args);
    va_end(args);
    return q;
}

int database_step(store *s, sqlite3_stmt *q, error *err)
{
    int code = sqlite3_step(q);
    return code == SQLITE_ROW ? 1 : code == SQLITE_DONE ? 0 : database_fail(s, "reading or writing", err);
}

int database_do(store *s, error *err, const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    sqlite3_stmt *q = query(s, err, sql, types, &args);
    va_end(args);
    int more = q ? 1 : -1;
    while (more == 1)
        more = database_step(s, q, err);
    sqlite3_finalize(q);
    return more;
}

int database_int(store *s, int64_t *out, bool *found, error *err, const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    sqlite3_stmt *q = query(s, err, sql, types, &args);
    va_end(args);
    int row = q ? database_step(s, q, err) : -1;
    if (row == 1)
        *out = sqlite3_column_int64(q, 0);
    if (found)
        *found = row == 1;
    sqlite3_finalize(q);
    return row < 0 ? -1 : 0;
}

int database_begin(store *s, error *err)
{
    return database_do(s, err, "BEGIN IMMEDIATE", "");
}

int database_end(store *s, int status, error *err)
{
    if (status == 0)
        status = database_do(s, err, "COMMIT", "");
    if (status != 0 && !sqlite3_get_autocommit(s->db))
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

char *database_text(sqlite3_stmt *q, int column)
{
    const char *text = (const char *)sqlite3_column_text(q, column);
    return text ? memory_text_n(text, (size_t)sqlite3_column_bytes(q, column)) : NULL;
}

void database_now(char out[32])
{
    struct timespec t;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &parts);
    size_t n = strftime(out, 32, "%Y-%m-%d %H:%M:%S", &parts);
    snprintf(out + n, 32 - n, ".%06ld", t.tv_nsec / 1000);
}
