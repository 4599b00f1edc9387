/* What only Unix files have: modes, links, FIFOs, small local socket addresses. */
#include <apr_strings.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/fs.h"
#include "platform/identity.h"
#include "platform/localsock.h"
#include "tests/unit/harness.h"

static const char *below(const char *name)
{
    return apr_pstrcat(zm_test_pool(), zm_test_directory(), "/", name, NULL);
}

static uint32_t mode_of(const char *name)
{
    zm_file_info_t info = {0};
    ZM_ASSERT_OK(zm_path_info(&info, NULL, below(name)));
    return info.mode;
}

static void umask_does_not_change_the_mode(void)
{
    zm_file_t *file;
    const char *directory = zm_test_directory();
    mode_t before = umask(077);
    ZM_ASSERT_OK(zm_file_open(&file, NULL, below("a"), ZM_OPEN_WRITE | ZM_OPEN_CREATE, 0664,
                              zm_test_pool()));
    ZM_ASSERT_OK(zm_file_open(&file, NULL, below("b"),
                              ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_EXCLUSIVE, 0600,
                              zm_test_pool()));
    ZM_ASSERT_OK(zm_dir_make(NULL, below("d"), 02775));
    ZM_ASSERT_OK(zm_dir_make(NULL, below("d/e"), 01777));
    umask(before);
    CU_ASSERT_PTR_NOT_NULL(directory);
    CU_ASSERT_EQUAL(mode_of("a"), 0664);
    CU_ASSERT_EQUAL(mode_of("b"), 0600);
    CU_ASSERT_EQUAL(mode_of("d"), 02775);
    CU_ASSERT_EQUAL(mode_of("d/e"), 03777); /* the group follows the parent, as in mkdir */
}

static void mode_of_an_existing_file_stays(void)
{
    zm_file_t *file;
    ZM_ASSERT_OK(zm_file_open(&file, NULL, below("a"), ZM_OPEN_WRITE | ZM_OPEN_CREATE, 0600,
                              zm_test_pool()));
    ZM_ASSERT_OK(zm_file_open(&file, NULL, below("a"), ZM_OPEN_WRITE | ZM_OPEN_CREATE, 0666,
                              zm_test_pool()));
    CU_ASSERT_EQUAL(mode_of("a"), 0600);
    ZM_ASSERT_OK(zm_file_set_mode(file, 0640));
    CU_ASSERT_EQUAL(mode_of("a"), 0640);
}

static void links_are_followed_only_when_asked(void)
{
    zm_file_t *file;
    zm_dir_t *directory;
    char *data;
    apr_size_t length;
    ZM_ASSERT_OK(zm_file_open(&file, NULL, below("a"), ZM_OPEN_WRITE | ZM_OPEN_CREATE, 0600,
                              zm_test_pool()));
    ZM_ASSERT_OK(zm_dir_make(NULL, below("d"), 0755));
    CU_ASSERT_EQUAL(symlink("a", below("to_a")), 0);
    CU_ASSERT_EQUAL(symlink("none", below("to_none")), 0);
    CU_ASSERT_EQUAL(symlink("d", below("to_d")), 0);
    CU_ASSERT_EQUAL(zm_file_open(&file, NULL, below("to_a"), ZM_OPEN_READ, 0, zm_test_pool()),
                    ZM_E_UNSAFE);
    CU_ASSERT_EQUAL(zm_file_slurp(&data, &length, below("to_a"), 10, zm_test_pool()), ZM_E_UNSAFE);
    CU_ASSERT_TRUE(zm_file_open(&file, NULL, below("to_none"), ZM_OPEN_WRITE | ZM_OPEN_CREATE, 0600,
                                zm_test_pool()) != APR_SUCCESS);
    CU_ASSERT_TRUE(zm_dir_open(&directory, NULL, below("to_d"), zm_test_pool()) != APR_SUCCESS);
    ZM_ASSERT_OK(zm_dir_open(&directory, NULL, below("to_d/."), zm_test_pool()));
    ZM_ASSERT_OK(
        zm_file_open(&file, NULL, below("to_a"), ZM_OPEN_READ | ZM_OPEN_FOLLOW, 0, zm_test_pool()));
    ZM_ASSERT_OK(zm_dir_make_all(below("to_d/x"), 0755, zm_test_pool()));
    ZM_ASSERT_OK(zm_dir_make_all(below("to_d"), 0755, zm_test_pool()));
}

static void path_info_describes_the_link_itself(void)
{
    zm_file_info_t info;
    CU_ASSERT_EQUAL(symlink("none", below("l")), 0);
    ZM_ASSERT_OK(zm_path_info(&info, NULL, below("l")));
    CU_ASSERT_EQUAL(info.kind, ZM_FILE_SYMLINK);
}

static void fifo_does_not_make_an_open_wait(void)
{
    zm_file_t *file;
    zm_file_info_t info;
    CU_ASSERT_EQUAL(mkfifo(below("f"), 0600), 0);
    ZM_ASSERT_OK(zm_file_open(&file, NULL, below("f"), ZM_OPEN_READ, 0, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_info(&info, file));
    CU_ASSERT_EQUAL(info.kind, ZM_FILE_OTHER);
    ZM_ASSERT_OK(zm_file_close(file));
    CU_ASSERT_TRUE(zm_file_open(&file, NULL, below("f"), ZM_OPEN_WRITE, 0, zm_test_pool()) !=
                   APR_SUCCESS);
}

static void descriptors_are_closed_on_exec(void)
{
    zm_file_t *file, *adopted;
    int copy;
    ZM_ASSERT_OK(zm_file_open(&file, NULL, below("a"),
                              ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_APPEND, 0600,
                              zm_test_pool()));
    CU_ASSERT_TRUE((fcntl(zm_file_descriptor(file), F_GETFD) & FD_CLOEXEC) != 0);
    copy = dup(zm_file_descriptor(file));
    ZM_ASSERT_OK(zm_file_adopt(&adopted, copy, zm_test_pool()));
    CU_ASSERT_TRUE((fcntl(copy, F_GETFD) & FD_CLOEXEC) != 0);
    ZM_ASSERT_OK(zm_file_append(adopted, "x", 1)); /* it knows that it appends */
    ZM_ASSERT_OK(zm_file_close(adopted));
    CU_ASSERT_TRUE(fcntl(copy, F_GETFD) < 0);
    CU_ASSERT_TRUE(zm_file_adopt(&adopted, copy, zm_test_pool()) != APR_SUCCESS);
}

static void no_file_size_signal(int number)
{
    (void)number;
}

/* A limit of the file size stands for a full disk: the part that fits would be written. */
static void short_append_is_cut_back(void)
{
    struct rlimit before, small;
    zm_file_t *file;
    zm_file_info_t info;
    ZM_ASSERT_OK(zm_file_open(&file, NULL, below("a"),
                              ZM_OPEN_WRITE | ZM_OPEN_CREATE | ZM_OPEN_APPEND, 0600,
                              zm_test_pool()));
    ZM_ASSERT_OK(zm_file_append(file, "12345", 5));
    signal(SIGXFSZ, no_file_size_signal);
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 8;
    setrlimit(RLIMIT_FSIZE, &small);
    CU_ASSERT_TRUE(APR_STATUS_IS_ENOSPC(zm_file_append(file, "67890", 5)));
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_DFL);
    ZM_ASSERT_OK(zm_file_info(&info, file));
    CU_ASSERT_EQUAL(info.size, 5);
    ZM_ASSERT_OK(zm_file_append(file, "67890", 5));
}

/* -- local sockets --------------------------------------------------------------------- */

static void endpoint_has_its_mode_whatever_the_umask(void)
{
    apr_socket_t *socket;
    const char *path = below("n");
    mode_t before = umask(0577);
    ZM_ASSERT_OK(zm_localsock_datagram_bind(&socket, path, 0622, zm_test_pool(), NULL));
    umask(before);
    CU_ASSERT_EQUAL(mode_of("n"), 0622);
}

static void file_in_the_place_of_an_endpoint_is_not_replaced(void)
{
    apr_socket_t *socket;
    zm_file_t *file;
    ZM_ASSERT_OK(zm_file_open(&file, NULL, below("n"), ZM_OPEN_WRITE | ZM_OPEN_CREATE, 0600,
                              zm_test_pool()));
    CU_ASSERT_EQUAL(zm_localsock_datagram_bind(&socket, below("n"), 0622, zm_test_pool(), NULL),
                    ZM_E_UNSAFE);
    CU_ASSERT_EQUAL(symlink("elsewhere", below("l")), 0);
    CU_ASSERT_EQUAL(zm_localsock_listen(&socket, below("l"), 0622, zm_test_pool(), NULL),
                    ZM_E_UNSAFE);
}

static void path_longer_than_an_address_works_on_linux(void)
{
#ifdef __linux__
    apr_socket_t *socket, *client, *listener;
    char text[5];
    apr_size_t length = sizeof text;
    const char *directory =
        below("0123456789012345678901234567890123456789012345678901234567890123456789"
              "012345678901234567890123456789012345678901234567890123456789");
    const char *path = apr_pstrcat(zm_test_pool(), directory, "/n", NULL);
    const char *stream = apr_pstrcat(zm_test_pool(), directory, "/s", NULL);
    ZM_ASSERT_OK(zm_dir_make(NULL, directory, 0755));
    ZM_ASSERT_OK(zm_localsock_datagram_bind(&socket, path, 0622, zm_test_pool(), NULL));
    ZM_ASSERT_OK(zm_localsock_datagram_send(path, "x", 1));
    ZM_ASSERT_OK(zm_localsock_datagram_receive(socket, text, &length));
    ZM_ASSERT_OK(zm_localsock_listen(&listener, stream, 0600, zm_test_pool(), NULL));
    ZM_ASSERT_OK(zm_localsock_connect(&client, stream, zm_test_pool()));
#endif
}

/* A daemon that accepts nobody must not stop those who call it. */
static void full_backlog_does_not_make_connecting_wait(void)
{
    apr_socket_t *listener, *client;
    apr_status_t status = APR_SUCCESS;
    int i;
    ZM_ASSERT_OK(zm_localsock_listen(&listener, below("b"), 0600, zm_test_pool(), NULL));
    ZM_ASSERT_OK(apr_socket_listen(listener, 1));
    alarm(120); /* or this test would never end */
    for (i = 0; i < 100 && status == APR_SUCCESS; i++)
        status = zm_localsock_connect(&client, below("b"), zm_test_pool());
    alarm(0);
    CU_ASSERT_TRUE(status != APR_SUCCESS);
#ifdef __linux__
    CU_ASSERT_TRUE(APR_STATUS_IS_EAGAIN(status));
#endif
}

static void open_file_travels_over_a_stream(void)
{
    apr_socket_t *pair[2];
    zm_file_t *file, *received;
    char text[20];
    apr_size_t length = sizeof text;
    int descriptor = -2;
    ZM_ASSERT_OK(zm_localsock_pair(pair, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_open(&file, NULL, below("a"),
                              ZM_OPEN_READ | ZM_OPEN_WRITE | ZM_OPEN_CREATE, 0600, zm_test_pool()));
    ZM_ASSERT_OK(zm_file_write_at(file, 0, "inside", 6));
    ZM_ASSERT_OK(zm_localsock_send_file(pair[0], "here", 4, zm_file_descriptor(file)));
    ZM_ASSERT_OK(zm_localsock_receive_file(pair[1], text, &length, &descriptor));
    CU_ASSERT_EQUAL(length, 4);
    CU_ASSERT_TRUE(descriptor >= 0);
    ZM_ASSERT_OK(zm_file_adopt(&received, descriptor, zm_test_pool()));
    length = sizeof text;
    ZM_ASSERT_OK(zm_file_read_at(received, 0, text, &length));
    CU_ASSERT_EQUAL(memcmp(text, "inside", 6), 0);
    CU_ASSERT_EQUAL(zm_localsock_send_file(pair[0], "", 0, descriptor), APR_EINVAL);
}

static void an_answer_without_a_file_is_sent_too(void)
{
    apr_socket_t *pair[2];
    char text[20];
    apr_size_t length = sizeof text;
    int descriptor = -2;
    ZM_ASSERT_OK(zm_localsock_pair(pair, zm_test_pool()));
    ZM_ASSERT_OK(zm_localsock_send_file(pair[0], "none", 4, -1));
    ZM_ASSERT_OK(zm_localsock_receive_file(pair[1], text, &length, &descriptor));
    CU_ASSERT_EQUAL(length, 4);
    CU_ASSERT_EQUAL(descriptor, -1);
}

static void plain_data_comes_without_a_file(void)
{
    apr_socket_t *pair[2];
    char text[20];
    apr_size_t length = 3;
    int descriptor = -2;
    ZM_ASSERT_OK(zm_localsock_pair(pair, zm_test_pool()));
    ZM_ASSERT_OK(apr_socket_send(pair[0], "abc", &length));
    length = sizeof text;
    ZM_ASSERT_OK(zm_localsock_receive_file(pair[1], text, &length, &descriptor));
    CU_ASSERT_EQUAL(descriptor, -1);
    length = sizeof text;
    CU_ASSERT_TRUE(
        APR_STATUS_IS_EAGAIN(zm_localsock_receive_file(pair[1], text, &length, &descriptor)));
    apr_socket_close(pair[0]);
    length = sizeof text;
    CU_ASSERT_EQUAL(zm_localsock_receive_file(pair[1], text, &length, &descriptor), APR_EOF);
}

static void peer_has_our_process_number(void)
{
    apr_socket_t *pair[2];
    zm_credentials_t who;
    apr_int64_t pid = 0;
    ZM_ASSERT_OK(zm_localsock_pair(pair, zm_test_pool()));
    ZM_ASSERT_OK(zm_identity_peer(&who, &pid, pair[0]));
    CU_ASSERT_EQUAL(who.gid, (zm_uid_t)getegid());
    CU_ASSERT_TRUE(pid == getpid() || pid == 0);
}

ZM_TESTS("fs_posix", ZM_TEST(umask_does_not_change_the_mode),
         ZM_TEST(mode_of_an_existing_file_stays), ZM_TEST(links_are_followed_only_when_asked),
         ZM_TEST(path_info_describes_the_link_itself), ZM_TEST(fifo_does_not_make_an_open_wait),
         ZM_TEST(descriptors_are_closed_on_exec), ZM_TEST(short_append_is_cut_back),
         ZM_TEST(endpoint_has_its_mode_whatever_the_umask),
         ZM_TEST(file_in_the_place_of_an_endpoint_is_not_replaced),
         ZM_TEST(path_longer_than_an_address_works_on_linux),
         ZM_TEST(full_backlog_does_not_make_connecting_wait),
         ZM_TEST(open_file_travels_over_a_stream), ZM_TEST(an_answer_without_a_file_is_sent_too),
         ZM_TEST(plain_data_comes_without_a_file), ZM_TEST(peer_has_our_process_number))
