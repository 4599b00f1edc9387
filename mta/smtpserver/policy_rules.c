/* The rules of a policy database, stage by stage.  Each gives a result of policy_parts.h. */
#include "mta/smtpserver/policy_parts.h"

#include <apr_strings.h>
#include <string.h>

#define S(attribute) ZM_POLICY_SET(ZM_POLICY_##attribute)

/* -- answers ------------------------------------------------------------------------------ */

static bool has(const zm_policy_answer_t *answer, zm_policy_attribute_t attribute)
{
    return answer->of[attribute].value.data != NULL;
}

static bool is(const zm_policy_answer_t *answer, zm_policy_attribute_t attribute, const char *value)
{
    return has(answer, attribute) && zm_str_equal_c(answer->of[attribute].value, value);
}

static bool on(const zm_policy_answer_t *answer, zm_policy_attribute_t attribute)
{
    return is(answer, attribute, "+");
}

static bool off(const zm_policy_answer_t *answer, zm_policy_attribute_t attribute)
{
    return is(answer, attribute, "-");
}

static bool number(const zm_policy_answer_t *answer, zm_policy_attribute_t attribute,
                   int64_t *value)
{
    return has(answer, attribute) &&
           zm_str_i64(answer->of[attribute].value, value) == APR_SUCCESS && *value >= 0;
}

/* An attribute has decided: its message, if it has one, becomes the reply. */
static int decide(rules_t *rules, const zm_policy_answer_t *answer, zm_policy_attribute_t attribute,
                  int result)
{
    if (answer->of[attribute].message.data != NULL)
        rules->message = answer->of[attribute].message;
    return result;
}

static int reject_always(rules_t *rules)
{
    policy_state_t *state = rules->question->state;
    state->always_reject = true;
    apr_cpystrn(state->reason, zm_str_c(rules->pool, rules->message), sizeof state->reason);
    return RESULT_REJECT;
}

static int rejected(rules_t *rules)
{
    rules->message = zm_str(rules->question->state->reason);
    return RESULT_REJECT;
}

/* -- the client ---------------------------------------------------------------------------- */

static void take_size(policy_state_t *state, const zm_policy_answer_t *answer)
{
    int64_t size;
    if (!number(answer, ZM_POLICY_MAXINSIZE, &size))
        return;
    state->has_max_size = true;
    state->max_size = size;
}

static zm_str_t value_of(const zm_policy_answer_t *answer, zm_policy_attribute_t attribute)
{
    return has(answer, attribute) ? answer->of[attribute].value : ZM_S("");
}

/* A text in place of zones: "_TEXT", or "_+" for none. */
static void take_listed(policy_state_t *state, const zm_policy_answer_t *answer, apr_pool_t *pool)
{
    zm_str_t value = value_of(answer, ZM_POLICY_RCPTDNSRBL);
    if (value.length > 1 && value.data[0] == '_' && !zm_str_equal_c(value, "_+") &&
        state->listed[0] == '\0')
        apr_cpystrn(state->listed, zm_str_c(pool, zm_str_from(value, 1)), sizeof state->listed);
}

/* Nobody asks lists, nor SPF, about those who are trusted, nor about ourselves. */
static void choose_lists(rules_t *rules, const zm_policy_answer_t *answer)
{
    const policy_question_t *question = rules->question;
    const policy_state_t *state = question->state;
    if (state->always_freeze || state->always_accept || state->full_trust ||
        state->trust_recipients ||
        policy_is_own(rules->policy, &question->server.ip, &question->client.ip))
        return;
    question->state->spf = on(answer, ZM_POLICY_SPF);
    take_listed(question->state, answer, rules->pool);
    rules->reject_zones = value_of(answer, ZM_POLICY_TESTDNSRBL);
    rules->remember_zones = value_of(answer, ZM_POLICY_RCPTDNSRBL);
    if (!policy_lists_has_zone(rules->reject_zones) &&
        !policy_lists_has_zone(rules->remember_zones))
        return;
    (void)decide(rules, answer, ZM_POLICY_TESTDNSRBL, 0);
    rules->check = CHECK_LISTS;
}

/* "MESSAGES[,RECIPIENTS]" */
static void take_rates(policy_state_t *state, const zm_policy_answer_t *answer)
{
    zm_str_t messages, recipients, value = value_of(answer, ZM_POLICY_RATELIMITMSGS);
    if (value.length == 0)
        return;
    if (!zm_str_cut(value, ',', &messages, &recipients))
        recipients = ZM_S("0");
    state->has_rates =
        zm_str_i64(zm_str_trim(messages), &state->messages_an_hour) == APR_SUCCESS &&
        zm_str_i64(zm_str_trim(recipients), &state->recipients_an_hour) == APR_SUCCESS;
}

static int over(uint64_t count, int64_t limit)
{
    uint64_t most = limit < 0 ? (uint64_t)0 - (uint64_t)limit : (uint64_t)limit;
    if (count < most)
        return 0;
    return limit < 0 ? RESULT_NEVER_SO_MUCH : RESULT_NOT_SO_FAST;
}

/* Limits are for those who may send anywhere. */
static int rules_of_rates(const rules_t *rules)
{
    const policy_question_t *question = rules->question;
    const policy_state_t *state = question->state;
    int result = 0;
    if (!state->has_rates || !state->always_accept)
        return 0;
    if (question->stage == POLICY_SENDER)
        result = over(question->messages, state->messages_an_hour);
    if (result == 0 && state->recipients_an_hour != 0)
        result = over(question->recipients, state->recipients_an_hour);
    return result;
}

int rules_of_client(rules_t *rules)
{
    const zm_policy_set_t wanted = S(REJECTNET) | S(FREEZENET) | S(RELAYCUSTNET) | S(MAXINSIZE) |
                                   S(FULLTRUSTNET) | S(TRUSTRECIPIENTS) | S(MAXSAMEIPSOURCE) |
                                   S(TESTDNSRBL) | S(RCPTDNSRBL) | S(RATELIMITMSGS) | S(SPF) |
                                   S(FILTERING);
    const policy_question_t *question = rules->question;
    policy_state_t *state = question->state;
    zm_policy_answer_t answer;
    int64_t most;
    if (zm_policy_ip(&answer, rules->map, wanted, &question->client.ip, rules->pool) ==
        ZM_MAP_FAILED)
        return RESULT_BROKEN;
    take_size(state, &answer);
    take_rates(state, &answer);
    if (on(&answer, ZM_POLICY_REJECTNET)) {
        (void)decide(rules, &answer, ZM_POLICY_REJECTNET, 0);
        return reject_always(rules);
    }
    if (number(&answer, ZM_POLICY_MAXSAMEIPSOURCE, &most)) {
        (void)decide(rules, &answer, ZM_POLICY_MAXSAMEIPSOURCE, 0);
        if (most == 0)
            return reject_always(rules);
        if (question->same > most)
            return RESULT_TOO_MANY;
    }
    state->always_freeze = on(&answer, ZM_POLICY_FREEZENET);
    state->trust_recipients = on(&answer, ZM_POLICY_TRUSTRECIPIENTS);
    state->full_trust = on(&answer, ZM_POLICY_FULLTRUSTNET);
    state->always_accept = on(&answer, ZM_POLICY_RELAYCUSTNET);
    state->has_filtering = has(&answer, ZM_POLICY_FILTERING);
    state->filtering = on(&answer, ZM_POLICY_FILTERING);
    choose_lists(rules, &answer);
    return 0;
}

/* The name of the address, which is known only a while after the client has come.  What it permits
 * counts only when the name is the client's own. */
static int rules_of_name(rules_t *rules)
{
    const zm_policy_set_t wanted =
        S(REJECTNET) | S(FREEZENET) | S(RELAYCUSTNET) | S(MAXINSIZE) | S(RCPTDNSRBL);
    const policy_question_t *question = rules->question;
    policy_state_t *state = question->state;
    zm_policy_answer_t answer;
    if (question->name == NULL || state->name_known)
        return 0;
    if (zm_policy_domain(&answer, rules->map, wanted, zm_str(question->name), rules->pool) ==
        ZM_MAP_FAILED)
        return RESULT_BROKEN;
    state->name_known = true;
    if (on(&answer, ZM_POLICY_REJECTNET)) {
        (void)decide(rules, &answer, ZM_POLICY_REJECTNET, 0);
        return reject_always(rules);
    }
    state->always_freeze |= on(&answer, ZM_POLICY_FREEZENET);
    take_listed(state, &answer, rules->pool);
    if (question->name_verified) {
        take_size(state, &answer);
        state->always_accept |= on(&answer, ZM_POLICY_RELAYCUSTNET);
    }
    return 0;
}

/* What is found is told when the client wants something. */
int rules_of_greeting(rules_t *rules)
{
    const policy_question_t *question = rules->question;
    policy_state_t *state = question->state;
    zm_policy_answer_t answer;
    if (state->always_reject || state->always_freeze || state->always_accept || state->full_trust ||
        question->helo.length == 0 || question->helo.data[0] == '[')
        return 0;
    if (zm_policy_domain(&answer, rules->map, S(REJECTNET) | S(FREEZENET), question->helo,
                         rules->pool) == ZM_MAP_FAILED)
        return RESULT_BROKEN;
    if (on(&answer, ZM_POLICY_REJECTNET)) {
        (void)decide(rules, &answer, ZM_POLICY_REJECTNET, 0);
        (void)reject_always(rules);
    }
    state->always_freeze = on(&answer, ZM_POLICY_FREEZENET);
    return 0;
}

/* -- the sender ------------------------------------------------------------------------------ */

/* What is said of the user is not asked of the domain. */
static int rules_of_sending_user(rules_t *rules, zm_policy_set_t *left)
{
    policy_state_t *state = rules->question->state;
    zm_str_t address = zm_smtp_path_address(rules->question->sender, false, rules->pool);
    zm_policy_answer_t answer;
    if (zm_policy_user(&answer, rules->map, S(REJECTSOURCE) | S(FREEZESOURCE), address,
                       rules->pool) == ZM_MAP_FAILED)
        return RESULT_BROKEN;
    if (on(&answer, ZM_POLICY_FREEZESOURCE)) {
        state->sender_freeze = true;
        return RESULT_FREEZE;
    }
    if (on(&answer, ZM_POLICY_REJECTSOURCE))
        return decide(rules, &answer, ZM_POLICY_REJECTSOURCE, RESULT_REJECT);
    if (off(&answer, ZM_POLICY_REJECTSOURCE))
        *left &= ~S(REJECTSOURCE);
    if (off(&answer, ZM_POLICY_FREEZESOURCE))
        *left &= ~S(FREEZESOURCE);
    return 0;
}

static int rules_of_sending_domain(rules_t *rules, zm_policy_set_t wanted, zm_str_t domain)
{
    policy_state_t *state = rules->question->state;
    zm_policy_answer_t answer;
    if (zm_policy_domain(&answer, rules->map, wanted, domain, rules->pool) == ZM_MAP_FAILED)
        return RESULT_BROKEN;
    state->sender_norelay = on(&answer, ZM_POLICY_SENDERNORELAY);
    if (on(&answer, ZM_POLICY_REJECTSOURCE))
        return decide(rules, &answer, ZM_POLICY_REJECTSOURCE, RESULT_REJECT);
    if (on(&answer, ZM_POLICY_FREEZESOURCE)) {
        state->sender_freeze = true;
        return RESULT_FREEZE;
    }
    if (has(&answer, ZM_POLICY_SENDEROKWITHDNS) && !zm_str_equal_c(domain, ".") &&
        domain.data[0] != '[') {
        (void)decide(rules, &answer, ZM_POLICY_SENDEROKWITHDNS, 0);
        rules->check = CHECK_EXISTS;
        rules->domain = domain;
    }
    return 0;
}

int rules_of_sender(rules_t *rules)
{
    const zm_smtp_path_t *sender = rules->question->sender;
    policy_state_t *state = rules->question->state;
    zm_policy_set_t wanted =
        S(REJECTSOURCE) | S(FREEZESOURCE) | S(SENDERNORELAY) | S(SENDEROKWITHDNS);
    int result;
    policy_begin_message(state);
    if (state->always_reject)
        return rejected(rules);
    if (state->always_freeze)
        return RESULT_FREEZE;
    if (state->full_trust || state->authenticated)
        return 0;
    result = rules_of_rates(rules);
    if (result != 0)
        return result;
    if (sender->local.length == 0)
        return rules_of_sending_domain(rules, wanted & ~S(SENDEROKWITHDNS), ZM_S("."));
    if (sender->domain.length == 0)
        return RESULT_REJECT;
    result = rules_of_sending_user(rules, &wanted);
    return result != 0 ? result : rules_of_sending_domain(rules, wanted, sender->domain);
}

/* -- the recipient ---------------------------------------------------------------------------- */

/* Whether the recipient cares for what lists say of the client. */
static bool is_listed(rules_t *rules, const zm_policy_answer_t *answer)
{
    const policy_state_t *state = rules->question->state;
    if (state->listed[0] == '\0' || !on(answer, ZM_POLICY_TESTRCPTDNSRBL))
        return false;
    rules->message = zm_str(state->listed);
    return true;
}

static int rules_of_receiving_user(rules_t *rules, bool *decided)
{
    zm_str_t address = zm_smtp_path_address(rules->question->recipient, false, rules->pool);
    zm_policy_answer_t answer;
    *decided = true;
    if (zm_policy_user(&answer, rules->map, S(RELAYTARGET) | S(FREEZE) | S(TESTRCPTDNSRBL), address,
                       rules->pool) == ZM_MAP_FAILED)
        return RESULT_BROKEN;
    if (on(&answer, ZM_POLICY_RELAYTARGET))
        return 0;
    if (off(&answer, ZM_POLICY_RELAYTARGET))
        return decide(rules, &answer, ZM_POLICY_RELAYTARGET, RESULT_REJECT);
    if (on(&answer, ZM_POLICY_FREEZE)) {
        rules->question->state->sender_freeze = true;
        return RESULT_FREEZE;
    }
    if (is_listed(rules, &answer))
        return RESULT_REJECT;
    *decided = false;
    return 0;
}

static bool look_up(const rules_t *rules, zm_policy_answer_t *answer, zm_str_t domain)
{
    static const zm_policy_found_t yes = {.value = ZM_STR("+")};
    const zm_policy_set_t wanted = S(RELAYTARGET) | S(FREEZE) | S(ACCEPTIFMX) | S(ACCEPTIFDNS) |
                                   S(LOCALDOMAIN) | S(TESTRCPTDNSRBL);
    if (zm_policy_domain(answer, rules->map, wanted, domain, rules->pool) == ZM_MAP_FAILED)
        return false;
    if (policy_is_own_literal(rules->policy, rules->question, domain))
        answer->of[ZM_POLICY_LOCALDOMAIN] = answer->of[ZM_POLICY_RELAYTARGET] = yes;
    return true;
}

/* Looks through "user%far" and "far!user" in domains that take mail here.  False: there is no end
 * to it. */
static bool look_through(rules_t *rules, zm_policy_answer_t *answer, zm_str_t *domain, bool *broken)
{
    zm_str_t local = rules->question->recipient->local;
    int depth;
    *broken = !look_up(rules, answer, *domain);
    for (depth = 0; !*broken && depth < POLICY_DEPTH; depth++) {
        if (!rules->percent_hack ||
            (!on(answer, ZM_POLICY_LOCALDOMAIN) && !on(answer, ZM_POLICY_RELAYTARGET)) ||
            !policy_inner_address(local, &local, domain))
            return true;
        *broken = !look_up(rules, answer, *domain);
    }
    return false;
}

/* Whether it is the rule for all domains without one: it does not concern those who may send
 * anywhere. */
static bool is_default(const zm_policy_answer_t *answer)
{
    static const char dot[] = {4, ZM_POLICY_DOMAIN, '.', '\0'};
    return zm_str_equal(answer->key, zm_str_of(dot, sizeof dot));
}

static int check_domain(rules_t *rules, const zm_policy_answer_t *answer,
                        zm_policy_attribute_t attribute, rules_check_t check, zm_str_t domain)
{
    (void)decide(rules, answer, attribute, 0);
    if (domain.length > 0 && domain.data[0] == '[') /* there is nothing to ask about it */
        return check == CHECK_EXISTS ? 0 : RESULT_NO_EXCHANGER;
    rules->check = check;
    rules->domain = domain;
    return 0;
}

static int rules_of_receiving_domain(rules_t *rules)
{
    policy_state_t *state = rules->question->state;
    zm_str_t domain = rules->question->recipient->domain;
    zm_policy_answer_t answer;
    bool broken;
    if (!look_through(rules, &answer, &domain, &broken))
        return broken ? RESULT_BROKEN : RESULT_REJECT;
    if (off(&answer, ZM_POLICY_RELAYTARGET) && !(state->always_accept && is_default(&answer)))
        return decide(rules, &answer, ZM_POLICY_RELAYTARGET, RESULT_REJECT);
    if (on(&answer, ZM_POLICY_FREEZE)) {
        state->sender_freeze = true;
        return RESULT_FREEZE;
    }
    if (is_listed(rules, &answer))
        return RESULT_REJECT;
    if (on(&answer, ZM_POLICY_RELAYTARGET))
        return 0;
    if (state->always_accept)
        return check_domain(rules, &answer, ZM_POLICY_ACCEPTIFMX, CHECK_EXISTS, domain);
    if (has(&answer, ZM_POLICY_ACCEPTIFMX) || state->sender_norelay)
        return check_domain(rules, &answer, ZM_POLICY_ACCEPTIFMX, CHECK_EXCHANGER, domain);
    if (has(&answer, ZM_POLICY_ACCEPTIFDNS))
        return check_domain(rules, &answer, ZM_POLICY_ACCEPTIFDNS, CHECK_EXISTS, domain);
    return rules->accept_unknown ? 0 : RESULT_REJECT;
}

int rules_of_recipient(rules_t *rules)
{
    const zm_smtp_path_t *recipient = rules->question->recipient;
    policy_state_t *state = rules->question->state;
    bool decided;
    int result = state->always_reject ? 0 : rules_of_name(rules);
    if (result != 0)
        return result;
    if (state->always_reject)
        return rejected(rules);
    if (state->always_freeze || state->sender_freeze)
        return RESULT_FREEZE;
    if (state->full_trust || state->authenticated || state->trust_recipients)
        return 0;
    result = rules_of_rates(rules);
    if (result != 0)
        return result;
    result = rules_of_receiving_user(rules, &decided);
    if (decided)
        return result;
    if (recipient->domain.length == 0)
        return state->always_accept ? 0 : RESULT_REJECT;
    if (recipient->route.length > 0 && !state->always_accept)
        return RESULT_REJECT;
    return rules_of_receiving_domain(rules);
}

bool rules_spare_postmaster(rules_t *rules, int result)
{
    static const zm_str_t postmaster = ZM_STR("postmaster");
    const zm_smtp_path_t *recipient = rules->question->recipient;
    zm_policy_answer_t answer;
    if (recipient == NULL || !zm_str_starts_nocase(recipient->local, postmaster))
        return false;
    if (recipient->domain.length == 0)
        return zm_str_equal_nocase(recipient->local, postmaster);
    return result > -100 &&
           zm_policy_user(&answer, rules->map, S(RELAYTARGET),
                          zm_smtp_path_address(recipient, false, rules->pool),
                          rules->pool) == ZM_MAP_FOUND &&
           on(&answer, ZM_POLICY_RELAYTARGET);
}
