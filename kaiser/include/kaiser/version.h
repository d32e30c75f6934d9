/* SPDX-License-Identifier: MIT */
/*
 * The version, by semver.org's rules. What a host may rely on within a major version, and what may
 * change at any time, is in docs/embedding.md, "What may change".
 */
#ifndef KAISER_VERSION_H
#define KAISER_VERSION_H

#define KAISER_VERSION_MAJOR 0
#define KAISER_VERSION_MINOR 1
#define KAISER_VERSION_PATCH 0

/* One number to compare with: KAISER_VERSION >= KAISER_VERSION_AT(0, 1, 0). */
#define KAISER_VERSION_AT(major, minor, patch) ((major)*1000000 + (minor)*1000 + (patch))
#define KAISER_VERSION \
	KAISER_VERSION_AT(KAISER_VERSION_MAJOR, KAISER_VERSION_MINOR, KAISER_VERSION_PATCH)

#endif
