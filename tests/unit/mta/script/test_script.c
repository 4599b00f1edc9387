/* The interface to C: lifetimes, calls, limits, errors, attributes, signals, tracing. */

#include "tests/unit/harness.h"

#include <apr_strings.h>
#include <stdlib.h>

#include "mta/map/map.h"
#include "mta/script/script.h"
#include "platform/fs.h"

static zm_buf_t printed;

static void collect(void *baton, int stream, const char *data, apr_size_t length)
{
    (void)baton;
    (void)stream;
    zm_buf_add(&printed, data, length);
}

static zm_script_t *make_with(const zm_script_options_t *options)
{
    zm_script_t *script;
    ZM_ASSERT_OK(zm_script_create(&script, options, zm_test_pool()));
    zm_script_set_output(script, 1, collect, NULL);
    zm_script_set_output(script, 2, collect, NULL);
    zm_script_set_input(script, NULL, 0);
    zm_buf_clear(&printed);
    return script;
}

static zm_script_t *make(void)
{
    return make_with(NULL);
}

static void run(zm_script_t *script, const char *text)
{
    zm_error_t error = {0};
    ZM_ASSERT_OK(zm_script_run(script, zm_str(text), "test", NULL, &error));
}

/* The printed form of what a function returns. */
static const char *call(zm_script_t *script, const char *name, const char *argument)
{
    zm_script_result_t result;
    zm_error_t error = {0};
    zm_buf_t text = ZM_BUF_INIT;
    const char *kept;
    zm_value_t value = zm_value_of(zm_str(argument));
    if (zm_script_call(script, name, &value, argument != NULL, &result, &error) != APR_SUCCESS)
        return apr_pstrdup(zm_test_pool(), error.text);
    if (!result.has_value)
        return apr_psprintf(zm_test_pool(), "status %d", result.status);
    zm_value_print(result.value, &text);
    kept = apr_pstrdup(zm_test_pool(), zm_buf_c(&text));
    zm_buf_free(&text);
    return kept;
}

static void a_call_returns_value_and_status(void)
{
    zm_script_t *script = make();
    run(script, "f (a) { echo text; return ((chan \"$a\") x) }; g () { return 3 }; h () { :; }");
    ZM_ASSERT_STR(call(script, "f", "u@h"), "((chan u@h) x)");
    ZM_ASSERT_STR(zm_buf_c(&printed), "text\n");
    ZM_ASSERT_STR(call(script, "g", NULL), "status 3");
    ZM_ASSERT_STR(call(script, "h", NULL), "status 0");
    ZM_ASSERT_STR(call(script, "car", "x"), "x");
    ZM_ASSERT_STR(call(script, "nosuch", NULL), "the configuration has no function \"nosuch\"");
}

static void globals_survive_scopes_and_locals_do_not(void)
{
    zm_script_t *script = make();
    int i;
    run(script, "set_it (v) { local l; l=$v; kept=($kept $v); lappend seen x; }; seen=(); kept=()");
    for (i = 0; i < 3; i++) {
        zm_script_begin(script);
        call(script, "set_it", "abc");
        zm_script_end(script);
    }
    run(script, "grind $kept; grind $seen; echo \"[$l]\"");
    ZM_ASSERT_STR(zm_buf_c(&printed), "(((nil abc) abc) abc)\n(x x x)\n[]\n");
}

static void a_value_kept_by_two_variables_survives(void)
{
    zm_script_t *script = make();
    run(script, "a=(x (y z)); b=$a; c=$(cdr $a)");
    run(script, "a=changed");
    run(script, "unset nothing; d=$b; b=1");
    run(script, "grind $a $b $c $d");
    ZM_ASSERT_STR(zm_buf_c(&printed), "changed 1 ((y z)) (x (y z))\n");
}

static void gensym_restarts_with_each_scope_and_leaves_nothing(void)
{
    zm_script_t *script = make();
    zm_value_t value;
    run(script, "f () { gensym; gensym; }; x=$(gensym); eval $x=\"(a b)\"");
    zm_script_begin(script);
    call(script, "f", NULL);
    CU_ASSERT(zm_script_get(script, ZM_S("g2"), &value));
    zm_script_end(script);
    CU_ASSERT(!zm_script_get(script, ZM_S("g2"), &value));
    zm_script_begin(script);
    value = zm_script_gensym(script, ZM_VALUE_NIL);
    CU_ASSERT(zm_str_equal_c(zm_value_str(value), "g1"));
    zm_script_set_attribute(script, zm_value_str(value), ZM_S("type"), ZM_VALUE("sender"));
    zm_script_set_attribute(script, zm_value_str(value), ZM_S("privilege"), ZM_VALUE("6"));
    zm_script_set_attribute(script, zm_value_str(value), ZM_S("type"), ZM_VALUE("recipient"));
    ZM_ASSERT_STR(call(script, "get", "g1"), "status 1");
    run(script, "grind $g1");
    CU_ASSERT(zm_script_attribute(script, ZM_S("g1"), ZM_S("privilege"), &value));
    CU_ASSERT(!zm_script_attribute(script, ZM_S("g1"), ZM_S("none"), &value));
    CU_ASSERT(strstr(zm_buf_c(&printed), "(type recipient privilege 6)\n") != NULL);
    zm_script_end(script);
    run(script, "grind $x $g0 $(gensym); y=$g1");
    CU_ASSERT(strstr(zm_buf_c(&printed), "\ng0 (a b) g1\n") != NULL); /* made as it loaded: stays */
    CU_ASSERT(zm_script_get(script, ZM_S("g1"), &value));
}

static void a_temporary_failure_is_told_and_cleared(void)
{
    zm_script_t *script = make();
    zm_script_begin(script);
    zm_script_defer(script, "NS:a.test/mx");
    run(script, "echo \"$defer\"; [ \"$defer\" ] && echo deferred");
    ZM_ASSERT_STR(zm_buf_c(&printed), "NS:a.test/mx\ndeferred\n");
    zm_script_defer_clear(script);
    CU_ASSERT(zm_script_deferred(script).length == 0);
    zm_script_end(script);
}

static void a_syntax_error_runs_nothing_and_names_the_place(void)
{
    zm_script_t *script = make();
    zm_error_t error = {0};
    CU_ASSERT(zm_script_run(script, ZM_S("echo never\nif true; fi\n"), "file.cf", NULL, &error) ==
              ZM_E_SYNTAX);
    ZM_ASSERT_STR(error.text, "\"file.cf\", line 2, column 10: unexpected \"fi\", expected then");
    ZM_ASSERT_STR(zm_buf_c(&printed),
                  "\"file.cf\", line 2, column 10: unexpected \"fi\", expected then\n"
                  "         v\nif true; fi\n");
    CU_ASSERT(zm_script_run(script, zm_str_of("a\0b", 3), "file.cf", NULL, &error) == ZM_E_SYNTAX);
    CU_ASSERT(APR_STATUS_IS_ENOENT(zm_script_source(script, "/nonexistent/x", NULL, &error)));
}

static void exit_stops_and_runs_its_trap(void)
{
    zm_script_t *script = make();
    zm_error_t error = {0};
    CU_ASSERT(zm_script_run(script, ZM_S("trap 'echo bye' 0; f () { x=$(exit 4); }; f; echo never"),
                            "test", NULL, &error) == ZM_E_STOPPED);
    CU_ASSERT_EQUAL(zm_script_exit_status(script), 4);
    zm_script_run_exit_trap(script);
    zm_script_run_exit_trap(script);
    ZM_ASSERT_STR(zm_buf_c(&printed), "bye\n");
    run(script, "echo usable");
}

/* -- limits ----------------------------------------------------------------------------- */

static void expect_limit(const char *text, const char *reason)
{
    zm_script_options_t options = {.limits = {.steps = 100000, .memory = 4 << 20, .depth = 60}};
    zm_script_t *script = make_with(&options);
    zm_error_t error = {0};
    apr_status_t status = zm_script_run(script, zm_str(text), "test", NULL, &error);
    if (status != ZM_E_LIMIT || strstr(error.text, reason) == NULL)
        printf("%s: %d %s\n", text, status, error.text);
    CU_ASSERT(status == ZM_E_LIMIT);
    CU_ASSERT(strstr(error.text, reason) != NULL);
    zm_buf_clear(&printed);
    run(script, "x=1; echo alive");
    ZM_ASSERT_STR(zm_buf_c(&printed), "alive\n");
}

static void hostile_scripts_end_with_a_reason(void)
{
    expect_limit("while :; do :; done", "steps");
    expect_limit("for i in a; do while true; do x=$i; done; done", "steps");
    expect_limit("f () { f; }; f", "nested");
    expect_limit("f () { x=$(f); }; f", "nested");
    expect_limit("f () { eval f; }; f", "nested");
    expect_limit("x=abcdefgh; while :; do x=$x$x; done", "memory");
    expect_limit("l=(a b); while :; do l=($l $l); done", "nested");
    expect_limit("l=(a); while :; do lappend l $l; done", "memory");
    expect_limit("x=$(while :; do echo abcdefghijklmnopqrstuvwxyz; done)", "");
    expect_limit(
        "while :; do echo abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmno; "
        "done | read x",
        "");
    expect_limit("f () { local a b c; f (a); f \"$a$b\"; }; f () { { { { f; }; }; }; }; f", "");
    expect_limit("f () { ( f ); }; f", "nested");
    expect_limit("f () { for i in 1; do ssift x in\nx\tf ;;\ntfiss\ndone; }; f", "nested");
}

static void hostile_nesting_is_a_syntax_error(void)
{
    static const char *const pieces[] = {"(",      "{ ",    "$(",    "`",    "x=(",
                                         "if ",    "((",    "${x-",  "\"$(", "case x in x) ",
                                         "while ", "f () ", "a && ", "a | ", "!("};
    apr_size_t i;
    for (i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        zm_script_t *script = make();
        zm_buf_t text = ZM_BUF_INIT;
        zm_error_t error = {0};
        apr_status_t status;
        int n;
        for (n = 0; n < 20000; n++)
            zm_buf_add_c(&text, pieces[i]);
        status = zm_script_run(script, zm_buf_str(&text), "hostile", NULL, &error);
        zm_buf_free(&text);
        if (status != ZM_E_SYNTAX && status != APR_SUCCESS && status != ZM_E_LIMIT)
            printf("%s: %d %s\n", pieces[i], status, error.text);
        CU_ASSERT(status == ZM_E_SYNTAX || status == APR_SUCCESS || status == ZM_E_LIMIT);
    }
}

static void endless_rewriting_leaves_the_sift(void)
{
    zm_script_t *script = make();
    run(script, "x=a; ssift \"$x\" in\n.*\tcontinue ;;\ntfiss\necho left");
    CU_ASSERT(strstr(zm_buf_c(&printed), "10000 times") != NULL);
    CU_ASSERT(strstr(zm_buf_c(&printed), "left") != NULL);
}

static void hostile_patterns_give_up(void)
{
    zm_script_t *script = make();
    zm_buf_t text = ZM_BUF_INIT;
    int i;
    zm_buf_add_c(&text, "s=");
    for (i = 0; i < 3000; i++)
        zm_buf_add_c(&text, "a.");
    zm_buf_add_c(&text, "\nssift \"$s\" in\n(a|.|a.|.a)*(a.)*(.*)(.*)x\\1\techo never ;;\ntfiss\n"
                        "tsift \"$s\" in\n(.*)(.*)(.*)(.*)x\techo never ;;\ntfist\necho done");
    run(script, zm_buf_c(&text));
    zm_buf_free(&text);
    CU_ASSERT(strstr(zm_buf_c(&printed), "done\n") != NULL);
    CU_ASSERT(strstr(zm_buf_c(&printed), "never") == NULL);
}

static void long_loops_give_memory_back(void)
{
    static const char text[] =
        "kept=(a (b c)); text=start; n=; other=$kept\n"
        "f () {\n"
        "  local l last\n"
        "  l=(x y); last=none\n"
        "  while [ $# -gt 0 ]; do\n"
        "    last=\"$1-$last\"; case $last in *-*-*-*) last=$1 ;; esac\n"
        "    l=($1 $(car $l) $(elements $kept)); shift\n"
        "  done\n"
        "  returns ($last $(car $l))\n"
        "}\n"
        "for i in 1 2 3 4 5 6 7 8 9 10; do\n"
        "  for j in 1 2 3 4 5 6 7 8 9 10; do\n"
        "    for k in 1 2 3 4 5 6 7 8 9 10; do\n"
        "      text=$i$j$k; copy=$text; lappend kept $k; kept=$(cdr $kept)\n"
        "      set $i $j $k $text; t=\"$@\"; unset gone; gone=$t\n"
        "      x=$(f \"$@\"); y=$x temporary=$(f a b) f $x > $sink\n"
        "      case $k in 5) eval \"g () { returns \\\"g$text\\\"; }\"; ( kept=lost; n=$n$n; for q "
        "in 1 2 3; do n=$q; done ) ;; esac\n"
        "    done\n"
        "    n=x$n\n"
        "  done\n"
        "done\n"
        "grind $text $copy $t $x $(g) $gone $other $#kept; echo $n | read m; echo $m";
    zm_script_options_t options = {.limits = {.memory = 1 << 20}};
    zm_script_t *script = make_with(&options);
    zm_buf_t expected = ZM_BUF_INIT;
    int i;
    zm_script_set_str(script, "sink",
                      zm_str(apr_pstrcat(zm_test_pool(), zm_test_directory(), "/sink", NULL)));
    run(script, text);
    zm_buf_add_c(&expected,
                 "101010 101010 '10 10 10 101010' (101010-10 101010) g10105 '10 10 10 101010' "
                 "(a (b c)) 2\n");
    for (i = 0; i < 100; i++)
        zm_buf_add_byte(&expected, 'x');
    zm_buf_add_byte(&expected, '\n');
    ZM_ASSERT_STR(zm_buf_c(&printed), zm_buf_c(&expected));
    zm_buf_clear(&printed);
    run(script, "grind $text $x $other $#kept");
    ZM_ASSERT_STR(zm_buf_c(&printed), "101010 (101010-10 101010) (a (b c)) 2\n");
    zm_buf_free(&expected);
}

/* -- built-ins, signals, tracing ---------------------------------------------------------- */

static int twice(zm_call_t *builtin)
{
    zm_script_result_t result;
    ZM_ASSERT_OK(zm_call_call(builtin, "f", builtin->args, builtin->count, &result));
    zm_call_return(builtin, result.value);
    zm_call_return(builtin, result.value);
    zm_call_return(builtin, zm_script_printf(builtin->script, "%s", (const char *)builtin->baton));
    return 0;
}

static int shout(zm_call_t *builtin)
{
    zm_str_t input = zm_call_read_all(builtin);
    zm_call_print(builtin, "%s %d %.*s\n", zm_call_arg_c(builtin, 0), (int)builtin->count,
                  (int)input.length, input.data);
    zm_call_complain(builtin, "complaint");
    return 9;
}

static void programs_add_commands(void)
{
    zm_script_t *script = make();
    zm_script_define(script, "twice", ZM_BUILTIN_LIST, twice, "baton");
    zm_script_define(script, "shout", ZM_BUILTIN_ARGV, shout, NULL);
    run(script, "f (a) { returns ($a) }; for i in $(twice v); do grind $i; done");
    run(script, "l=(x); echo in | shout a $l b; echo $?; twice z");
    ZM_ASSERT_STR(zm_buf_c(&printed),
                  "(v)\n(v)\nbaton\na 2 in\n\nshout: complaint\n9\n(z) (z) baton\n");
}

static void a_signal_runs_its_trap_between_commands(void)
{
    zm_script_t *script = make();
    run(script, "trap 'echo one' 1; trap 'echo sixteen; n=$#' 16");
    zm_script_signal(script, 16);
    zm_script_signal(script, 1);
    run(script, "false; echo $?");
    ZM_ASSERT_STR(zm_buf_c(&printed), "one\nsixteen\n1\n");
    zm_buf_clear(&printed);
    zm_script_hold_trap(script, 1, true);
    zm_script_signal(script, 1);
    run(script, "echo later");
    zm_script_run_traps(script);
    ZM_ASSERT_STR(zm_buf_c(&printed), "later\none\n");
}

static void trace(void *baton, zm_trace_t what, unsigned depth, zm_str_t name, zm_value_t value)
{
    zm_buf_t *seen = baton;
    zm_buf_printf(seen, "%d %u %.*s ", (int)what, depth, (int)name.length, name.data);
    zm_value_print(value, seen);
    zm_buf_add_byte(seen, '\n');
}

static void a_trace_tells_calls_lookups_and_results(void)
{
    zm_script_t *script = make();
    zm_buf_t seen = ZM_BUF_INIT;
    run(script, "relation -t incore R; db add R k v; f (a) { R \"$a\"; R none; returns ($a) }");
    zm_script_set_trace(script, ZM_TRACE_CALL | ZM_TRACE_RETURN | ZM_TRACE_LOOKUP, trace, &seen);
    call(script, "f", "k");
    ZM_ASSERT_STR(zm_buf_c(&seen), "1 1 f (k)\n4 1 R (k v)\n4 1 R (none nil)\n2 0 f (k)\n");
    zm_buf_free(&seen);
}

static void the_environment_is_imported_and_exported(void)
{
    static const char *const environment[] = {"A=1", "IFS=x", "PATH=/bin", NULL};
    zm_script_options_t options = {.environment = environment};
    zm_script_t *script = make_with(&options);
    run(script, "echo $A; unset A; echo \"[$A]\"; B=2; export B C; export; x=$(echo axb); echo $x");
    ZM_ASSERT_STR(zm_buf_c(&printed), "1\n[]\nB=2\nC=''\nPATH=/bin\naxb\n");
}

static void values_are_made_and_compared(void)
{
    zm_script_t *script = make();
    zm_value_t a, b, items[2];
    zm_script_begin(script);
    items[0] = zm_script_string_c(script, "x");
    items[1] = ZM_VALUE_NIL;
    a = zm_script_list(script, items, 2);
    b = zm_script_append(script, zm_script_append(script, ZM_VALUE_NIL, items[0]), ZM_VALUE_NIL);
    CU_ASSERT(zm_value_equal(a, b));
    CU_ASSERT(!zm_value_equal(a, zm_script_concat(script, a, b)));
    CU_ASSERT_EQUAL(zm_value_count(zm_script_concat(script, a, b)), 4);
    CU_ASSERT(zm_value_is_nil(zm_value_item(a, 7)));
    CU_ASSERT(zm_str_equal_c(zm_value_item_str(a, 0), "x"));
    zm_script_end(script);
}

static void incomplete_text_is_told_apart_with_option_s(void)
{
    zm_script_options_t options = {.flags = "s"};
    zm_script_t *script = make_with(&options);
    zm_error_t error = {0};
    CU_ASSERT(zm_script_run(script, ZM_S("if true\n"), "stdin", NULL, &error) == APR_EINCOMPLETE);
    CU_ASSERT(zm_script_run(script, ZM_S("echo 'a\n"), "stdin", NULL, &error) == APR_EINCOMPLETE);
    CU_ASSERT(zm_script_run(script, ZM_S("cat <<E\na\n"), "stdin", NULL, &error) ==
              APR_EINCOMPLETE);
    CU_ASSERT(zm_script_run(script, ZM_S("fi\n"), "stdin", NULL, &error) == ZM_E_SYNTAX);
    CU_ASSERT(strstr(zm_buf_c(&printed), "unexpected \"fi\"") != NULL);
}

/* -- the original's ways --------------------------------------------------------------------- */

static const char sifting[] = "inner () { local y; y=1\n"
                              "ssift \"$y\" in\n1 : ;;\ntfiss\n}\n"
                              "outer () { local x; x=a\n"
                              "ssift \"$x\" in\n"
                              "a x=b; inner ;;\n"
                              "b echo followed ;;\n"
                              "a echo stayed ;;\n"
                              "tfiss\n}\n"
                              "asked () { ssift `inner; echo 1` in\n1 echo on ;;\ntfiss\n}\n"
                              "outer; asked; echo end\n";

static void sifts_follow_their_subjects_unless_told_otherwise(void)
{
    zm_script_options_t old = {.old_sift = true};
    run(make(), sifting);
    ZM_ASSERT_STR(zm_buf_c(&printed), "followed\non\nend\n");
    run(make_with(&old), sifting);
    ZM_ASSERT_STR(zm_buf_c(&printed), "stayed\nend\n");
}

static void a_nested_sift_hides_assignments_from_the_old_one(void)
{
    static const char text[] = "x=a; z=1\nssift \"$x\" in\n"
                               "a ssift $z in\n1 x=b ;;\ntfiss ;;\n"
                               "b echo followed ;;\na echo stayed ;;\ntfiss\n"
                               "x=a\nssift \"$x\" in\na x=b ;;\nb echo plain ;;\ntfiss\n";
    zm_script_options_t old = {.old_sift = true};
    run(make(), text);
    ZM_ASSERT_STR(zm_buf_c(&printed), "followed\nplain\n");
    run(make_with(&old), text);
    ZM_ASSERT_STR(zm_buf_c(&printed), "stayed\nplain\n");
}

static void old_relations_miss_bare_keys_and_forget_what_was_covered(void)
{
    static const char *const types[] = {"unordered", "ordered"};
    const char *path = apr_pstrcat(zm_test_pool(), zm_test_directory(), "/keys", NULL);
    static const char data[] = ".d.test\tx!%0\nbare\nblank \nvalue v\n";
    unsigned i, old;
    zm_file_t *file;
    ZM_ASSERT_OK(zm_file_open(&file, NULL, path, ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_TRUNCATE,
                              0600, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, data, sizeof data - 1));
    zm_file_close(file);
    for (i = 0; i < 4; i++) {
        old = i % 2;
        zm_map_set_old(old ? ZM_MAP_OLD_KEYS | ZM_MAP_OLD_COVERED : 0);
        run(make(), apr_psprintf(zm_test_pool(),
                                 "relation -%% -s 5 -t %s -d pathalias -f %s r\n"
                                 "for k in bare blank value\ndo\n"
                                 "a=$(r $k) && echo \"$k=$a\"\ndone\nr a.d.test\nr a.d.test\n",
                                 types[i / 2], path));
        zm_map_set_old(0);
        ZM_ASSERT_STR(zm_buf_c(&printed), old ? "blank=\nvalue=v\nx!.a\nx!a.d.test\n"
                                              : "bare=\nblank=\nvalue=v\nx!.a\nx!.a\n");
    }
}

ZM_TESTS("script", ZM_TEST(a_call_returns_value_and_status),
         ZM_TEST(globals_survive_scopes_and_locals_do_not),
         ZM_TEST(a_value_kept_by_two_variables_survives),
         ZM_TEST(gensym_restarts_with_each_scope_and_leaves_nothing),
         ZM_TEST(a_temporary_failure_is_told_and_cleared),
         ZM_TEST(a_syntax_error_runs_nothing_and_names_the_place),
         ZM_TEST(exit_stops_and_runs_its_trap), ZM_TEST(hostile_scripts_end_with_a_reason),
         ZM_TEST(hostile_nesting_is_a_syntax_error), ZM_TEST(endless_rewriting_leaves_the_sift),
         ZM_TEST(hostile_patterns_give_up), ZM_TEST(long_loops_give_memory_back),
         ZM_TEST(programs_add_commands), ZM_TEST(a_signal_runs_its_trap_between_commands),
         ZM_TEST(a_trace_tells_calls_lookups_and_results),
         ZM_TEST(the_environment_is_imported_and_exported), ZM_TEST(values_are_made_and_compared),
         ZM_TEST(incomplete_text_is_told_apart_with_option_s),
         ZM_TEST(sifts_follow_their_subjects_unless_told_otherwise),
         ZM_TEST(a_nested_sift_hides_assignments_from_the_old_one),
         ZM_TEST(old_relations_miss_bare_keys_and_forget_what_was_covered))
