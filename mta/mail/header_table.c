#include "mta/mail/header_table.h"

#include <apr_hash.h>
#include <apr_strings.h>

#define NAME_LIMIT 100 /* longer names are not in the table */

struct zm_header_table_t {
    apr_pool_t *pool;
    apr_hash_t *entries;
};

static const zm_header_rule_t other = {NULL, ZM_RULE_NONE, ZM_HEADER_NORMAL, false, false};

static const zm_header_rule_t built_in[] = {
    {"from", ZM_RULE_AMAILBOX_LIST, ZM_HEADER_SENDER, false, true},
    {"sender", ZM_RULE_MAILBOX, ZM_HEADER_SENDER, false, true},
    {"reply-to", ZM_RULE_ADDRESS_LIST, ZM_HEADER_SENDER, false, true},
    {"to", ZM_RULE_ADDRESS_LIST, ZM_HEADER_RECIPIENT, false, true},
    {"cc", ZM_RULE_ADDRESS_LIST, ZM_HEADER_RECIPIENT, false, true},
    {"bcc", ZM_RULE_ADDRESSES, ZM_HEADER_RECIPIENT, false, true},
    {"message-id", ZM_RULE_MESSAGE_ID, ZM_HEADER_NORMAL, false, true},
    {"resent-from", ZM_RULE_AMAILBOX_LIST, ZM_HEADER_SENDER, true, true},
    {"resent-sender", ZM_RULE_MAILBOX, ZM_HEADER_SENDER, true, true},
    {"resent-reply-to", ZM_RULE_ADDRESS_LIST, ZM_HEADER_SENDER, true, true},
    {"resent-to", ZM_RULE_ADDRESS_LIST, ZM_HEADER_RECIPIENT, true, true},
    {"resent-cc", ZM_RULE_ADDRESS_LIST, ZM_HEADER_RECIPIENT, true, true},
    {"resent-bcc", ZM_RULE_ADDRESSES, ZM_HEADER_RECIPIENT, true, true},
    {"resent-message-id", ZM_RULE_MESSAGE_ID, ZM_HEADER_NORMAL, true, true},
    {"errors-to", ZM_RULE_ADDRESS_LIST, ZM_HEADER_SENDER, false, false},
    {"return-receipt-to", ZM_RULE_ADDRESS_LIST, ZM_HEADER_SENDER, false, false},
    {"obsoletes", ZM_RULE_MESSAGE_ID_LIST, ZM_HEADER_NORMAL, false, false},
    {"encrypted", ZM_RULE_ENCRYPTED, ZM_HEADER_NORMAL, false, false},
    {"date", ZM_RULE_NONE, ZM_HEADER_NORMAL, false, false},
    {"resent-date", ZM_RULE_NONE, ZM_HEADER_NORMAL, true, false},
    {"return-path", ZM_RULE_NONE, ZM_HEADER_KILL, false, false},
    {"resent-return-path", ZM_RULE_NONE, ZM_HEADER_KILL, false, false},
    {"x-envid", ZM_RULE_NONE, ZM_HEADER_KILL, false, false},
    {"envelope-id", ZM_RULE_NONE, ZM_HEADER_KILL, false, false},
    {"x-orcpt", ZM_RULE_NONE, ZM_HEADER_KILL, false, false},
    {"original-recipient", ZM_RULE_NONE, ZM_HEADER_KILL, false, false},
    {"resent-x-envid", ZM_RULE_NONE, ZM_HEADER_KILL, false, false},
    {"resent-envelope-id", ZM_RULE_NONE, ZM_HEADER_KILL, false, false},
    {"resent-x-orcpt", ZM_RULE_NONE, ZM_HEADER_KILL, false, false},
    {"resent-original-recipient", ZM_RULE_NONE, ZM_HEADER_KILL, false, false},
    {"x-envelope-to", ZM_RULE_NONE, ZM_HEADER_KILL, false, false},
};

zm_header_table_t *zm_header_table_create(apr_pool_t *pool)
{
    zm_header_table_t *table = apr_pcalloc(pool, sizeof *table);
    unsigned i;
    table->pool = pool;
    table->entries = apr_hash_make(pool);
    for (i = 0; i < sizeof built_in / sizeof built_in[0]; i++)
        apr_hash_set(table->entries, built_in[i].name, APR_HASH_KEY_STRING, &built_in[i]);
    return table;
}

static const zm_header_rule_t *find(const zm_header_table_t *table, zm_str_t name)
{
    char key[NAME_LIMIT];
    apr_size_t i;
    if (name.length == 0 || name.length > sizeof key)
        return NULL;
    for (i = 0; i < name.length; i++)
        key[i] = (char)zm_to_lower((unsigned char)name.data[i]);
    return apr_hash_get(table->entries, key, (apr_ssize_t)name.length);
}

const zm_header_rule_t *zm_header_table_find(const zm_header_table_t *table, zm_str_t name)
{
    const zm_header_rule_t *rule = find(table, name);
    return rule != NULL ? rule : &other;
}

static bool class_by_name(zm_str_t name, zm_header_class_t *class)
{
    static const struct {
        const char *name;
        zm_header_class_t class;
    } names[] = {{"", ZM_HEADER_NORMAL},       {"-", ZM_HEADER_NORMAL},
                 {"none", ZM_HEADER_NORMAL},   {"normal", ZM_HEADER_NORMAL},
                 {"sender", ZM_HEADER_SENDER}, {"recipient", ZM_HEADER_RECIPIENT},
                 {"kill", ZM_HEADER_KILL}};
    unsigned i;
    for (i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (zm_str_equal_nocase(name, zm_str(names[i].name))) {
            *class = names[i].class;
            return true;
        }
    }
    return false;
}

static bool is_field_name(zm_str_t name)
{
    apr_size_t i;
    for (i = 0; i < name.length; i++)
        if (name.data[i] <= ' ' || name.data[i] > '~' || name.data[i] == ':')
            return false;
    return name.length > 0 && name.length <= NAME_LIMIT;
}

apr_status_t zm_header_table_set(zm_header_table_t *table, zm_str_t name, zm_str_t value,
                                 zm_error_t *error)
{
    const zm_header_rule_t *before = find(table, name);
    zm_header_rule_t *rule = apr_pcalloc(table->pool, sizeof *rule);
    zm_str_t rule_name, class_name, kind, rest;
    if (before != NULL && before->permanent)
        return zm_error_set(error, ZM_E_UNSUPPORTED, "the entry %s cannot be changed",
                            before->name);
    if (!is_field_name(name))
        return zm_error_set(error, ZM_E_SYNTAX, "'%.*s' is not the name of a header field",
                            (int)name.length, name.data);
    zm_str_cut(value, ':', &rule_name, &rest);
    zm_str_cut(rest, ':', &class_name, &kind);
    rule->rule = zm_rule_by_name(zm_str_trim(rule_name));
    if (rule->rule == ZM_RULE_END)
        return zm_error_set(error, ZM_E_SYNTAX, "expected a parse rule or - in '%.*s'",
                            (int)value.length, value.data);
    if (!class_by_name(zm_str_trim(class_name), &rule->class))
        return zm_error_set(error, ZM_E_SYNTAX,
                            "expected class Sender, Recipient, Kill or - in '%.*s'",
                            (int)value.length, value.data);
    kind = zm_str_trim(kind);
    rule->resent = zm_str_equal_nocase(kind, ZM_S("resent"));
    if (!rule->resent && kind.length > 0 && !zm_str_equal_c(kind, "-"))
        return zm_error_set(error, ZM_E_SYNTAX, "expected Resent or - at the end of '%.*s'",
                            (int)value.length, value.data);
    rule->name = zm_str_lower(table->pool, name).data;
    apr_hash_set(table->entries, rule->name, (apr_ssize_t)name.length, rule);
    return APR_SUCCESS;
}

apr_status_t zm_header_table_remove(zm_header_table_t *table, zm_str_t name)
{
    const zm_header_rule_t *rule = find(table, name);
    if (rule == NULL)
        return APR_ENOENT;
    if (rule->permanent)
        return ZM_E_UNSUPPORTED;
    apr_hash_set(table->entries, rule->name, APR_HASH_KEY_STRING, NULL);
    return APR_SUCCESS;
}

void zm_header_table_clear(zm_header_table_t *table)
{
    unsigned i;
    apr_hash_clear(table->entries);
    for (i = 0; i < sizeof built_in / sizeof built_in[0]; i++)
        if (built_in[i].permanent)
            apr_hash_set(table->entries, built_in[i].name, APR_HASH_KEY_STRING, &built_in[i]);
}

zm_str_t zm_header_rule_text(const zm_header_rule_t *rule, apr_pool_t *pool)
{
    static const char *const classes[] = {"", "Sender", "Recipient", "Kill"};
    return zm_str(apr_pstrcat(pool, rule->rule == ZM_RULE_NONE ? "" : zm_rule_name(rule->rule), ":",
                              classes[rule->class], ":", rule->resent ? "Resent" : "", NULL));
}

void zm_header_table_each(const zm_header_table_t *table,
                          void (*each)(void *baton, const zm_header_rule_t *rule), void *baton)
{
    apr_hash_index_t *index;
    for (index = apr_hash_first(table->pool, table->entries); index != NULL;
         index = apr_hash_next(index)) {
        void *rule;
        apr_hash_this(index, NULL, NULL, &rule);
        each(baton, rule);
    }
}
