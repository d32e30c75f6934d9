/* SPDX-License-Identifier: MIT */
/* Batches for the stub: said one after the other, sent at once. */
#include <stdarg.h>
#include <string.h>

#include "storm.h"

void storm_say(struct storm *s, const char *format, ...)
{
	va_list args;

	if (s->packets == GDB_BATCH)
		return;
	va_start(args, format);
	vsnprintf(s->packet[s->packets++], sizeof(s->packet[0]), format, args);
	va_end(args);
}

void storm_say_monitor(struct storm *s, const char *command)
{
	char text[200] = "qRcmd,";
	size_t n = strlen(command);

	for (size_t i = 0; i < n && 8 + 2 * i < sizeof(text); i++)
		sprintf(text + 6 + 2 * i, "%02x", (unsigned char)command[i]);
	storm_say(s, "%s", text);
}

void storm_say_event(struct storm *s, const struct storm_event *e)
{
	for (unsigned i = 0; i < e->commands; i++)
		storm_say_monitor(s, e->command[i]);
	if (e->msi >= 0) {
		/* A message to the first local APIC: QEMU takes it at the address of a device's. */
		storm_say(s, "Qqemu.PhyMemMode:1");
		storm_say(s, "Mfee00000,4:%02x%02x0000", e->msi & 255, e->msi >> 8 & 255);
		storm_say(s, "Qqemu.PhyMemMode:0");
	}
}

int storm_send(struct storm *s)
{
	const char *list[GDB_BATCH];
	unsigned n = s->packets;

	for (unsigned i = 0; i < n; i++)
		list[i] = s->packet[i];
	s->packets = 0;
	return gdb_batch(&s->guest.g, list, n, s->o.timeout);
}

int storm_registers(struct storm *s)
{
	unsigned last = s->packets;

	storm_say(s, "g");
	if (storm_send(s) != 1)
		return 2;
	return storm_regs_parse(&s->here, s->guest.g.answer[last]) ? 0 : 2;
}
