/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The programs that take routes and no flows. The description of the one that is linked tells which
 * it is; daemon/ does the rest. */
#include "routes/program.h"

int main(int argc, char **argv)
{
    return daemon_main(argc, argv, &program);
}
