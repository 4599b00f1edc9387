#include "spool/layout.h"

#include <apr_strings.h>
#include <string.h>

const zm_layout_directory_t zm_layout_directories[] = {
    {ZM_DIR_PUBLIC, 03777},   {ZM_DIR_ROUTER, 03777},
    {ZM_DIR_QUEUE, 02750},    {ZM_DIR_TRANSPORT, 02750},
    {ZM_DIR_DEFERRED, 02750}, {ZM_DIR_POSTMAN, 02750},
    {ZM_DIR_FREEZER, 02750},  {NULL, 0},
};

/* -- names ---------------------------------------------------------------- */

void zm_layout_hash(char prefix[ZM_HASH_PREFIX_SIZE], uint64_t id, int levels)
{
    char *p = prefix;
    if (levels >= 2) {
        *p++ = (char)('A' + id / 26 % 26);
        *p++ = '/';
    }
    if (levels >= 1) {
        *p++ = (char)('A' + id % 26);
        *p++ = '/';
    }
    *p = '\0';
}

char *zm_layout_name(apr_pool_t *pool, const char *directory, int levels, uint64_t id)
{
    char prefix[ZM_HASH_PREFIX_SIZE];
    zm_layout_hash(prefix, id, levels);
    return apr_psprintf(pool, "%s/%s%" APR_UINT64_T_FMT, directory, prefix, id);
}

/* Names that Windows gives to devices, whatever extension follows. */
static bool is_device_name(zm_str_t leaf)
{
    static const zm_str_t devices[] = {ZM_STR("con"),   ZM_STR("prn"),    ZM_STR("aux"),
                                       ZM_STR("nul"),   ZM_STR("conin$"), ZM_STR("conout$"),
                                       ZM_STR("clock$")};
    zm_str_t stem, extension;
    apr_size_t i;
    zm_str_cut(leaf, '.', &stem, &extension);
    for (i = 0; i < sizeof devices / sizeof devices[0]; i++)
        if (zm_str_equal_nocase(stem, devices[i]))
            return true;
    return stem.length == 4 && zm_is_digit((unsigned char)stem.data[3]) &&
           (zm_str_starts_nocase(stem, ZM_S("com")) || zm_str_starts_nocase(stem, ZM_S("lpt")));
}

static bool is_hash_letter(zm_str_t part)
{
    return part.length == 1 && zm_is_upper((unsigned char)part.data[0]);
}

/* A part that can stand as the name of a file on every system we know. */
static bool is_portable_part(zm_str_t part, const char *also_forbidden)
{
    apr_size_t i;
    if (part.length == 0 || part.length > ZM_LEAF_LIMIT || is_device_name(part))
        return false;
    if (part.data[part.length - 1] == '.' || part.data[part.length - 1] == ' ')
        return false; /* Windows drops it; this also covers "." and ".." */
    for (i = 0; i < part.length; i++) {
        unsigned char byte = (unsigned char)part.data[i];
        if (byte < ' ' || byte == 0x7f || strchr("/\\*?\"<>|", byte) != NULL ||
            strchr(also_forbidden, byte) != NULL)
            return false;
    }
    return true;
}

/* A colon means a stream of a file on Windows; the classic names of postman/ have one. */
bool zm_layout_leaf_valid(zm_str_t directory, zm_str_t leaf)
{
    bool colon =
        zm_str_equal_c(directory, ZM_DIR_POSTMAN) || zm_str_equal_c(directory, ZM_DIR_PUBLIC);
    return is_portable_part(leaf, colon ? "" : ":") && !is_hash_letter(leaf);
}

bool zm_layout_directory_valid(zm_str_t directory)
{
    return is_portable_part(directory, ": ") && directory.data[0] != '.' &&
           !is_hash_letter(directory);
}

static void take_digits(zm_name_t *parts)
{
    apr_size_t i;
    parts->numeric = parts->leaf.length > 0 && zm_is_digit((unsigned char)parts->leaf.data[0]);
    parts->id = 0;
    for (i = 0; i < parts->leaf.length && zm_is_digit((unsigned char)parts->leaf.data[i]); i++) {
        uint64_t digit = (uint64_t)(parts->leaf.data[i] - '0');
        if (parts->id > (UINT64_MAX - digit) / 10) {
            parts->id = UINT64_MAX;
            return;
        }
        parts->id = parts->id * 10 + digit;
    }
}

apr_status_t zm_layout_parse(zm_name_t *parts, zm_str_t name)
{
    zm_str_t rest, part, after;
    memset(parts, 0, sizeof *parts);
    if (!zm_str_cut(name, '/', &parts->directory, &rest) ||
        !zm_layout_directory_valid(parts->directory))
        return ZM_E_SYNTAX;
    parts->prefix = (zm_str_t){rest.data, 0};
    while (zm_str_cut(rest, '/', &part, &after)) {
        if (!is_hash_letter(part) || parts->prefix.length >= 2 * ZM_HASH_DEPTH_LIMIT)
            return ZM_E_SYNTAX;
        parts->prefix.length += 2;
        rest = after;
    }
    parts->leaf = rest;
    if (!zm_layout_leaf_valid(parts->directory, parts->leaf))
        return ZM_E_SYNTAX;
    take_digits(parts);
    return APR_SUCCESS;
}

/* -- spool ids ------------------------------------------------------------ */

/* The alphabet of spool ids; '0' stands in it twice, as it always has. */
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123abcdefghijklmnopqrstuvwxyz4567890-";

typedef struct utc_t {
    int64_t year;
    unsigned month, day, hour, minute, second; /* month and day from 0 */
} utc_t;

/* Gregorian date of a Unix time, for any 64-bit time; counted in eras of 400 years from March 1st.
 */
static utc_t utc_of(int64_t seconds)
{
    int64_t days = seconds / 86400, rest = seconds % 86400, era;
    unsigned day_of_era, year_of_era, day_of_year, month;
    utc_t utc;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    days += 719468;
    era = (days >= 0 ? days : days - 146096) / 146097;
    day_of_era = (unsigned)(days - era * 146097);
    year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    month = (5 * day_of_year + 2) / 153;
    utc.day = day_of_year - (153 * month + 2) / 5;
    utc.month = month < 10 ? month + 2 : month - 10;
    utc.year = (int64_t)year_of_era + era * 400 + (utc.month <= 1);
    utc.hour = (unsigned)(rest / 3600);
    utc.minute = (unsigned)(rest / 60 % 60);
    utc.second = (unsigned)(rest % 60);
    return utc;
}

void zm_layout_spool_id(char id[ZM_SPOOL_ID_SIZE], uint64_t object, int64_t mtime_s,
                        uint32_t mtime_ns)
{
    utc_t utc = utc_of(mtime_s);
    uint64_t year = (uint64_t)utc.year;
    char *p = id;
    int shift;
    p += apr_snprintf(id, ZM_SPOOL_ID_SIZE, "S%" APR_UINT64_T_FMT, object);
    *p++ = alphabet[year >> 12 & 63];
    *p++ = alphabet[year >> 6 & 63];
    *p++ = alphabet[year & 63];
    *p++ = alphabet[utc.month];
    *p++ = alphabet[utc.day];
    *p++ = alphabet[utc.hour];
    *p++ = alphabet[utc.minute];
    *p++ = alphabet[utc.second];
    if (mtime_ns != 0)
        for (shift = 24; shift >= 0; shift -= 6)
            *p++ = alphabet[mtime_ns >> shift & 63];
    *p = '\0';
}
