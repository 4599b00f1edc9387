/*
 * Policy sources: KEY ATTRIBUTE VALUE [ATTRIBUTE VALUE ...], see mta/map/policy.h.
 *
 * A line with a mistake is left out whole.  What is understood and looks like a
 * mistake is remarked upon: tags that nothing defines, values that no switch
 * has, attributes that mean nothing any more, no answer for all that is not named.
 */
#include <apr_hash.h>
#include <apr_strings.h>

#include "mta/db/compile_run.h"
#include "mta/map/policy.h"

typedef struct policy_run_t {
    zm_run_t *run;
    apr_hash_t *defined, *used; /* tags; the line that first used one */
    bool any_domain, any_address;
    unsigned line;
    apr_pool_t *pool;
} policy_run_t;

static void remark(policy_run_t *policy, zm_str_t what, const char *text)
{
    zm_compile_note(policy->run, ZM_COMPILE_REMARK, policy->line,
                    apr_psprintf(policy->run->pool, "%.*s %s",
                                 (int)(what.length < 200 ? what.length : 200), what.data, text));
}

/* The next word, or what stands in quotes.  False: there is none, or quotes without end. */
static bool take_token(zm_str_t *rest, zm_str_t *token, const char **problem)
{
    apr_size_t i = 0;
    *rest = zm_str_trim(*rest);
    if (rest->length == 0)
        return false;
    if (rest->data[0] == '"') {
        for (i = 1; i < rest->length && rest->data[i] != '"'; i++)
            ;
        if (i == rest->length) {
            *problem = "a quote has no end";
            return false;
        }
        *token = zm_str_of(rest->data + 1, i - 1);
        i++;
    } else {
        while (i < rest->length && !zm_is_blank(rest->data[i]))
            i++;
        *token = zm_str_of(rest->data, i);
        if (zm_str_find(*token, '"') >= 0) {
            *problem = "a quote stands within a word";
            return false;
        }
    }
    *rest = zm_str_from(*rest, i);
    return true;
}

static bool is_number(zm_str_t text)
{
    uint64_t value;
    return zm_str_u64(text, &value) == APR_SUCCESS;
}

/* "N", or "N,M" where pair allows it. */
static bool is_count(zm_str_t text, bool pair)
{
    zm_str_t first, second;
    if (!pair || !zm_str_cut(text, ',', &first, &second))
        return is_number(text);
    return is_number(first) && is_number(second);
}

static void note_tag(policy_run_t *policy, zm_str_t tag)
{
    zm_str_t name = zm_str_lower(policy->pool, tag);
    unsigned *line;
    if (tag.length == 0 || tag.data[0] != '_') {
        remark(policy, tag, "is the name of no tag: they begin with \"_\"");
        return;
    }
    if (apr_hash_get(policy->used, name.data, (apr_ssize_t)name.length) != NULL)
        return;
    line = apr_palloc(policy->pool, sizeof *line);
    *line = policy->line;
    apr_hash_set(policy->used, name.data, (apr_ssize_t)name.length, line);
}

/* Says what an attribute's value does not do. */
static void judge(policy_run_t *policy, unsigned class, unsigned attribute, zm_str_t value)
{
    zm_str_t name = zm_str(zm_policy_name(attribute));
    if (attribute == ZM_POLICY_ALIAS)
        note_tag(policy, value);
    else if (zm_policy_is_switch(attribute) && !zm_str_equal_c(value, "+") &&
             !zm_str_equal_c(value, "-"))
        remark(policy, name, "knows no other values than + and -");
    else if ((attribute == ZM_POLICY_MAXINSIZE || attribute == ZM_POLICY_MAXOUTSIZE ||
              attribute == ZM_POLICY_MAXSAMEIPSOURCE || attribute == ZM_POLICY_RATELIMITMSGS) &&
             !is_count(value, attribute == ZM_POLICY_RATELIMITMSGS))
        remark(policy, name, "should have a number");
    else if ((attribute == ZM_POLICY_TESTDNSRBL || attribute == ZM_POLICY_RCPTDNSRBL) &&
             zm_str_equal_c(value, "+"))
        remark(policy, name, "+ asks nobody: name the zones");
    else if (attribute == ZM_POLICY_RELAYCUSTOMER || attribute == ZM_POLICY_MAXOUTSIZE)
        remark(policy, name, "has no effect");
    else if (attribute == ZM_POLICY_ACCEPTIFDNS && zm_str_equal_c(value, "+"))
        remark(policy, name, "+ lets everybody send to everywhere");
    else if (attribute == ZM_POLICY_RELAYCUSTNET && class == ZM_POLICY_DOMAIN &&
             zm_str_equal_c(value, "+"))
        remark(policy, name, "+ counts for a name only where its address leads back to it");
}

/* The attributes of a line.  False, with the problem: the line does not count. */
static bool read_attributes(policy_run_t *policy, zm_str_t rest, unsigned class, zm_buf_t *record,
                            const char **problem)
{
    zm_str_t name, value;
    while (take_token(&rest, &name, problem)) {
        unsigned attribute = zm_policy_by_name(name);
        if (name.length > 0 && name.data[0] == '#') {
            remark(policy, name, "and what follows is taken for a comment");
            return true;
        }
        if (attribute == 0) {
            *problem = apr_psprintf(policy->run->pool, "there is no attribute \"%.*s\"",
                                    (int)(name.length < 200 ? name.length : 200), name.data);
            return false;
        }
        if (!take_token(&rest, &value, problem)) {
            if (*problem == NULL)
                *problem = apr_psprintf(policy->run->pool, "%.*s has no value", (int)name.length,
                                        name.data);
            return false;
        }
        if (value.length > ZM_POLICY_VALUE_TEXT) {
            *problem = "a value is longer than 250 bytes";
            return false;
        }
        judge(policy, class, attribute, value);
        zm_policy_add_entry(record, attribute, value);
    }
    return *problem == NULL;
}

static void note_key(policy_run_t *policy, zm_str_t word, zm_str_t key, unsigned class)
{
    if (class == ZM_POLICY_TAG) {
        zm_str_t name = zm_str_lower(policy->pool, word);
        apr_hash_set(policy->defined, name.data, (apr_ssize_t)name.length, "");
    }
    if (zm_str_equal_c(word, "."))
        policy->any_domain = true;
    if (class == ZM_POLICY_IPV4 && key.data[6] == 0)
        policy->any_address = true;
}

static apr_status_t policy_line(policy_run_t *policy, zm_str_t line)
{
    zm_buf_t key = ZM_BUF_INIT, record = ZM_BUF_INIT;
    const char *problem = NULL;
    zm_str_t rest = line, word = ZM_S("");
    apr_status_t status = APR_SUCCESS;
    unsigned class = 0;
    if (line.length == 0 || line.data[0] == '#' || zm_is_blank(line.data[0]))
        return APR_SUCCESS;
    if (zm_str_find(line, '\0') >= 0)
        problem = "a NUL byte stands in the line";
    else if (zm_str_word(&rest, &word) && zm_policy_add_key(&key, word, &problem))
        class = zm_policy_key_class(zm_buf_str(&key));
    rest = zm_str_trim(rest);
    if (problem == NULL)
        note_key(policy, word, zm_buf_str(&key), class);
    if (problem == NULL && rest.length > 0 && rest.data[0] != '#' &&
        read_attributes(policy, rest, class, &record, &problem) && record.length > 0)
        status =
            zm_compile_add(policy->run, zm_buf_str(&key), word, zm_buf_str(&record), policy->line);
    if (problem != NULL)
        zm_compile_note(policy->run, ZM_COMPILE_ERROR, policy->line, problem);
    zm_buf_free(&key);
    zm_buf_free(&record);
    return status;
}

/* What is missing in the source as a whole. */
static void judge_whole(policy_run_t *policy)
{
    apr_hash_index_t *at;
    unsigned last = policy->line;
    for (at = apr_hash_first(policy->pool, policy->used); at != NULL; at = apr_hash_next(at)) {
        const void *name;
        apr_ssize_t length;
        void *line;
        apr_hash_this(at, &name, &length, &line);
        policy->line = *(unsigned *)line;
        if (apr_hash_get(policy->defined, name, length) == NULL)
            remark(policy, zm_str_of(name, (apr_size_t)length), "is a tag that nothing defines");
    }
    policy->line = last > 0 ? last : 1;
    if (!policy->any_domain)
        remark(policy, ZM_S("\".\""), "is missing: nothing is said of other domains");
    if (!policy->any_address)
        remark(policy, ZM_S("[0.0.0.0]/0"), "is missing: nothing is said of other addresses");
}

apr_status_t zm_compile_policy(zm_run_t *run, zm_str_t text, apr_pool_t *pool)
{
    policy_run_t policy = {.run = run, .pool = pool};
    apr_status_t status = APR_SUCCESS;
    zm_str_t line;
    policy.defined = apr_hash_make(pool);
    policy.used = apr_hash_make(pool);
    while (status == APR_SUCCESS && text.length > 0) {
        zm_str_cut(text, '\n', &line, &text);
        if (line.length > 0 && line.data[line.length - 1] == '\r')
            line.length--;
        policy.line++;
        status = policy_line(&policy, line);
        apr_pool_clear(run->pool);
    }
    if (status == APR_SUCCESS)
        judge_whole(&policy);
    return status;
}
