/* Reports by the book: RFC 3461 to 3464, DELIVERBY (RFC 2852), addresses beyond ASCII (RFC 6533).
 */
#include <apr_strings.h>

#include "mta/mail/dsn_address.h"
#include "platform/clock.h"
#include "tests/unit/harness.h"
#include "tests/unit/mta/scheduler/place.h"

static const char conf[] = "PARAMglobal-report-interval=1s\n*/* interval=1m retries=\"1\" "
                           "expiry=3d\nsmtp/* command=smtp\n";
#define FROM "e alice@x\ns local alice@x alice@x 0\n"
#define SLOT "          "

/* A record about the first recipient. */
#define RECORD(action, status, diagnostic)                                                         \
    "d %OFF%:-1:-1::1700000123\t\3\1" action "\1" status "\1" diagnostic                           \
    "\1dns; mx.y\1smtp[8]\ttext\n"

static void has(const char *text, const char *piece)
{
    if (strstr(text, piece) == NULL)
        ZM_ASSERT_STR(text, piece);
}

static void has_not(const char *text, const char *piece)
{
    if (strstr(text, piece) != NULL)
        ZM_ASSERT_STR(text, "");
}

/* The next place has the same directory. */
static void clear_submitted(place_t *place)
{
    zm_listing_t *listing;
    const char *name;
    ZM_ASSERT_OK(zm_spool_list(&listing, place->spool, "router", false, zm_test_pool()));
    while (zm_listing_next(listing, &name) == APR_SUCCESS)
        zm_spool_unlink(place->spool, name);
    zm_listing_close(listing);
}

/* What is reported of a finished job. */
static const char *report(const char *lines, const char *records)
{
    place_t *place = place_open(conf);
    zm_error_t reason;
    const char *text;
    uint64_t id = place_job(place, lines, records);
    CU_ASSERT_EQUAL(place_take(place, id, &reason), ZM_TAKEN);
    place_run(place);
    text = place_submitted(place);
    clear_submitted(place);
    place_close(place);
    return text;
}

/* -- NOTIFY, RET, ENVID, ORCPT ----------------------------------------------------------------- */

static void each_action_is_told_to_those_who_want_it(void)
{
    static const struct {
        const char *notify, *action, *status;
        char tag;
        bool told;
    } cases[] = {
        {"", "failed", "5.1.1", '-', true},
        {"", "delivered", "2.1.5", '+', false},
        {"", "delayed", "4.4.7", ' ', true}, /* only DELIVERBY has one written without NOTIFY */
        {"N NOTIFY=NEVER\n", "failed", "5.1.1", '-', false},
        {"N NOTIFY=FAILURE\n", "failed", "5.1.1", '-', true},
        {"N NOTIFY=SUCCESS\n", "failed", "5.1.1", '-', false},
        {"N NOTIFY=DELAY\n", "failed", "5.1.1", '-', false},
        {"N NOTIFY=SUCCESS\n", "delivered", "2.1.5", '+', true},
        {"N NOTIFY=SUCCESS,FAILURE\n", "relayed", "2.0.0", '+', true},
        {"N NOTIFY=FAILURE\n", "relayed", "2.0.0", '+', false},
        {"N NOTIFY=SUCCESS\n", "expanded", "2.0.0", '+', true},
        {"N NOTIFY=FAILURE\n", "expanded", "2.0.0", '+', false},
        {"N NOTIFY=DELAY\n", "delayed", "4.4.7", '+', true},
        {"N NOTIFY=FAILURE\n", "delayed", "4.4.7", '+', false},
    };
    apr_size_t i;
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *text =
            report(apr_psprintf(zm_test_pool(), FROM "r%c" SLOT "smtp y bob@y 0\n%s",
                                cases[i].tag == ' ' ? '+' : cases[i].tag, cases[i].notify),
                   apr_psprintf(zm_test_pool(),
                                "d %%OFF%%:-1:-1::1700000123\t\3\1%s\1%s\1smtp; 250 (x)\1\1\tx\n",
                                cases[i].action, cases[i].status));
        if (cases[i].told)
            has(text, apr_psprintf(zm_test_pool(), "Action: %s\nStatus: %s\n", cases[i].action,
                                   cases[i].status));
        else
            ZM_ASSERT_STR(text, "");
    }
}

static void fields_stand_in_order(void)
{
    const char *text = report(FROM "r-" SLOT "smtp y bob@y 0\nN ORCPT=rfc822;Bob+2BX@y\nn id+3D1\n",
                              RECORD("failed", "5.1.1 (no such user)", "smtp; 550 (no)"));
    has(text, "Content-Type: message/delivery-status\n\nReporting-MTA: dns; ");
    has(text, "\nOriginal-Envelope-Id: id=1\n");
    has(text, "\n\nOriginal-Recipient: rfc822;Bob+X@y\nFinal-Recipient: rfc822;bob@y\n"
              "Action: failed\nStatus: 5.1.1\nRemote-MTA: dns; mx.y\nLast-Attempt-Date: "
              "Tue, 14 Nov 2023 22:15:23 +0000\nX-ZTAID: smtp[8]\n"
              "Diagnostic-Code: smtp; 550 (no)\n\n--");
    has(text, "\nSubject: Report [FAILED(1)]\n");
}

static void success_returns_only_the_header(void)
{
    const char *text = report(FROM "r+" SLOT "smtp y bob@y 0\nN NOTIFY=SUCCESS\nR FULL\n",
                              RECORD("delivered", "2.1.5", "smtp; 250 (ok)"));
    has(text, "Content-Type: text/rfc822-headers\n");
    has_not(text, "first line");
}

static void reports_ask_for_no_report(void)
{
    const char *text =
        report(FROM "r-" SLOT "smtp y bob@y 0\n", RECORD("failed", "5.1.1", "smtp; 550 (no)"));
    has(text, "channel error\nerrormsg\ntodsn NOTIFY=NEVER ORCPT=rfc822;alice@x\nto alice@x\n");
}

/* RFC 8689, 5 */
static void report_on_secret_mail_is_secret_and_short(void)
{
    const char *text = report(FROM "r-" SLOT "smtp y bob@y 0\nN REQUIRETLS=YES\nR FULL\n",
                              RECORD("failed", "5.7.30", "smtp; 550 (no)"));
    has(text, "todsn NOTIFY=NEVER ORCPT=rfc822;alice@x REQUIRETLS=YES\nto alice@x\n");
    has(text, "Content-Type: text/rfc822-headers\n");
    has_not(text, "first line");
}

static void programs_and_files_are_not_answered(void)
{
    const char *text =
        report("e \"|/bin/evil\"\ns local x \"|/bin/evil\" 0\nr-" SLOT "smtp y bob@y 0\n",
               RECORD("failed", "5.1.1", "smtp; 550 (no)"));
    has_not(text, "to |");
    has(text, "\nto postmaster\n");
}

/* -- bounces of bounces ------------------------------------------------------------------------ */

static void bounce_that_only_hides_is_not_made(void)
{
    ZM_ASSERT_STR(report("s error <> <> 0\nr-" SLOT "smtp y bob@y 0\nN NOTIFY=NEVER\n",
                         RECORD("failed", "5.1.1", "smtp; 550 (no)")),
                  "");
}

static void bounce_names_also_those_who_hide(void)
{
    const char *text = report("s error <> <> 0\nr-" SLOT "smtp y bob@y 0\nN NOTIFY=NEVER\n"
                              "r-" SLOT "smtp y carl@y 0\n",
                              RECORD("failed", "5.1.1", "smtp; 550 (no)"));
    ZM_ASSERT_STR(text, ""); /* only the first has a record, and that one hides */
    text = report("s error <> <> 0\nr-" SLOT "smtp y bob@y 0\n",
                  RECORD("failed", "5.1.1", "smtp; 550 (no)"));
    has(text, "Double-fault: ");
    has_not(text, "to <>");
}

/* -- beyond ASCII ------------------------------------------------------------------------------ */

static void addresses_beyond_ascii_have_their_own_types(void)
{
    const char *text = report(FROM "r-" SLOT "smtp y b\xc3\xb6"
                                   "b@y 0\nN ORCPT=utf-8;b\\x{F6}b@y\n",
                              RECORD("failed", "5.1.1", "smtp; 550 (no)"));
    has(text, "report-type=global-delivery-status;\n");
    has(text, "Content-Type: message/global-delivery-status\n"
              "Content-Transfer-Encoding: 8bit\n\nReporting-MTA");
    has(text, "\nOriginal-Recipient: utf-8;b\xc3\xb6"
              "b@y\nFinal-Recipient: utf-8;b\xc3\xb6"
              "b@y\n");
    has(text, "\nContent-Type: message/rfc822\n"); /* the message itself is plain */
}

static void senders_beyond_ascii_get_their_report(void)
{
    const char *text =
        report("e \xc3\xa4@x\ns local \xc3\xa4@x \xc3\xa4@x 0\nr-" SLOT "smtp y bob@y 0\n",
               RECORD("failed", "5.1.1", "smtp; 550 (no)"));
    has(text, "todsn NOTIFY=NEVER ORCPT=utf-8;\\x{E4}@x\nto \xc3\xa4@x\n");
    has(text, "message/global-delivery-status\n");
}

static void plain_status_is_ascii(void)
{
    const char *text = report(FROM "r-" SLOT "smtp y bob@y 0\n",
                              RECORD("failed", "5.1.1", "smtp; 550 (unm\xc3\xb6glich)"));
    has(text, "Content-Type: message/delivery-status\n");
    has(text, "\nDiagnostic-Code: smtp; 550 (unm??glich)\n");
    has(text, "      Diagnostic-Code: smtp; 550 (unm\xc3\xb6glich)\n"); /* for people */
}

static void original_recipients_are_decoded(void)
{
    apr_pool_t *pool = zm_test_pool();
    ZM_ASSERT_STR(zm_dsn_original(zm_str("rfc822;a+2Bb+40c\\x{41}"), pool).data,
                  "rfc822;a+b@c\\x{41}");
    ZM_ASSERT_STR(zm_dsn_original(zm_str("UTF-8;\\x{1F600}\\x{A}\\x{}\\x{D800}\\x{E4"), pool).data,
                  "UTF-8;\xf0\x9f\x98\x80\\x{A}\\x{}\\x{D800}\\x{E4");
    ZM_ASSERT_STR(zm_dsn_typed(zm_str("/var/mail/x"), pool).data, "x-local;/var/mail/x");
    ZM_ASSERT_STR(zm_dsn_typed(zm_str("\xff@y"), pool).data, "rfc822;\xff@y");
}

/* -- DELIVERBY --------------------------------------------------------------------------------- */

static void wait_for_the_deadline(place_t *place)
{
    zm_clock_advance(apr_time_from_sec(3600));
    zm_scheduler_tick(place->scheduler);
    zm_scheduler_due(place->scheduler);
}

/* told: something will be. */
static const char *after_the_deadline(const char *dsn, char mode, bool told, const char **control)
{
    place_t *place = place_open(conf);
    zm_error_t reason;
    const char *text;
    uint64_t id;

    zm_clock_freeze(apr_time_now(), apr_time_from_sec(1000));
    id = place_job(place,
                   apr_psprintf(zm_test_pool(),
                                FROM "r " SLOT "smtp y bob@y 0\nN %sBY=%" APR_INT64_T_FMT ";%c\n"
                                     "r " SLOT "smtp y carl@y 0\n",
                                dsn, (apr_int64_t)apr_time_sec(zm_clock_wall()) + 1800, mode),
                   NULL);
    CU_ASSERT_EQUAL(place_take(place, id, &reason), ZM_TAKEN);
    zm_scheduler_due(place->scheduler);
    has_not(place_control_text(place, id), "\nd ");
    wait_for_the_deadline(place);
    wait_for_the_deadline(place); /* once */
    *control = place_control_text(place, id);
    zm_clock_advance(apr_time_from_sec(2));
    if (told)
        place_run_until_submitted(place);
    else
        place_run_a_little(place);
    text = place_submitted(place);
    clear_submitted(place);
    place_close(place);
    zm_clock_thaw();
    return text;
}

static void deadline_of_mode_r_returns(void)
{
    const char *control, *text = after_the_deadline("", 'R', true, &control);
    has(control, "\nr-" SLOT "smtp y bob@y");
    has(control, "\nr " SLOT "smtp y carl@y");
    has(text, "Final-Recipient: rfc822;bob@y\nAction: failed\nStatus: 5.4.7\n");
    has_not(text, "carl@y");
}

static void deadline_of_mode_n_is_told_once(void)
{
    const char *control, *text = after_the_deadline("", 'N', true, &control);
    has(control, "\nr         10smtp y bob@y");
    CU_ASSERT_PTR_NULL(strstr(strstr(control, "\nd ") + 1, "\nd "));
    has(text, "Final-Recipient: rfc822;bob@y\nAction: delayed\nStatus: 4.4.7\n");
    has(text, "\nWill-Retry-Until: ");
}

static void deadline_is_not_told_to_those_who_want_no_delays(void)
{
    const char *control;
    ZM_ASSERT_STR(after_the_deadline("NOTIFY=FAILURE ", 'N', false, &control), "");
    has(after_the_deadline("NOTIFY=DELAY ", 'N', true, &control), "Action: delayed\n");
    ZM_ASSERT_STR(after_the_deadline("NOTIFY=NEVER ", 'R', false, &control), "");
    has(control, "\nr-" SLOT "smtp y bob@y");
}

ZM_TESTS("scheduler_dsn", ZM_TEST(each_action_is_told_to_those_who_want_it),
         ZM_TEST(fields_stand_in_order), ZM_TEST(success_returns_only_the_header),
         ZM_TEST(reports_ask_for_no_report), ZM_TEST(report_on_secret_mail_is_secret_and_short),
         ZM_TEST(programs_and_files_are_not_answered), ZM_TEST(bounce_that_only_hides_is_not_made),
         ZM_TEST(bounce_names_also_those_who_hide),
         ZM_TEST(addresses_beyond_ascii_have_their_own_types),
         ZM_TEST(senders_beyond_ascii_get_their_report), ZM_TEST(plain_status_is_ascii),
         ZM_TEST(original_recipients_are_decoded), ZM_TEST(deadline_of_mode_r_returns),
         ZM_TEST(deadline_of_mode_n_is_told_once),
         ZM_TEST(deadline_is_not_told_to_those_who_want_no_delays))
