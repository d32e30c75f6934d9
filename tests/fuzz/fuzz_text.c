/* SPDX-License-Identifier: MIT */
/* What the monitor prints of registers, and the state of QEMU's devices. */
#include <stdlib.h>
#include <string.h>

#include "../../tools/audit/source.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source *s = calloc(1, sizeof(*s));
	char *text = malloc(size + 1);

	if (!s || !text)
		abort();
	memcpy(text, data, size);
	text[size] = 0;
	registers_parse(s, text);
	if (s->cpus > SOURCE_CPUS)
		abort();
	if (!s->cpus)
		s->cpus = 2;
	devstate_parse(s, data, size);
	free(text);
	free(s);
	return 0;
}
