/* Statements on a study's database: what every store_*.c stands on. Values are bound, never pasted into SQL, and
 * every failure becomes one line that names the file. */
#ifndef STUDY_STORE_DATABASE_H
#define STUDY_STORE_DATABASE_H

#include <sqlite3.h>

#include "study/store.h"

struct store {
    sqlite3 *db;
    char *path, *study_name;    /* owned */
    char *lock_path;            /* owned; NULL while not locked */
    int lock_fd;                /* -1 while not locked */
    bool read_only;
};

/* Opens the file with busy timeout, foreign keys, WAL and synchronous=FULL. A file on a network file system is refused for writing.
 * `create`: the file must not be there, and stays in rollback mode until it is opened again. */
int database_open(store *s, bool create, error *err);
void database_close(store *s);

/* The error of the last call as one line: "PATH: doing: what SQLite says". */
int database_fail(store *s, const char *doing, error *err);

/* Statements without values; several at once. */
int database_script(store *s, const char *sql, error *err);

/* A statement with its values bound. `types` has a letter a value: i int64_t, r double (NaN: NULL), t text (NULL: NULL),
 * b blob (const void *, size_t), n NULL. database_query returns it ready to step; database_do runs it to its end. */
sqlite3_stmt *database_query(store *s, error *err, const char *sql, const char *types, ...);
int database_do(store *s, error *err, const char *sql, const char *types, ...);
int database_step(store *s, sqlite3_stmt *q, error *err);       /* 1: a row, 0: no more, -1 */

/* One integer from one row; *found (may be NULL) tells whether there was a row. */
int database_int(store *s, int64_t *out, bool *found, error *err, const char *sql, const char *types, ...);

int database_begin(store *s, error *err);                       /* BEGIN IMMEDIATE */
int database_end(store *s, int status, error *err);             /* COMMIT when status is 0, else ROLLBACK; returns 0 or -1 */

char *database_text(sqlite3_stmt *q, int column);               /* a copy; NULL for NULL */
void database_now(char out[32]);                                /* UTC, as Optuna writes it: 2026-08-21 10:00:37.124457 */

#endif
