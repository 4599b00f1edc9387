#include "mta/admin/mailq.h"

#include "platform/clock.h"

static bool contains(zm_str_t text, const char *piece)
{
    zm_str_t wanted = zm_str(piece);
    apr_size_t i;
    for (i = 0; i + wanted.length <= text.length; i++)
        if (zm_str_equal_nocase(zm_str_of(text.data + i, wanted.length), wanted))
            return true;
    return false;
}

static bool is_in_domain(zm_str_t address, const char *domain)
{
    zm_str_t wanted = zm_str(domain), rest;
    apr_size_t i;
    for (i = address.length; i-- > 0;)
        if (address.data[i] == '@') {
            rest = zm_str_of(address.data + i + 1, address.length - i - 1);
            return zm_str_equal_nocase(rest, wanted) ||
                   (rest.length > wanted.length &&
                    rest.data[rest.length - wanted.length - 1] == '.' &&
                    zm_str_equal_nocase(
                        zm_str_of(rest.data + rest.length - wanted.length, wanted.length), wanted));
        }
    return false;
}

static bool age_fits(const mailq_filter_t *filter, const mailq_file_t *file)
{
    int64_t age;
    if (filter->older < 0 && filter->younger < 0)
        return true;
    if (file == NULL)
        return false;
    age = apr_time_sec(zm_clock_wall()) - file->arrived;
    return (filter->older < 0 || age >= filter->older) &&
           (filter->younger < 0 || age <= filter->younger);
}

bool mailq_filters_rows(const mailq_filter_t *filter)
{
    return filter->from != NULL || filter->to != NULL || filter->domain != NULL ||
           filter->error != NULL || filter->older >= 0 || filter->younger >= 0 || filter->owned;
}

bool mailq_filter_needs_files(const mailq_t *mailq)
{
    const mailq_filter_t *filter = &mailq->filter;
    return filter->to != NULL || filter->domain != NULL || filter->older >= 0 ||
           filter->younger >= 0 || filter->owned || (filter->from != NULL && !mailq->version2);
}

bool mailq_filtered(const mailq_t *mailq)
{
    return mailq->channel != NULL || mailq->host != NULL || mailq_filters_rows(&mailq->filter);
}

bool mailq_filter_thread(const mailq_t *mailq, zm_str_t channel, zm_str_t host)
{
    return (mailq->channel == NULL || zm_str_equal_nocase(channel, zm_str(mailq->channel))) &&
           (mailq->host == NULL || zm_str_equal_nocase(host, zm_str(mailq->host)));
}

bool mailq_filter_row(const mailq_t *mailq, const mailq_row_t *row, const mailq_file_t *file,
                      apr_pool_t *pool)
{
    const mailq_filter_t *filter = &mailq->filter;
    zm_str_t to = ZM_S("");

    if (filter->from != NULL &&
        (filter->from[0] != '\0' ? !contains(row->sender, filter->from) : row->sender.length > 0))
        return false;
    if (filter->error != NULL && !contains(row->text, filter->error))
        return false;
    if (filter->owned && (file == NULL || file->owner != filter->owner))
        return false;
    if (!age_fits(filter, file))
        return false;
    if (filter->to == NULL && filter->domain == NULL)
        return true;
    if (file != NULL)
        to = mailq_file_recipient(file, (uint64_t)row->offset, pool);
    return (filter->to == NULL || contains(to, filter->to)) &&
           (filter->domain == NULL || is_in_domain(to, filter->domain));
}
