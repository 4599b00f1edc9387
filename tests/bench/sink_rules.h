/**
 * Which recipients the sink refuses: rules of the form "PATTERN" or "PATTERN:PERCENT", with the
 * patterns of the shell.  A share is exact over many recipients, not random: runs are repeatable.
 */
#ifndef ZM_TESTS_BENCH_SINK_RULES_H
#define ZM_TESTS_BENCH_SINK_RULES_H

#include "platform/str.h"

#define SINK_RULES 32

typedef struct sink_rule_t {
    char *pattern; /**< malloc memory, NUL terminated, without the percentage */
    int64_t percent;
    int64_t sum; /**< of percent over the recipients that matched; each full hundred refuses one */
    const char *reply;
} sink_rule_t;

typedef struct sink_rules_t {
    int count;
    sink_rule_t rules[SINK_RULES];
} sink_rules_t;

/** For zm_options: target is the sink_rules_t. */
apr_status_t sink_rules_reject(void *target, const char *argument, zm_error_t *error);
apr_status_t sink_rules_tempfail(void *target, const char *argument, zm_error_t *error);

void sink_rules_free(sink_rules_t *rules);

/** The reply of the first rule that refuses this address, or null. */
const char *sink_rules_judge(sink_rules_t *rules, zm_str_t address);

#endif
