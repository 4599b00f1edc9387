#include "tests/crash/letters.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LARGE 70000 /* more than fits into a row of the emulated engine */

world_t world;

void world_reset(void)
{
    int i;
    for (i = 0; i < world.letter_count; i++)
        free(world.letters[i].large);
    world.letter_count = world.event_count = 0;
    memset(world.letters, 0, sizeof world.letters);
    world.trouble[0] = '\0';
}

void world_end(void)
{
    world_reset();
    free(world.events);
    world.events = NULL;
    world.event_room = 0;
}

void world_trouble(const char *format, ...)
{
    va_list arguments;
    if (world.trouble[0] != '\0')
        return;
    va_start(arguments, format);
    vsnprintf(world.trouble, sizeof world.trouble, format, arguments);
    va_end(arguments);
}

/* -- letters -------------------------------------------------------------------------------- */

static void add(letter_t *letter, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(letter_t *letter, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    letter->length += (size_t)vsnprintf(letter->text + letter->length,
                                        sizeof letter->text - letter->length, format, arguments);
    va_end(arguments);
}

static void add_body(letter_t *letter, size_t size)
{
    uint64_t state = (uint64_t)letter->token * 7919;
    char *text = letter->large != NULL ? letter->large : letter->text;
    size_t i, end;
    if (letter->large == NULL && letter->length + size + 100 > sizeof letter->text) {
        text = letter->large = malloc(letter->length + size + 100);
        if (text == NULL)
            abort();
        memcpy(text, letter->text, letter->length);
    }
    letter->body = letter->length;
    end = letter->length + size;
    letter->length += (size_t)sprintf(text + letter->length, "token=%d\n", letter->token);
    for (i = 0; letter->length < end; i++) {
        state = disk_mix(state + i);
        text[letter->length++] = i % 60 == 59 ? '\n' : (char)('a' + state % 26);
    }
    letter->length += (size_t)sprintf(text + letter->length, "\nend %d\n", letter->token);
}

/* Makes the header so long that the control file, which has it too, fits into no row. */
static void add_long_header(letter_t *letter)
{
    static const char line[] =
        "X-Filling: 0123456789 0123456789 0123456789 0123456789 0123456789\n";
    size_t end = letter->length + LARGE;
    char *text = malloc(end + 5000);
    if (text == NULL)
        abort();
    memcpy(text, letter->text, letter->length);
    while (letter->length < end) {
        memcpy(text + letter->length, line, sizeof line);
        letter->length += sizeof line - 1;
    }
    letter->large = text;
}

static void add_recipient(letter_t *letter, const char *user, bool success)
{
    if (success)
        add(letter, "todsn NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;%s@mail.test\n", user);
    add(letter, "to %s@mail.test\n", user);
    letter->recipients[letter->count] = user;
    letter->success[letter->count++] = success;
}

letter_t *world_letter(uint64_t random)
{
    static const char *const users[] = {"alice", "bob", "later", "fails", "alice", "bob"};
    static const size_t sizes[] = {60, 300, 1500, 60, 200, 2500, 100, 700};
    letter_t *letter = &world.letters[world.letter_count];
    int first = (int)(random % 6), more = (int)(random >> 8 & 3);
    size_t size = (random >> 16) % 24 == 0 ? LARGE : sizes[(random >> 24) % 8];
    memset(letter, 0, sizeof *letter);
    letter->token = ++world.letter_count;
    letter->accepted = -1;
    add(letter, "from alice@mail.test\n");
    add_recipient(letter, users[first], (random >> 32) % 4 == 0);
    if (more == 0 && strcmp(users[first], "bob") != 0)
        add_recipient(letter, "bob", false);
    if (more <= 1 && strcmp(users[first], "fails") != 0)
        add_recipient(letter, "fails", false);
    add(letter, "env-end\n");
    letter->head = letter->length;
    add(letter,
        "From: alice@mail.test\nTo: somebody@mail.test\nSubject: number %d\n"
        "Date: Sat, 21 Nov 2026 04:59:47 +0000\nMessage-Id: <letter-%d@mail.test>\n",
        letter->token, letter->token);
    if ((random >> 40) % 24 == 0) {
        add_long_header(letter);
        size = 100;
    }
    if (letter->large != NULL)
        letter->large[letter->length++] = '\n';
    else
        add(letter, "\n");
    add_body(letter, size);
    return letter;
}

letter_t *world_find(int token)
{
    return token > 0 && token <= world.letter_count ? &world.letters[token - 1] : NULL;
}

/* -- events --------------------------------------------------------------------------------- */

void world_note(event_kind_t kind, int token, int recipient)
{
    const disk_t *disk = disk_mounted();
    if (world.event_count == world.event_room) {
        world.event_room = world.event_room * 2 + 64;
        world.events = realloc(world.events, (size_t)world.event_room * sizeof *world.events);
        if (world.events == NULL)
            abort();
    }
    world.events[world.event_count++] =
        (event_t){kind, disk != NULL ? disk->op_count : 0, token, recipient};
}

void world_cut(int event_count)
{
    world.event_count = event_count;
}

int world_served(int token, int recipient, int from_event, int up_to_operation)
{
    int i, count = 0;
    for (i = from_event; i < world.event_count; i++)
        count += world.events[i].token == token && world.events[i].recipient == recipient &&
                 world.events[i].at <= up_to_operation;
    return count;
}

/* -- what arrives --------------------------------------------------------------------------- */

static int recipient_of(const letter_t *letter, const char *user, size_t length)
{
    int i;
    for (i = 0; i < letter->count; i++)
        if (strlen(letter->recipients[i]) == length &&
            memcmp(letter->recipients[i], user, length) == 0)
            return i;
    return -1;
}

/* A letter begins with its token; a report has the header of the letter that it tells of. */
static int token_in(zm_str_t text)
{
    static const char first[] = "token=", mark[] = "<letter-";
    apr_size_t i;
    if (text.length > sizeof first && memcmp(text.data, first, sizeof first - 1) == 0)
        return atoi(text.data + sizeof first - 1);
    for (i = 0; i + sizeof mark < text.length; i++)
        if (memcmp(text.data + i, mark, sizeof mark - 1) == 0)
            return atoi(text.data + i + sizeof mark - 1);
    return 0;
}

/* Each recipient that a report tells of, by its Final-Recipient fields. */
static void take_report(zm_str_t body, int token)
{
    static const char mark[] = "\nFinal-Recipient: rfc822;";
    const letter_t *letter = world_find(token);
    apr_size_t i;
    for (i = 0; letter != NULL && i + sizeof mark < body.length; i++) {
        const char *at = body.data + i, *user;
        int recipient;
        if (memcmp(at, mark, sizeof mark - 1) != 0)
            continue;
        user = at + sizeof mark - 1;
        recipient = recipient_of(letter, user, strcspn(user, "@\n"));
        if (recipient >= 0)
            world_note(EVENT_REPORTED, token, recipient);
    }
}

void world_take(const char *user, zm_str_t body)
{
    int token = token_in(body);
    const letter_t *letter = world_find(token);
    int recipient;
    if (letter == NULL) {
        world_trouble("something was delivered to %s that nobody sent (%lu bytes)", user,
                      (unsigned long)body.length);
        return;
    }
    if (body.length < 6 || memcmp(body.data, "token=", 6) != 0) {
        take_report(body, token);
        return;
    }
    recipient = recipient_of(letter, user, strlen(user));
    if (recipient < 0)
        world_trouble("letter %d was delivered to %s, who is no recipient of it", token, user);
    else if (body.length != letter->length - letter->body ||
             memcmp(body.data, letter_text(letter) + letter->body, body.length) != 0)
        world_trouble("letter %d was delivered to %s torn: %lu bytes of %lu", token, user,
                      (unsigned long)body.length, (unsigned long)(letter->length - letter->body));
    else
        world_note(EVENT_DELIVERED, token, recipient);
}
