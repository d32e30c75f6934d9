/* SPDX-License-Identifier: MIT */
/* Files of the user's: two reports to compare, rules, an ELF with symbols. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *path = fuzz_file(0, data, size);

	fuzz_audit("--diff", path, path, NULL);
	/* Opened before the dump, which is none. */
	fuzz_audit("--allow", path, "--dump", path, NULL);
	fuzz_audit("--symbols", path, "--dump", path, NULL);
	return 0;
}
