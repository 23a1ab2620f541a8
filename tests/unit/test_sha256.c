/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves SHA-256 by the examples of NIST's "Cryptographic Standards and Guidelines: Example
 * Values" (one and two blocks), and by what sha256sum(1) says of lengths around a block's end. */
#include "base/sha256.h"
#include "support/hex.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_hash(const void *data, size_t len, const char *expected)
{
    struct hex wanted = hex_make(expected);
    uint8_t out[SHA256_LEN];

    sha256(data, len, out);
    assert_int_equal(wanted.len, sizeof out);
    assert_memory_equal(out, wanted.data, sizeof out);
    free(wanted.data);
}

static void published_examples_come_out(void **state)
{
    static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";

    (void)state;
    assert_hash("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_hash(two_blocks, sizeof two_blocks - 1,
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    assert_hash(NULL, 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void each_length_around_a_block_comes_out(void **state)
{
    static const struct {
        size_t len;
        const char *expected;
    } cases[] = {
        {55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"},
        {56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"},
        {63, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34"},
        {64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"},
        {65, "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0"},
        {119, "31eba51c313a5c08226adf18d4a359cfdfd8d2e816b13f4af952f7ea6584dcfb"},
        {120, "2f3d335432c70b580af0e8e1b3674a7c020d683aa5f73aaaedfdc55af904c21c"},
        {1000, "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3"},
    };
    char data[1000];

    (void)state;
    memset(data, 'a', sizeof data);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_hash(data, cases[i].len, cases[i].expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_examples_come_out),
        cmocka_unit_test(each_length_around_a_block_comes_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
