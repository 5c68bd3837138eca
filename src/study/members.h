/* Members of JSON that comes from a file: absent, null or of another type count as missing. */
#ifndef STUDY_MEMBERS_H
#define STUDY_MEMBERS_H

#include <jansson.h>
#include <math.h>

static inline const char *member_text(const json_t *object, const char *key)     /* "": missing; borrowed */
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static inline double member_number(const json_t *object, const char *key)        /* NaN: missing */
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

#endif
