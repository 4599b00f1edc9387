/* The statements that match: case, ssift and tsift. */

#include <apr_tables.h>
#include <string.h>

#include "mta/script/lexer.h"

/* -- case -------------------------------------------------------------------------- */

/* word { "|" word } ")" */
static bool read_patterns(zm_source_t *lexer, zm_words_t *patterns)
{
    apr_array_header_t *words = apr_array_make(lexer->unit->pool, 1, sizeof(zm_word_t *));
    for (;;) {
        zm_word_t *word;
        zm_lex_blanks(lexer);
        if (zm_lex_peek(lexer) != ZM_OP_NONE)
            return zm_lex_unexpected(lexer, "a pattern or \"esac\"");
        word = zm_parse_word(lexer, ZM_WORD_PATTERN);
        if (word == NULL)
            return false;
        *(zm_word_t **)apr_array_push(words) = word;
        zm_lex_blanks(lexer);
        if (zm_lex_peek(lexer) != ZM_OP_PIPE)
            break;
        lexer->at++;
    }
    if (zm_lex_peek(lexer) != ZM_OP_RIGHT)
        return zm_lex_unexpected(lexer, "\")\" after the pattern");
    lexer->at++;
    patterns->words = (zm_word_t **)(void *)words->elts;
    patterns->count = (uint32_t)words->nelts;
    return true;
}

zm_node_t *zm_parse_case(zm_source_t *lexer)
{
    zm_node_t *node = zm_node_new(lexer, ZM_NODE_CASE);
    apr_array_header_t *arms = apr_array_make(lexer->unit->pool, 4, sizeof(zm_arm_t));
    zm_lex_blanks(lexer);
    if (zm_lex_peek(lexer) != ZM_OP_NONE) {
        zm_lex_unexpected(lexer, "a word");
        return NULL;
    }
    node->u.choice.subject = zm_parse_word(lexer, ZM_WORD_ARGUMENT);
    if (node->u.choice.subject == NULL)
        return NULL;
    zm_lex_lines(lexer);
    if (!zm_lex_expect(lexer, ZM_KEY_IN))
        return NULL;
    zm_lex_lines(lexer);
    while (!lexer->failed && zm_lex_keyword(lexer) != ZM_KEY_ESAC) {
        zm_arm_t arm = {0};
        if (!read_patterns(lexer, &arm.patterns))
            return NULL;
        arm.body = zm_parse_list(lexer);
        if (lexer->failed)
            return NULL;
        *(zm_arm_t *)apr_array_push(arms) = arm;
        if (zm_lex_peek(lexer) == ZM_OP_DOUBLE_SEMICOLON)
            lexer->at += 2;
        zm_lex_lines(lexer);
    }
    if (!zm_lex_expect(lexer, ZM_KEY_ESAC))
        return NULL;
    node->u.choice.arms = (zm_arm_t *)(void *)arms->elts;
    node->u.choice.count = (uint32_t)arms->nelts;
    return node;
}

/* -- sifts -------------------------------------------------------------------------- */

/* Reads a label raw: up to a blank or newline, quotes removed. */
static bool read_label(zm_source_t *lexer, zm_buf_t *text, bool *dynamic, bool *bare)
{
    *dynamic = false;
    *bare = true;
    while (lexer->at < lexer->end && *lexer->at != '\n' && !zm_lex_is_blank(lexer, *lexer->at)) {
        char c = *lexer->at;
        const char *close;
        if (c != '\'' && c != '"') {
            *dynamic = *dynamic || c == '$';
            zm_buf_add_byte(text, c);
            lexer->at++;
            continue;
        }
        *bare = false;
        for (close = lexer->at + 1; close < lexer->end && *close != c && *close != '\n';)
            close++;
        if (close >= lexer->end || *close == '\n')
            return zm_lex_fail_at(lexer, lexer->at, "the quote %c in the label is not closed", c);
        zm_buf_add(text, lexer->at + 1, (apr_size_t)(close - lexer->at - 1));
        lexer->at = close + 1;
    }
    return true;
}

static bool has_effects(const zm_word_t *word)
{
    uint32_t i;
    for (i = 0; i < word->count; i++)
        if (word->parts[i].kind == ZM_PART_COMMAND || word->parts[i].kind == ZM_PART_PARAMETER)
            return true;
    return false;
}

/* A label with a dollar sign: what stands before the first blank is scanned for expansions. */
static bool make_dynamic(zm_source_t *lexer, zm_label_t *label, unsigned line)
{
    zm_source_t inner;
    zm_str_t text = label->text;
    apr_size_t i;
    for (i = 0; i < text.length && !zm_is_blank(text.data[i]);)
        i++;
    text.length = i;
    zm_lex_inner(&inner, lexer, text, line);
    label->word = zm_parse_text(&inner, true);
    if (!zm_lex_inner_done(lexer, &inner))
        return false;
    if (zm_word_literal(label->word, &text)) {
        label->text = text;
        label->word = NULL;
        return true;
    }
    label->effects = has_effects(label->word);
    return true;
}

static bool is_misplaced(zm_str_t text)
{
    static const char *const words[] = {"done", "elif", "else", "esac", "fi", "in"};
    apr_size_t i;
    for (i = 0; i < sizeof words / sizeof words[0]; i++)
        if (zm_str_equal_c(text, words[i]))
            return true;
    return false;
}

typedef enum zm_label_kind_t { LABEL_BAD, LABEL_ARM, LABEL_END } zm_label_kind_t;

static zm_label_kind_t next_label(zm_source_t *lexer, zm_label_t *label, bool tokens)
{
    zm_buf_t text = ZM_BUF_INIT;
    const char *place;
    unsigned line;
    bool dynamic, bare, read;
    zm_lex_lines(lexer);
    if (lexer->failed)
        return LABEL_BAD;
    place = lexer->at;
    line = zm_lex_line(lexer);
    if (place >= lexer->end) {
        zm_lex_fail_at(lexer, place, "the sift lacks its \"%s\"", tokens ? "tfist" : "tfiss");
        return LABEL_BAD;
    }
    read = read_label(lexer, &text, &dynamic, &bare);
    *label = (zm_label_t){.text = zm_str_copy(lexer->unit->pool, zm_buf_str(&text))};
    zm_buf_free(&text);
    if (!read)
        return LABEL_BAD;
    if (bare && zm_str_equal_c(label->text, tokens ? "tfist" : "tfiss"))
        return LABEL_END;
    if (bare &&
        (zm_str_equal_c(label->text, tokens ? "tfiss" : "tfist") || is_misplaced(label->text))) {
        zm_lex_fail_at(lexer, place, "unexpected \"%.*s\", expected a label or \"%s\"",
                       (int)label->text.length, label->text.data, tokens ? "tfist" : "tfiss");
        return LABEL_BAD;
    }
    return dynamic && !make_dynamic(lexer, label, line) ? LABEL_BAD : LABEL_ARM;
}

zm_node_t *zm_parse_sift(zm_source_t *lexer)
{
    zm_node_t *node = zm_node_new(lexer, ZM_NODE_SIFT);
    zm_sift_t *sift = &node->u.sift;
    apr_array_header_t *labels = apr_array_make(lexer->unit->pool, 8, sizeof(zm_label_t));
    sift->tokens = *lexer->at == 't';
    sift->unit = lexer->unit;
    sift->line = node->line;
    lexer->at += 5;
    zm_lex_blanks(lexer);
    if (zm_lex_peek(lexer) != ZM_OP_NONE) {
        zm_lex_unexpected(lexer, "a word");
        return NULL;
    }
    sift->subject = zm_parse_word(lexer, ZM_WORD_ARGUMENT);
    if (sift->subject == NULL)
        return NULL;
    zm_lex_lines(lexer);
    if (!zm_lex_expect(lexer, ZM_KEY_IN))
        return NULL;
    for (;;) {
        zm_label_t label;
        zm_label_kind_t kind = next_label(lexer, &label, sift->tokens);
        if (kind == LABEL_BAD)
            return NULL;
        if (kind == LABEL_END)
            break;
        label.body = zm_parse_list(lexer);
        if (lexer->failed)
            return NULL;
        if (zm_lex_peek(lexer) != ZM_OP_DOUBLE_SEMICOLON) {
            zm_lex_unexpected(lexer, "\";;\" after the commands of the label");
            return NULL;
        }
        lexer->at += 2;
        *(zm_label_t *)apr_array_push(labels) = label;
    }
    sift->labels = (zm_label_t *)(void *)labels->elts;
    sift->count = (uint32_t)labels->nelts;
    return node;
}
