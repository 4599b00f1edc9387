#include "ta/hold/condition.h"

#include <apr_strings.h>

#include "platform/clock.h"
#include "platform/fs.h"
#include "ta/hold/script.h"

typedef struct attempt_t {
    zm_hold_t *hold;
    zm_str_t parameter;
    int64_t arrived;
    const char *text;
    apr_pool_t *pool;
} attempt_t;

static zm_condition_state_t wait_because(attempt_t *attempt, const char *text)
{
    attempt->text = text;
    return ZM_CONDITION_WAITS;
}

static zm_condition_state_t senseless(attempt_t *attempt, const char *expected)
{
    attempt->text =
        apr_psprintf(attempt->pool, "the condition has a parameter that is not %s", expected);
    return ZM_CONDITION_UNKNOWN;
}

/* -- ns -------------------------------------------------------------------- */

typedef struct question_t {
    bool answered;
    zm_dns_outcome_t outcome;
    const char *reason;
} question_t;

static void on_answer(const zm_dns_answer_t *answer, void *baton)
{
    question_t *question = baton;
    question->answered = true;
    question->outcome = answer->outcome;
    question->reason = answer->reason;
}

/* What to ask for; 0: a type that nobody can wait for.  Whether the servers of a name answer at all
 * is what counts, so the types that are no more are replaced by one that is. */
static zm_dns_type_t type_of(zm_str_t word)
{
    if (zm_str_equal_nocase(word, ZM_S("any")) || zm_str_equal_nocase(word, ZM_S("wks")))
        return ZM_DNS_A;
    return zm_dns_type(word);
}

static zm_condition_state_t ask(attempt_t *attempt, zm_dns_type_t type, zm_str_t name)
{
    zm_loop_t *loop = attempt->hold->agent->loop;
    question_t question = {0};
    zm_dns_query_t *query;
    zm_dns_ask(&query, attempt->hold->dns, type, name, on_answer, &question, attempt->pool);
    while (!question.answered)
        if (zm_loop_once(loop, -1) != APR_SUCCESS) {
            zm_dns_cancel(query);
            return wait_because(attempt, "the name service could not be asked");
        }
    if (question.outcome != ZM_DNS_TEMPORARY)
        return ZM_CONDITION_MET;
    return wait_because(attempt, apr_psprintf(attempt->pool, "name service: %s",
                                              question.reason != NULL ? question.reason : "?"));
}

static zm_condition_state_t try_ns(attempt_t *attempt)
{
    zm_hold_t *hold = attempt->hold;
    zm_dns_options_t options = {.servers = hold->name_servers};
    zm_str_t name = attempt->parameter;
    zm_dns_type_t type;
    zm_error_t error = {0};
    while (name.length > 0 && name.data[name.length - 1] != '/')
        name.length--;
    if (name.length == 0)
        return ZM_CONDITION_MET;
    type = type_of(zm_str_of(name.data + name.length, attempt->parameter.length - name.length));
    if (type == 0)
        return ZM_CONDITION_MET;
    name.length--;
    if (hold->dns == NULL &&
        zm_dns_create(&hold->dns, hold->agent->loop, &options, &error) != APR_SUCCESS) {
        hold->dns = NULL;
        return wait_because(attempt, apr_pstrdup(attempt->pool, error.text));
    }
    return ask(attempt, type, name);
}

/* -- time and chance ------------------------------------------------------- */

static zm_condition_state_t try_timeout(attempt_t *attempt)
{
    int64_t now = apr_time_sec(zm_clock_wall()), due;
    if (zm_str_i64(attempt->parameter, &due) != APR_SUCCESS)
        return senseless(attempt, "a time");
    return now >= due ? ZM_CONDITION_MET : wait_because(attempt, "waits for its time");
}

static zm_condition_state_t try_age(attempt_t *attempt)
{
    int64_t now = apr_time_sec(zm_clock_wall()), wanted;
    if (zm_interval_parse(attempt->parameter, &wanted) != APR_SUCCESS)
        return senseless(attempt, "an interval");
    return now - attempt->arrived >= wanted ? ZM_CONDITION_MET
                                            : wait_because(attempt, "waits for its age");
}

static zm_condition_state_t try_io(attempt_t *attempt)
{
    if (attempt->hold->chance(10))
        return ZM_CONDITION_MET;
    return wait_because(attempt,
                        apr_psprintf(attempt->pool, "waits after an error with %s",
                                     zm_field_text(attempt->parameter, attempt->pool).data));
}

/* -- home ------------------------------------------------------------------ */

/* "uid#N": an owner whose name could not be told.  Met when it can, and while it is not known it
 * would only come back at once. */
static zm_condition_state_t try_owner(attempt_t *attempt, zm_str_t number)
{
    zm_user_t *user;
    int64_t uid;
    apr_status_t status;
    if (zm_str_i64(number, &uid) != APR_SUCCESS)
        return senseless(attempt, "a uid");
    status = zm_user_by_uid(&user, uid, attempt->pool);
    if (status == APR_SUCCESS)
        return ZM_CONDITION_MET;
    return wait_because(attempt, APR_STATUS_IS_ENOENT(status) ? "there is no account of that number"
                                                              : "accounts cannot be looked up");
}

static zm_condition_state_t try_home(attempt_t *attempt)
{
    zm_hold_t *hold = attempt->hold;
    zm_account_t *account;
    zm_file_info_t info;
    const char *name = zm_str_c(attempt->pool, attempt->parameter);
    apr_status_t status;
    if (zm_str_starts(attempt->parameter, ZM_S("uid#")))
        return try_owner(attempt, zm_str_from(attempt->parameter, 4));
    status = zm_accounts_find(&account, hold->accounts, name, attempt->pool);
    if (APR_STATUS_IS_ENOENT(status))
        return ZM_CONDITION_MET;
    if (status != APR_SUCCESS)
        return hold->chance(3) ? ZM_CONDITION_MET
                               : wait_because(attempt, "accounts cannot be looked up");
    if (account->home == NULL || account->home[0] == '\0')
        return ZM_CONDITION_MET;
    /* "/." looks through a link and makes an automounter work */
    status = zm_path_info(&info, NULL, apr_pstrcat(attempt->pool, account->home, "/.", NULL));
    return status == APR_SUCCESS ? ZM_CONDITION_MET
                                 : wait_because(attempt, "the home directory is not there");
}

static zm_condition_state_t try_script(attempt_t *attempt)
{
    return zm_hold_script(attempt->hold, attempt->parameter, &attempt->text, attempt->pool);
}

/* -- the interface --------------------------------------------------------- */

zm_condition_state_t zm_condition_try(zm_hold_t *hold, zm_str_t condition, int64_t arrived,
                                      const char **text, apr_pool_t *pool)
{
    static const struct {
        const char *name;
        zm_condition_state_t (*attempt)(attempt_t *attempt);
    } classes[] = {{"ns", try_ns}, {"timeout", try_timeout}, {"age", try_age},
                   {"io", try_io}, {"home", try_home},       {"script", try_script}};
    attempt_t attempt = {hold, ZM_S(""), arrived, "", pool};
    zm_condition_state_t state;
    zm_str_t name;
    apr_size_t i;
    const char *shown = zm_field_text(condition, pool).data;
    if (!zm_str_cut(condition, ':', &name, &attempt.parameter)) {
        *text = apr_psprintf(pool, "%s is not a condition: it has no colon", shown);
        return ZM_CONDITION_NONE;
    }
    for (i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (zm_str_equal_nocase(name, zm_str(classes[i].name))) {
            state = classes[i].attempt(&attempt);
            *text = attempt.text;
            return state;
        }
    *text = apr_psprintf(pool, "there is no class of conditions for %s", shown);
    return ZM_CONDITION_UNKNOWN;
}
