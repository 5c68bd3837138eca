/* The tables of a study: Optuna's, so that its tools open the file, and our own (mg_*). */
#ifndef STUDY_STORE_SCHEMA_H
#define STUDY_STORE_SCHEMA_H

#define STORE_FORMAT 2                  /* of the mg_ tables */
#define STORE_OPTUNA_HEAD "v3.2.0.a"    /* alembic_version */
#define STORE_OPTUNA_SCHEMA 12          /* version_info.schema_version */
#define STORE_OPTUNA_LIBRARY "4.9.0"    /* version_info.library_version: whose reader this was checked with */

extern const char store_schema_optuna[], store_schema_own[];

#endif
