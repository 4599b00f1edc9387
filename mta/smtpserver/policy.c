#include "mta/smtpserver/policy.h"

#include <apr_strings.h>
#include <string.h>

#include "mta/smtpserver/policy_parts.h"
#include "platform/clock.h"
#include "platform/log.h"
#include "platform/machine.h"

#define COMPLAINT_INTERVAL apr_time_from_sec(60)
#define SPF_PATIENCE apr_time_from_sec(20) /* for all questions of one sender */

#define NOT_LET "that domain does not let your address send in its name (SPF)"

typedef struct base_t {
    bool wanted; /* there is to be a database */
    zm_map_t *map;
} base_t;

struct policy_t {
    localnames_t *names;
    bool percent_hack, accept_unknown;
    const char *hostname;
    base_t *bases;
    int count;
    zm_dns_t *dns;
    zm_loop_t *loop;
    zm_ip_t *own;
    int own_count;
    apr_time_t complained;
    apr_pool_t *pool;    /* of databases and questions under way */
    apr_pool_t *scratch; /* of one question */
};

/* A question that waits for the domain name service. */
struct policy_ask_t {
    apr_pool_t *pool;
    policy_t *policy;
    policy_question_t question;
    zm_str_t message;
    union {
        policy_domain_t domain;
        policy_lists_t lists;
    } check;
    zm_timer_t timer;     /* of SPF */
    spf_result_t decided; /* by it */
    policy_fn *fn;
    void *baton;
};

static const policy_verdict_t accepted = {POLICY_ACCEPT, 250, "2.1.5", "accepted"};
static const policy_verdict_t no_relay = {POLICY_REFUSE, 550, "5.7.1",
                                          "relaying denied: this is not a local domain"};

/* -- making --------------------------------------------------------------------------- */

static void add_own(policy_t *policy, const char *const *list)
{
    for (; list != NULL && *list != NULL; list++) {
        zm_str_t text = zm_str(*list);
        zm_ip_t *ip = &policy->own[policy->own_count];
        if (zm_ip_parse_literal(ip, text) == APR_SUCCESS || zm_ip_parse(ip, text) == APR_SUCCESS)
            policy->own_count++;
    }
}

static int length(const char *const *list)
{
    int count = 0;
    while (list != NULL && list[count] != NULL)
        count++;
    return count;
}

static void list_own(policy_t *policy, const char *const *given, apr_pool_t *pool)
{
    const char *const *machine;
    if (zm_machine_addresses(&machine, pool) != APR_SUCCESS)
        machine = NULL;
    policy->own =
        apr_pcalloc(pool, (apr_size_t)(length(given) + length(machine) + 1) * sizeof *policy->own);
    add_own(policy, given);
    add_own(policy, machine);
}

static void open_base(base_t *base, const policy_database_t *database, apr_pool_t *pool)
{
    zm_map_options_t options = {.file = database->file};
    zm_error_t error = {0};
    base->wanted = database->type != NULL;
    if (!base->wanted ||
        zm_map_create(&base->map, database->type, &options, pool, &error) == APR_SUCCESS)
        return;
    base->map = NULL;
    zm_log(ZM_LOG_ERROR, NULL, "policy database", ZM_F_S("file", database->file),
           ZM_F_S("reason", error.text));
}

apr_status_t policy_create(policy_t **policy, const policy_options_t *options, apr_pool_t *pool)
{
    policy_t *made = apr_pcalloc(pool, sizeof *made);
    apr_status_t status;
    int i;
    made->names = options->names;
    made->percent_hack = options->percent_hack;
    made->accept_unknown = options->accept_unknown;
    made->hostname = options->hostname != NULL ? apr_pstrdup(pool, options->hostname) : "";
    made->dns = options->dns;
    made->loop = options->loop;
    made->count = options->database_count;
    made->bases = apr_pcalloc(pool, (apr_size_t)(made->count + 1) * sizeof *made->bases);
    made->pool = pool;
    status = apr_pool_create(&made->scratch, pool);
    if (status != APR_SUCCESS)
        return status;
    list_own(made, options->own, pool);
    for (i = 0; i < made->count; i++)
        open_base(&made->bases[i], &options->databases[i], pool);
    *policy = made;
    return APR_SUCCESS;
}

bool policy_is_own(const policy_t *policy, const zm_ip_t *server, const zm_ip_t *ip)
{
    int i;
    if (server->family != 0 && zm_ip_equal(server, ip))
        return true;
    for (i = 0; i < policy->own_count; i++)
        if (zm_ip_equal(&policy->own[i], ip))
            return true;
    return false;
}

/* -- without a database ------------------------------------------------------------------ */

bool policy_trusts(const zm_endpoint_t *client, bool local)
{
    return (local && client->ip.family == 0) || zm_ip_is_loopback(&client->ip);
}

bool policy_is_own_literal(const policy_t *policy, const policy_question_t *question,
                           zm_str_t domain)
{
    zm_ip_t ip;
    return domain.length > 0 && domain.data[0] == '[' &&
           zm_ip_parse_literal(&ip, domain) == APR_SUCCESS && !zm_ip_is_loopback(&ip) &&
           policy_is_own(policy, &question->server.ip, &ip);
}

static bool is_local(const policy_t *policy, const policy_question_t *question, zm_str_t domain)
{
    return localnames_has(policy->names, domain) || policy_is_own_literal(policy, question, domain);
}

/*
 * The address that a local part stands for when it holds another: "user%far",
 * "far!user", and, quoted, "user@far", since what a later program makes of the
 * quotes is not ours to know.  False: it is a plain user.
 */
bool policy_inner_address(zm_str_t local, zm_str_t *user, zm_str_t *domain)
{
    apr_ssize_t bang;
    apr_size_t at;
    if (local.length >= 2 && local.data[0] == '"' && local.data[local.length - 1] == '"')
        local = zm_str_of(local.data + 1, local.length - 2);
    for (at = local.length; at > 0; at--) {
        if (local.data[at - 1] == '@' || local.data[at - 1] == '%') {
            *user = zm_str_of(local.data, at - 1);
            *domain = zm_str_from(local, at);
            return true;
        }
    }
    bang = zm_str_find(local, '!');
    if (bang < 0)
        return false;
    *domain = zm_str_of(local.data, (apr_size_t)bang);
    *user = zm_str_of(local.data + bang + 1, local.length - (apr_size_t)bang - 1);
    return true;
}

static bool recipient_is_local(const policy_t *policy, const policy_question_t *question)
{
    zm_str_t local = question->recipient->local, domain = question->recipient->domain;
    int depth;
    /* Only <postmaster> comes without a domain from strangers; it is ours by definition. */
    if (domain.length == 0)
        return zm_str_equal_nocase(local, ZM_S("postmaster"));
    if (question->recipient->route.length > 0 || !is_local(policy, question, domain))
        return false;
    for (depth = 0; policy->percent_hack && policy_inner_address(local, &local, &domain); depth++)
        if (depth == POLICY_DEPTH || !is_local(policy, question, domain))
            return false;
    return true;
}

/* -- with one ----------------------------------------------------------------------------- */

static policy_verdict_t verdict(policy_result_t result, int code, const char *enhanced,
                                const char *text)
{
    const policy_verdict_t made = {result, code, enhanced, text};
    return made;
}

static policy_verdict_t refusal(policy_stage_t stage, int result)
{
    bool sender = stage == POLICY_SENDER;
    switch (result) {
    case RESULT_NO_DOMAIN:
        return verdict(POLICY_REFUSE, 550, sender ? "5.1.8" : "5.1.2",
                       sender ? "the sender's domain does not exist, or takes no mail"
                              : "the domain does not exist, or takes no mail");
    case RESULT_NO_MAIL:
        return verdict(POLICY_REFUSE, 550, sender ? "5.7.27" : "5.1.10",
                       "that domain says that it takes no mail");
    case RESULT_NO_EXCHANGER:
        return verdict(POLICY_REFUSE, 550, "5.7.1",
                       "relaying denied: this host is no exchanger of that domain");
    case RESULT_SPF:
        return verdict(POLICY_REFUSE, 550, "5.7.23", NOT_LET);
    case RESULT_NEVER_SO_MUCH:
        return verdict(POLICY_REFUSE, 550, "5.7.1", "too much mail from your address in this hour");
    case RESULT_NOT_SO_FAST:
        return verdict(POLICY_DEFER, 451, "4.7.1",
                       "too much mail from your address in this hour; come again later");
    case RESULT_TOO_MANY:
        return verdict(POLICY_DEFER, 421, "4.7.0",
                       "too many connections from your address; come again later");
    case RESULT_BROKEN:
        return verdict(POLICY_DEFER, stage == POLICY_CONNECT ? 421 : 451, "4.3.5",
                       "something is out of order here; come again later");
    case RESULT_TEMPORARY:
        return verdict(POLICY_DEFER, 451, sender ? "4.1.8" : "4.4.3",
                       "the domain cannot be looked up now; come again later");
    default:
        return verdict(POLICY_REFUSE, 550, "5.7.1",
                       stage == POLICY_CONNECT  ? "no mail is taken from your address"
                       : stage == POLICY_SENDER ? "no mail is taken from that sender"
                                                : "relaying denied");
    }
}

/* Tells what a result comes to. */
static void answer(const policy_question_t *question, int result, zm_str_t message,
                   apr_pool_t *pool, policy_fn *fn, void *baton)
{
    policy_verdict_t told = accepted;
    if (result > 0)
        question->state->freeze = question->state->always_freeze ? 1 : 2;
    else if (result < 0)
        told = refusal(question->stage, result);
    if (result < 0 && message.length > 0)
        told.text = zm_str_c(pool, message);
    fn(&told, baton);
}

/* The answer to a question that had to wait. */
static void answer_late(policy_ask_t *ask, int result, zm_str_t message)
{
    apr_pool_t *pool = ask->pool;
    answer(&ask->question, result, message, pool, ask->fn, ask->baton);
    apr_pool_destroy(pool);
}

/* Those who may send anywhere need not be let by the domains. */
static bool wants_spf(const policy_question_t *question)
{
    return question->stage == POLICY_SENDER && question->state->spf &&
           !question->state->always_accept && !question->state->authenticated;
}

static int worth(spf_result_t result)
{
    switch (result) {
    case SPF_FAIL:
        return POLICY_SPF_FAIL;
    case SPF_SOFTFAIL:
        return POLICY_SPF_SOFTFAIL;
    case SPF_NONE:
        return POLICY_SPF_NONE;
    case SPF_NEUTRAL:
        return POLICY_SPF_NEUTRAL;
    default:
        return POLICY_SPF_PASS;
    }
}

/* The words of a stranger are told as such. */
static void on_spf(spf_result_t result, zm_str_t explanation, void *baton)
{
    policy_ask_t *ask = baton;
    policy_state_t *state = ask->question.state;
    zm_str_t text = {"", 0};
    state->spf_known = true;
    state->spf_result = result;
    if (explanation.length > 0)
        text = zm_str(apr_psprintf(ask->pool, NOT_LET "; it explains: %.*s",
                                   (int)explanation.length, explanation.data));
    answer_late(ask, worth(result) < ask->question.spf_threshold ? RESULT_SPF : 0, text);
}

/* RFC 7208, 4.6.4 */
static void on_spf_late(zm_timer_t *timer, void *baton)
{
    (void)timer;
    on_spf(((policy_ask_t *)baton)->decided, ZM_S(""), baton);
}

static apr_status_t forget_timer(void *data)
{
    zm_timer_cancel(&((policy_ask_t *)data)->timer);
    return APR_SUCCESS;
}

static void begin_spf(policy_ask_t *ask)
{
    const policy_question_t *question = &ask->question;
    const spf_question_t spf = {.dns = ask->policy->dns,
                                .ip = question->client.ip,
                                .local = question->sender->local,
                                .domain = question->sender->domain,
                                .helo = question->helo,
                                .explain = question->spf_threshold > POLICY_SPF_FAIL,
                                .receiver = zm_str(ask->policy->hostname),
                                .decided = &ask->decided};
    ask->decided = SPF_TEMPERROR;
    zm_timer_init(&ask->timer, ask->policy->loop, on_spf_late, ask);
    zm_timer_set(&ask->timer, SPF_PATIENCE);
    apr_pool_cleanup_register(ask->pool, ask, forget_timer, apr_pool_cleanup_null);
    spf_ask(&spf, on_spf, ask, ask->pool);
}

static void on_domain(int result, void *baton)
{
    policy_ask_t *ask = baton;
    if (result == 0 && wants_spf(&ask->question))
        begin_spf(ask);
    else
        answer_late(ask, result, result == RESULT_TEMPORARY ? ZM_S("") : ask->message);
}

static void on_lists(policy_lists_t *lists, void *baton)
{
    policy_ask_t *ask = baton;
    policy_state_t *state = ask->question.state;
    zm_str_t message = lists->reason[0] != '\0' ? zm_str(lists->reason) : ask->message;
    if (lists->remembered[0] != '\0')
        apr_cpystrn(state->listed, lists->remembered, sizeof state->listed);
    answer_late(ask, lists->refused ? RESULT_REJECT : 0, message);
}

static void begin_check(policy_ask_t *ask, const rules_t *rules)
{
    policy_t *policy = ask->policy;
    if (rules->check == CHECK_LISTS) {
        ask->check.lists =
            (policy_lists_t){.dns = policy->dns,
                             .loop = policy->loop,
                             .ip = &ask->question.client.ip,
                             .reject_zones = zm_str_copy(ask->pool, rules->reject_zones),
                             .remember_zones = zm_str_copy(ask->pool, rules->remember_zones),
                             .message = ask->message,
                             .fn = on_lists,
                             .baton = ask,
                             .pool = ask->pool};
        policy_lists_ask(&ask->check.lists);
        return;
    }
    if (rules->check == CHECK_NOTHING) {
        begin_spf(ask);
        return;
    }
    ask->check.domain = (policy_domain_t){.dns = policy->dns,
                                          .policy = policy,
                                          .server = &ask->question.server.ip,
                                          .check = rules->check,
                                          .fn = on_domain,
                                          .baton = ask,
                                          .pool = ask->pool};
    policy_domain_ask(&ask->check.domain, zm_str_copy(ask->pool, rules->domain));
}

/* The rules want to know about a domain, or the client. */
static bool ask_names(policy_ask_t **ask, policy_t *policy, const rules_t *rules, policy_fn *fn,
                      void *baton)
{
    apr_pool_t *pool;
    policy_ask_t *made;
    if (policy->dns == NULL || apr_pool_create(&pool, policy->pool) != APR_SUCCESS)
        return false;
    made = apr_pcalloc(pool, sizeof *made);
    made->pool = pool;
    made->policy = policy;
    made->question = *rules->question;
    made->message = zm_str_copy(pool, rules->message);
    made->fn = fn;
    made->baton = baton;
    begin_check(made, rules);
    *ask = made;
    return true;
}

static int apply(rules_t *rules)
{
    switch (rules->question->stage) {
    case POLICY_CONNECT:
        zm_map_look_again();
        (void)zm_map_changed(rules->map);
        return rules_of_client(rules);
    case POLICY_HELO:
        return rules_of_greeting(rules);
    case POLICY_SENDER:
        return rules_of_sender(rules);
    default:
        return rules_of_recipient(rules);
    }
}

/* Somebody should see this, but not once for each client. */
static void complain(policy_t *policy)
{
    apr_time_t now = zm_clock_monotonic();
    if (policy->complained != 0 && now - policy->complained < COMPLAINT_INTERVAL)
        return;
    policy->complained = now;
    zm_log(ZM_LOG_ERROR, NULL, "policy database",
           ZM_F_S("reason", "it cannot be read: clients are put off; zmailer newdb makes it"));
}

static void ask_rules(policy_ask_t **ask, policy_t *policy, zm_map_t *map,
                      const policy_question_t *question, policy_fn *fn, void *baton)
{
    rules_t rules = {.policy = policy,
                     .map = map,
                     .question = question,
                     .percent_hack = policy->percent_hack,
                     .accept_unknown = policy->accept_unknown,
                     .pool = policy->scratch,
                     .message = ZM_STR(""),
                     .reject_zones = ZM_STR(""),
                     .remember_zones = ZM_STR("")};
    int result = RESULT_BROKEN;
    apr_pool_clear(policy->scratch);
    if (map != NULL)
        result = apply(&rules);
    if (result < 0 && map != NULL && rules_spare_postmaster(&rules, result))
        result = 0;
    else if (result == 0 && (rules.check != CHECK_NOTHING || wants_spf(question))) {
        if (ask_names(ask, policy, &rules, fn, baton))
            return;
        if (rules.check == CHECK_EXISTS || rules.check == CHECK_EXCHANGER)
            result = RESULT_TEMPORARY; /* without a resolver nobody is on a list */
    }
    if (result == RESULT_BROKEN)
        complain(policy);
    answer(question, result, rules.message, policy->scratch, fn, baton);
}

void policy_begin_message(policy_state_t *state)
{
    state->sender_freeze = state->sender_norelay = state->spf_known = false;
    state->freeze = 0;
}

/* -- asking ------------------------------------------------------------------------------- */

void policy_ask(policy_ask_t **ask, policy_t *policy, const policy_question_t *question,
                policy_fn *fn, void *baton)
{
    const base_t *base =
        question->database < policy->count ? &policy->bases[question->database] : NULL;
    *ask = NULL;
    if (base != NULL && base->wanted && question->client.ip.family != 0)
        ask_rules(ask, policy, base->map, question, fn, baton);
    else if (question->stage == POLICY_RECIPIENT &&
             !policy_trusts(&question->client, question->local) &&
             !question->state->authenticated && !recipient_is_local(policy, question))
        fn(&no_relay, baton);
    else
        fn(&accepted, baton);
}

void policy_cancel(policy_ask_t *ask)
{
    if (ask != NULL)
        apr_pool_destroy(ask->pool);
}
