/* SPDX-License-Identifier: MIT */
/*
 * What the command line says to process 1, as in Linux: a word the kernel does not know becomes an
 * argument, with a "=" in it an environment variable, and so does each word behind "--" become an
 * argument. A key with a dot in it is meant for a module or a device and goes nowhere.
 */
#include "boot.h"
#include "init_args.h"
#include "printk.h"
#include "slab.h"

/* Ours, then Linux's own that people leave on the line: those have no meaning here. */
static const char *const known[] = {
	"console",
	"rdinit",
	"pti",
	"nopti",
	"nokaslr",
	"nox2apic",
	"maxcpus",
	"debug_syscalls",
	"debug_breakpoints",
	"debug_frames",
	"debug_mce_continue",
	"debug_nmi_iret",
	"unknown_nmi_panic",
	"acpi",
	"debug",
	"earlycon",
	"earlyprintk",
	"init",
	"initrd",
	"loglevel",
	"mitigations",
	"net",
	"nr_cpus",
	"panic",
	"quiet",
	"reboot",
	"ro",
	"root",
	"rootflags",
	"rootfstype",
	"rootwait",
	"rw",
};

static bool is_known(const char *word, size_t key)
{
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strlen(known[i]) == key && strncmp(word, known[i], key) == 0)
			return true;
	return memchr(word, '.', key) != NULL;
}

/* Removes the quotes that keep blanks together. */
static void unquote(char *s)
{
	char *to = s;

	for (; *s; s++)
		if (*s != '"')
			*to++ = *s;
	*to = 0;
}

static void set_env(struct init_args *a, char *word, size_t key)
{
	size_t i = 0;

	while (a->envp[i] && strncmp(a->envp[i], word, key + 1) != 0)
		i++;
	a->envp[i] = word;
}

static size_t count(char *const v[])
{
	size_t n = 0;

	while (v[n])
		n++;
	return n;
}

int init_args(struct init_args *a, const char *cmdline, char *const argv[], char *const envp[])
{
	size_t words = strlen(cmdline) / 2 + 2, nargs = count(argv), nenv = count(envp);
	char *line = kstrdup(cmdline), *word;
	bool rest = false;

	a->argv = kzalloc((nargs + words) * sizeof(*a->argv));
	a->envp = kzalloc((nenv + words) * sizeof(*a->envp));
	if (!line || !a->argv || !a->envp)
		return -ENOMEM;
	memcpy(a->argv, argv, nargs * sizeof(*argv));
	memcpy(a->envp, envp, nenv * sizeof(*envp));
	while ((word = cmdline_split(&line)) != NULL) {
		const char *equals = strchr(word, '=');
		size_t key = equals ? (size_t)(equals - word) : strlen(word);

		if (!rest && strcmp(word, "--") == 0) {
			rest = true;
			continue;
		}
		if (!rest && (key == 0 || is_known(word, key)))
			continue;
		unquote(word);
		if (!rest)
			printk("init: \"%s\" is no option of the kernel, passed to init\n", word);
		if (equals && !rest)
			set_env(a, word, key);
		else
			a->argv[nargs++] = word;
	}
	return 0;
}
