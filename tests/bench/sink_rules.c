#include "tests/bench/sink_rules.h"

#include <apr_fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_ADDRESS 1000

static apr_status_t add(sink_rules_t *rules, const char *argument, const char *reply,
                        zm_error_t *error)
{
    sink_rule_t *rule;
    const char *colon = strrchr(argument, ':');
    uint64_t percent = 100;
    apr_size_t length = colon != NULL ? (apr_size_t)(colon - argument) : strlen(argument);
    char *pattern = malloc(length + 1);
    if (pattern == NULL || rules->count == SINK_RULES)
        return zm_error_set(error, ZM_E_LIMIT, "at most %d rules are possible", SINK_RULES);
    if (colon != NULL && (zm_str_u64(zm_str(colon + 1), &percent) != APR_SUCCESS || percent > 100))
        return zm_error_set(error, ZM_E_SYNTAX, "\"%s\": after the colon a percentage is expected",
                            argument);
    memcpy(pattern, argument, length);
    pattern[length] = '\0';
    rule = &rules->rules[rules->count++];
    *rule = (sink_rule_t){pattern, (int64_t)percent, 0, reply};
    return APR_SUCCESS;
}

apr_status_t sink_rules_reject(void *target, const char *argument, zm_error_t *error)
{
    return add(target, argument, "550 5.1.1 no such user here\r\n", error);
}

apr_status_t sink_rules_tempfail(void *target, const char *argument, zm_error_t *error)
{
    return add(target, argument, "451 4.3.0 try again later\r\n", error);
}

void sink_rules_free(sink_rules_t *rules)
{
    while (rules->count > 0)
        free(rules->rules[--rules->count].pattern);
}

const char *sink_rules_judge(sink_rules_t *rules, zm_str_t address)
{
    char text[LONGEST_ADDRESS + 1];
    int i;
    if (rules->count == 0 || address.length > LONGEST_ADDRESS)
        return NULL;
    memcpy(text, address.data, address.length);
    text[address.length] = '\0';
    for (i = 0; i < rules->count; i++) {
        sink_rule_t *rule = &rules->rules[i];
        if (apr_fnmatch(rule->pattern, text, APR_FNM_CASE_BLIND) != APR_SUCCESS)
            continue;
        rule->sum += rule->percent;
        if (rule->sum >= 100) {
            rule->sum -= 100;
            return rule->reply;
        }
    }
    return NULL;
}
