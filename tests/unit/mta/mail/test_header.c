#include "tests/unit/mta/mail/fields.h"

static void fields_are_parsed_by_the_table(void)
{
    zm_headers_t *headers = headers_of("From: a@b\nSubject: x@@y\nTo: c,\n d\nMessage-Id: <1@2>\n");
    zm_header_t *header = headers->first;
    CU_ASSERT_EQUAL(header->rule->class, ZM_HEADER_SENDER);
    CU_ASSERT_EQUAL(header->parsed->mailboxes, 1);
    header = header->next;
    CU_ASSERT_PTR_NULL(header->parsed);
    CU_ASSERT_PTR_NULL(header->rule->name);
    header = header->next;
    CU_ASSERT_EQUAL(header->parsed->mailboxes, 2);
    CU_ASSERT_EQUAL(header->rule->class, ZM_HEADER_RECIPIENT);
    CU_ASSERT_PTR_EQUAL(headers->last, header->next);
}

static void empty_structured_fields_are_absent(void)
{
    zm_headers_t *headers = headers_of("To:\nCc:  \t\nBcc: \nSubject:\n");
    CU_ASSERT_PTR_NULL(zm_headers_find(headers, "to"));
    CU_ASSERT_PTR_NULL(zm_headers_find(headers, "bcc"));
    CU_ASSERT_PTR_NOT_NULL(zm_headers_find(headers, "SUBJECT"));
}

static void fields_are_found_counted_and_removed(void)
{
    zm_headers_t *headers = headers_of("Received: 1\nX: y\nreceived: 2\n");
    zm_header_t *header = zm_headers_find(headers, "Received");
    CU_ASSERT_EQUAL(zm_headers_count(headers, "RECEIVED"), 2);
    CU_ASSERT_PTR_EQUAL(zm_headers_find_next(header), headers->last);
    zm_headers_remove(headers, headers->first->next);
    zm_headers_remove(headers, headers->last);
    CU_ASSERT_PTR_EQUAL(headers->first, header);
    CU_ASSERT_PTR_EQUAL(headers->last, header);
    zm_headers_remove(headers, header);
    CU_ASSERT_PTR_NULL(headers->first);
    CU_ASSERT_PTR_NULL(headers->last);
}

static void fields_are_inserted_before_others(void)
{
    zm_headers_t *headers = headers_of("B: 2\n");
    zm_headers_insert(headers, headers->first, ZM_S("A"), ZM_S(" 1"));
    zm_headers_insert(headers, NULL, ZM_S("C"), ZM_S(" 3"));
    ZM_ASSERT_STR(text_of(headers), "A:\t1\nB:\t2\nC:\t3\n");
    CU_ASSERT_PTR_EQUAL(headers->last->previous->previous, headers->first);
}

static void renaming_changes_the_rule(void)
{
    zm_headers_t *headers = headers_of("X-Other: a@b\n");
    zm_headers_rename(headers, headers->first, ZM_S("From"));
    CU_ASSERT_EQUAL(headers->first->parsed->mailboxes, 1);
    zm_headers_rename(headers, headers->first, ZM_S("Fake-Sender"));
    CU_ASSERT_PTR_NULL(headers->first->parsed);
}

static bool append_domain(void *baton, const zm_header_t *header, zm_str_t plain, zm_str_t *text)
{
    (void)header;
    if (zm_str_find(plain, '@') >= 0)
        return false;
    zm_buf_t buffer = ZM_BUF_INIT;
    zm_buf_add_str(&buffer, plain);
    zm_buf_add_c(&buffer, baton);
    *text = zm_str_copy(zm_test_pool(), zm_buf_str(&buffer));
    zm_buf_free(&buffer);
    return true;
}

static void rewriting_a_copy_leaves_the_original(void)
{
    zm_headers_t *headers = headers_of("From: Joe <joe>\nTo: a@b, c (see)\nCc: x@@y, z\nX: u\n");
    zm_headers_t *copy = zm_headers_copy(headers, zm_test_pool());
    zm_headers_rewrite(copy, append_domain, "@d.org");
    ZM_ASSERT_STR(text_of(copy), "From:\tJoe <joe@d.org>\nTo:\ta@b, c@d.org (see)\n"
                                 "Cc:\tx@@y, z\nX:\tu\n");
    ZM_ASSERT_STR(text_of(headers), "From:\tJoe <joe>\nTo:\ta@b, c (see)\nCc:\tx@@y, z\nX:\tu\n");
}

static void line_is_unfolded_and_harmless(void)
{
    zm_headers_t *headers = headers_of("Subject:  one \n\t two\x01 \n three  \n");
    ZM_ASSERT_STR(zm_header_line(headers->first, zm_test_pool()).data, "one two? three");
}

static void table_can_be_extended(void)
{
    zm_header_table_t *table = zm_header_table_create(zm_test_pool());
    const zm_header_rule_t *rule;
    ZM_ASSERT_OK(zm_header_table_set(table, ZM_S("X-Sender"), ZM_S("MailBox:Sender:-"), NULL));
    rule = zm_header_table_find(table, ZM_S("x-sendeR"));
    CU_ASSERT_EQUAL(rule->rule, ZM_RULE_MAILBOX);
    CU_ASSERT_EQUAL(rule->class, ZM_HEADER_SENDER);
    ZM_ASSERT_OK(zm_header_table_set(table, ZM_S("x-killed"), ZM_S("-:Kill"), NULL));
    CU_ASSERT_EQUAL(zm_header_table_find(table, ZM_S("X-Killed"))->class, ZM_HEADER_KILL);
    ZM_ASSERT_OK(zm_header_table_remove(table, ZM_S("X-Killed")));
    CU_ASSERT_EQUAL(zm_header_table_remove(table, ZM_S("X-Killed")), APR_ENOENT);
    CU_ASSERT_PTR_NULL(zm_header_table_find(table, ZM_S("X-Killed"))->name);
}

static void permanent_entries_stay(void)
{
    zm_header_table_t *table = zm_header_table_create(zm_test_pool());
    zm_error_t error;
    CU_ASSERT_EQUAL(zm_header_table_set(table, ZM_S("From"), ZM_S("-:-:-"), &error),
                    ZM_E_UNSUPPORTED);
    CU_ASSERT_EQUAL(zm_header_table_remove(table, ZM_S("to")), ZM_E_UNSUPPORTED);
    ZM_ASSERT_OK(zm_header_table_remove(table, ZM_S("errors-to")));
    zm_header_table_clear(table);
    CU_ASSERT_EQUAL(zm_header_table_find(table, ZM_S("From"))->rule, ZM_RULE_AMAILBOX_LIST);
    CU_ASSERT_PTR_NULL(zm_header_table_find(table, ZM_S("Date"))->name);
}

static void malformed_entries_are_refused(void)
{
    zm_header_table_t *table = zm_header_table_create(zm_test_pool());
    zm_error_t error;
    CU_ASSERT_EQUAL(zm_header_table_set(table, ZM_S("x"), ZM_S("Nonsense:-:-"), &error),
                    ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_header_table_set(table, ZM_S("x"), ZM_S("-:Owner:-"), &error), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_header_table_set(table, ZM_S("x"), ZM_S("-:-:Again"), &error), ZM_E_SYNTAX);
    CU_ASSERT_EQUAL(zm_header_table_set(table, ZM_S("a b"), ZM_S("-"), &error), ZM_E_SYNTAX);
}

static void entries_have_a_text(void)
{
    zm_header_table_t *table = zm_header_table_create(zm_test_pool());
    const zm_header_rule_t *rule = zm_header_table_find(table, ZM_S("From"));
    ZM_ASSERT_STR(zm_header_rule_text(rule, zm_test_pool()).data, "AMailboxList:Sender:");
    rule = zm_header_table_find(table, ZM_S("Resent-Date"));
    ZM_ASSERT_STR(zm_header_rule_text(rule, zm_test_pool()).data, "::Resent");
}

ZM_TESTS("mail.header", ZM_TEST(fields_are_parsed_by_the_table),
         ZM_TEST(empty_structured_fields_are_absent), ZM_TEST(fields_are_found_counted_and_removed),
         ZM_TEST(fields_are_inserted_before_others), ZM_TEST(renaming_changes_the_rule),
         ZM_TEST(rewriting_a_copy_leaves_the_original), ZM_TEST(line_is_unfolded_and_harmless),
         ZM_TEST(table_can_be_extended), ZM_TEST(permanent_entries_stay),
         ZM_TEST(malformed_entries_are_refused), ZM_TEST(entries_have_a_text))
