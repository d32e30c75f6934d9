/* SPDX-License-Identifier: MIT */
/* A dump by QEMU, or a raw file: opened, judged, reported. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *path = fuzz_file(0, data, size);
	bool raw = size && data[size - 1] & 1;

	if (raw)
		fuzz_audit("--when", "now", "--raw", path, "--cr3", "0x1000", NULL);
	else
		fuzz_audit("--when", "now", "--json", "--explain", "0xffffffff80000000", "--dump",
			   path, NULL);
	return 0;
}
