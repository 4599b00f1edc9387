/* The variables of zmailer.conf: what nobody looks at is mostly a slip of the pen. */
#include <string.h>

#include "mta/admin/check.h"

/* As zmailer.conf(5) has them, and those of the stock rules. */
static bool is_known(const char *name)
{
    static const char *const names[] = {"ALLOWSOURCEROUTE",
                                        "BINDADDR",
                                        "CLEANUP_INTERVAL",
                                        "DBEXT",
                                        "DBTYPE",
                                        "DEADLETTER",
                                        "DEFCHARSET",
                                        "DOMAIN_AWARE_GETPWNAM",
                                        "FORCEPUNT",
                                        "INPUTDIRHASH",
                                        "INPUTDIRS",
                                        "INPUTNOTIFY",
                                        "LISTSERV",
                                        "LISTSERV_USER",
                                        "LOGDIR",
                                        "LOGLEVEL",
                                        "MAILBIN",
                                        "MAILBOX",
                                        "MAILCONF",
                                        "MAILMAN_ROOT",
                                        "MAILSERVER",
                                        "MAILSHARE",
                                        "MAILUSERS",
                                        "MAILVAR",
                                        "MAX_LOAD",
                                        "MAX_NR",
                                        "MAX_NT",
                                        "MAX_SUBMIT_SIZE",
                                        "MBOXLOCKS",
                                        "MBOX_ALLOW_ROOT_PIPES",
                                        "MBOX_BIFF",
                                        "MBOX_PIPE_LIMITS",
                                        "MBOX_PIPE_TIMEOUT",
                                        "MYHOSTNAME",
                                        "NOBODY",
                                        "NORECEIVEDFORCLAUSE",
                                        "ONLY_COPY_LIFETIME",
                                        "ORGDOMAIN",
                                        "PATH",
                                        "POSTOFFICE",
                                        "PUNTHOST",
                                        "RENDEZVOUS",
                                        "RESUBMIT_INTERVAL",
                                        "RFC822TABS",
                                        "ROUTERDIRHASH",
                                        "ROUTERDIRS",
                                        "ROUTERNOTIFY",
                                        "ROUTEROPTIONS",
                                        "ROUTERUSER",
                                        "ROUTEUSER_IN_ABNORMAL_UNIX",
                                        "SCHEDULERDIRHASH",
                                        "SCHEDULERNOTIFY",
                                        "SCHEDULEROPTIONS",
                                        "SCHEDULER_M_EXTRA",
                                        "SELFADDRESSES",
                                        "SENDMAIL_T_ARGS",
                                        "SERVICE_MANAGER",
                                        "SMTPOPTIONS",
                                        "SERVICENAME",
                                        "SM_ALLOW_SHELL",
                                        "SNMPSHAREDFILE",
                                        "SUBMIT_FSYNC",
                                        "SUBMIT_SERVER",
                                        "SUBMIT_TRANSPORT",
                                        "SYSLOGFLG",
                                        "TRUSTEDUSER",
                                        "UNTRUSTED_FROM",
                                        "VACATIONINTERVAL",
                                        "VACATION_NULL_SENDER",
                                        "ZCONFIG"};
    apr_size_t i;
    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

const char *check_variable(const char *name)
{
    static const struct {
        const char *name, *instead;
    } old[] = {
        {"SMARTHOST", "no more: write \". smtp!HOST\" into $MAILVAR/db/routes"},
        {"TA_USE_MMAP", "means nothing any more"},
        {"TALOCKMODE", "means nothing any more"},
        {"DBEXTtest", "means nothing any more"},
        {"INEWSBIN", "there is no news channel"},
        {"NNTPSERVER", "there is no news channel"},
        {"SMTPPERL5OPT", "there is no Perl in the server"},
        {"LDAP_MASTER_CONF", "means nothing any more"},
        {"SMTPSERVER", "say which daemons to start: zmailer start smtpserver"},
        {"RMAILPATH", "for scripts only"},
        {"SENDMAILPATH", "for scripts only"},
    };
    apr_size_t i;
    for (i = 0; i < sizeof old / sizeof old[0]; i++)
        if (strcmp(name, old[i].name) == 0)
            return old[i].instead;
    return is_known(name) ? NULL : "no program of ours looks at it; scheduler.conf and scripts may";
}
