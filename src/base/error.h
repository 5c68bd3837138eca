/* Errors: what went wrong, as one line for a person (file, thing, number, what to do).
 *
 * Functions that touch files, memory budgets, devices or databases return 0 or -1 and take
 * `error *err` last. Only the command layer prints.
 *
 *     if (end > size)
 *         return fail(err, ERROR_FORMAT, "%s: '%s' ends at %zu of %zu bytes", path, name, end, size);
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

enum error_code {
    ERROR_NONE = 0,
    ERROR_IO,           /* the operating system said no */
    ERROR_FORMAT,       /* a file's content is wrong */
    ERROR_USAGE,        /* the user asked for something that makes no sense (exit status 2) */
    ERROR_MEMORY,       /* a memory budget or an allocation */
    ERROR_UNSUPPORTED,  /* well-formed, but not something this program knows */
    ERROR_LIMIT,        /* a stated limit was reached */
    ERROR_STATE,        /* a study is not in the state the caller needs */
    ERROR_NOT_FINITE,   /* NaN or infinity in weights or logits */
    ERROR_INTERRUPTED,  /* ^C (exit status 130) */
};

typedef struct error {
    enum error_code code;
    char text[1024];  /* no newline at the end; control characters of strangers' names are escaped by fail */
} error;

/* Fills *err (which may be NULL) and returns -1. A longer text is cut with "...". */
int fail(error *err, enum error_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The same with ": " and strerror(errno) appended, code ERROR_IO. */
int fail_errno(error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "context: " before the text of an error that is already set, and returns -1. */
int fail_in(error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
