/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of texts, made by the compiler. */
#include "base/octets.h"

#define DIGIT(n) (char)('0' + (n) % 10)
#define OCTET(n)                                                                                   \
    {                                                                                              \
        {(n) > 99  ? DIGIT((n) / 100)                                                              \
         : (n) > 9 ? DIGIT((n) / 10)                                                               \
                   : DIGIT(n),                                                                     \
         (n) > 99  ? DIGIT((n) / 10)                                                               \
         : (n) > 9 ? DIGIT(n)                                                                      \
                   : '.',                                                                          \
         (n) > 99 ? DIGIT(n) : '.', '.'},                                                          \
            (n) > 99  ? 4                                                                          \
            : (n) > 9 ? 3                                                                          \
                      : 2                                                                          \
    }
#define OCTETS4(n)  OCTET(n), OCTET((n) + 1), OCTET((n) + 2), OCTET((n) + 3)
#define OCTETS16(n) OCTETS4(n), OCTETS4((n) + 4), OCTETS4((n) + 8), OCTETS4((n) + 12)
#define OCTETS64(n) OCTETS16(n), OCTETS16((n) + 16), OCTETS16((n) + 32), OCTETS16((n) + 48)
const struct octet_text octet_texts[256] = {OCTETS64(0), OCTETS64(64), OCTETS64(128),
                                            OCTETS64(192)};
