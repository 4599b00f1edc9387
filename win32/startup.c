/*
 * In every program, before main: the standard streams pass bytes as they are.
 * The C library would otherwise turn LF into CR LF, which no protocol of ours
 * and no file format expects.
 */
#include <fcntl.h>
#include <io.h>

__attribute__((constructor)) static void make_streams_binary(void)
{
    int stream;
    for (stream = 0; stream <= 2; stream++)
        _setmode(stream, _O_BINARY);
}
