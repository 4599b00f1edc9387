/**
 * Addresses and the other structured values of headers and envelopes.
 *
 * A value is parsed by a rule (zm_rule_t) into a list of items.  For the
 * address rules an item is a mailbox, the start of a group ("name:") or the end
 * of one (";"); for the others there is one item, or one for each message-id.
 *
 *     Address      = [Phrase] "<" RouteAddress ">"  /  group  /  RouteAddress
 *     group        = Phrase ":" [mailboxes] ";"
 *     RouteAddress = [Route] LocalPart ["@" Domain]
 *     Route        = "@" Domain *("," "@" Domain) ":"
 *     LocalPart    = Word *(( "." / "::" / "!" / "%" / "\" special ) Word)
 *     Word         = Atom / String / DomainLiteral      Phrase = 1*(Atom / String)
 *     Domain       = Sub *("." Sub)                     Sub    = Atom / DomainLiteral
 *     MessageID    = "<" LocalPart ["@" Domain] ">"
 *
 * Comments may stand anywhere and belong to the item around them.  Empty list
 * elements are skipped.  Several plain words and nothing else ("to bob jane")
 * are so many local addresses, where an Address rule applies.
 *
 * An item that breaks the grammar is marked bad and keeps its tokens; the
 * parser goes on behind the next "," or ";", so one bad address never costs its
 * neighbours.  After ZM_ADDRESS_ERRORS errors the rest of the value is one bad
 * item.  Parsing takes time and memory in proportion to the length and uses no
 * recursion.
 */
#ifndef ZM_MTA_MAIL_ADDRESS_H
#define ZM_MTA_MAIL_ADDRESS_H

#include "mta/mail/token.h"

#define ZM_ADDRESS_ERRORS 20

typedef enum zm_rule_t {
    ZM_RULE_NONE,    /**< unstructured */
    ZM_RULE_ADDRESS, /**< one address or group, or plain words */
    ZM_RULE_ADDRESS_LIST,
    ZM_RULE_ADDRESSES, /**< ADDRESS_LIST that may be empty */
    ZM_RULE_MAILBOX,   /**< one, no group */
    ZM_RULE_MAILBOX_LIST,
    ZM_RULE_AMAILBOX_LIST, /**< MAILBOX_LIST that allows "<>" */
    ZM_RULE_ROUTE_ADDRESS, /**< without phrase and angle brackets */
    ZM_RULE_LIST_LINE,     /**< a line of an alias value, .forward or list file, see below */
    ZM_RULE_MESSAGE_ID,
    ZM_RULE_MESSAGE_ID_LIST,
    ZM_RULE_DOMAIN,
    ZM_RULE_WORD,      /**< one atom or string */
    ZM_RULE_PHRASE,    /**< one or more atoms and strings */
    ZM_RULE_ENCRYPTED, /**< one or two words */
    ZM_RULE_END
} zm_rule_t;

/*
 * ZM_RULE_LIST_LINE is ADDRESS_LIST with what aliases and lists are used to: a
 * backslash at the start of an element is dropped, and an element beginning
 * with "|", "/" or ":include:" reaches unquoted to the next comma or the end;
 * its pure address is then the text as it stands, blanks included.
 */

typedef enum zm_address_kind_t {
    ZM_ADDRESS_MAILBOX,
    ZM_ADDRESS_GROUP,     /**< "name:"; its mailboxes follow */
    ZM_ADDRESS_GROUP_END, /**< ";" and comments after it */
    ZM_ADDRESS_VALUE      /**< what the rules that are not about addresses yield */
} zm_address_kind_t;

typedef struct zm_address_t {
    struct zm_address_t *next;
    zm_address_kind_t kind;
    bool bad;                /**< some token has a problem, or end_problem is set */
    bool replaced;           /**< zm_address_replace changed the pure address */
    const char *end_problem; /**< what is missing behind the last token; null: nothing */
    zm_token_t *tokens;      /**< those of this item; separating commas belong to none */
    apr_size_t count;
    zm_str_t pure; /**< the address proper, no blanks, quotes kept; "" for "<>", groups and most bad
                      ones */
} zm_address_t;

typedef struct zm_address_list_t {
    zm_rule_t rule;
    zm_str_t text; /**< what was parsed; the offsets of tokens count in it */
    zm_address_t *first;
    unsigned mailboxes; /**< good items of kind MAILBOX or VALUE */
    unsigned bad;       /**< bad items */
} zm_address_list_t;

/**
 * Parses a value.  Never fails: what is wrong is in the items.  A value without
 * any token gives a bad item, but no item at all under ZM_RULE_ADDRESSES and
 * ZM_RULE_LIST_LINE.  The text must live as long as the pool.
 */
zm_address_list_t *zm_address_parse(zm_rule_t rule, zm_str_t text, apr_pool_t *pool);

/** The next good mailbox (or value) at or after an item; null at the end.  for (a = f(l->first); a;
 * a = f(a->next)) */
zm_address_t *zm_address_good(zm_address_t *item);

/**
 * The address as routing sees it: the pure address; when that is a single
 * quoted string, its contents without quotes and with backslash pairs undone.
 */
zm_str_t zm_address_plain(const zm_address_t *item, apr_pool_t *pool);

/**
 * Puts a rewritten address in the place of the pure one.  The same text as
 * zm_address_plain gave changes nothing.  ZM_E_SYNTAX, and no change, when text
 * is not a RouteAddress, with or without angle brackets; "" and "<>" are
 * accepted where the item stands in angle brackets or is bare "<>".
 */
apr_status_t zm_address_replace(zm_address_t *item, zm_str_t text, apr_pool_t *pool);

/** Makes a list of one mailbox: [phrase] <address> when a phrase is given, else the bare address
 * ("<>" if it is empty). */
zm_address_list_t *zm_address_make(zm_str_t phrase, zm_str_t address, apr_pool_t *pool);

/** Appends the item as it is printed in a header, without line breaks. */
void zm_address_add(zm_buf_t *buffer, const zm_address_t *item);
/** The whole list on one line, separators included; bad items as they stood. */
zm_str_t zm_address_list_text(const zm_address_list_t *list, apr_pool_t *pool);

/** The bytes of the input that an item covers, from its first token to its last. */
zm_str_t zm_address_source(const zm_address_list_t *list, const zm_address_t *item);

/** The display name: the phrase with quotes undone, else the first comment's inside, else "". */
zm_str_t zm_address_display_name(const zm_address_t *item, apr_pool_t *pool);

/** Splits a pure address at its last '@' outside quotes, after a source route: *local and *domain
 * ("" when none). */
void zm_address_split(zm_str_t pure, zm_str_t *local, zm_str_t *domain);

/** Reports the first problem of a bad item: its text and the offset in the list's text. */
const char *zm_address_problem(const zm_address_list_t *list, const zm_address_t *item,
                               apr_size_t *offset);

/** Rule by its name as in the headers relation, ignoring case ("AddressList", "-"); ZM_RULE_END:
 * unknown. */
zm_rule_t zm_rule_by_name(zm_str_t name);
const char *zm_rule_name(zm_rule_t rule);

#endif
