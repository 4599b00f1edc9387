/** What came of an examination, in the words of RFC 8601, 2.7. */
#ifndef ZM_MTA_DKIM_RESULT_H
#define ZM_MTA_DKIM_RESULT_H

typedef enum zm_auth_t {
    ZM_AUTH_NONE, /**< there was nothing to examine; of a signature: not examined yet */
    ZM_AUTH_PASS,
    ZM_AUTH_FAIL,
    ZM_AUTH_SOFTFAIL,
    ZM_AUTH_NEUTRAL,   /**< it cannot be made sense of */
    ZM_AUTH_POLICY,    /**< it may be good, but nothing that we accept */
    ZM_AUTH_TEMPERROR, /**< it could not be examined now */
    ZM_AUTH_PERMERROR  /**< nor ever */
} zm_auth_t;

/** "pass" */
const char *zm_auth_name(zm_auth_t result);

#endif
