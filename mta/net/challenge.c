#include "mta/net/challenge.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

void zm_challenge_answer(char answer[33], zm_str_t challenge, zm_str_t password)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0, i;
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    memset(answer, 0, 33);
    if (context != NULL && EVP_DigestInit_ex(context, EVP_md5(), NULL) == 1 &&
        EVP_DigestUpdate(context, challenge.data, challenge.length) == 1 &&
        EVP_DigestUpdate(context, password.data, password.length) == 1 &&
        EVP_DigestFinal_ex(context, digest, &length) == 1)
        for (i = 0; i < length && i < 16; i++)
            snprintf(answer + 2 * i, 3, "%02x", digest[i]);
    EVP_MD_CTX_free(context);
}
