/* SPDX-License-Identifier: MIT */
/* /init that powers off. */
#include "nolibc.h"

void program(void)
{
	for (;;)
		call6(SYS_reboot, (int)0xfee1dead, 672274793, 0x4321fedc, 0, 0, 0);
}
