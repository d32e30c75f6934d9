/* SPDX-License-Identifier: MIT */
/* The first serial port, a 16550. Output is polled, so that it works everywhere, in NMI handlers
 * too; the wait is bounded, so that a line nobody reads cannot stop the kernel. */
#include "apic.h"
#include "cpu.h"
#include "printk.h"

#define PORT     0x3f8
#define ISA_IRQ  4
#define DIVISOR  1 /* 115200 baud */
#define MAX_POLL 200000u

enum { THR = 0, RBR = 0, IER = 1, FCR = 2, LCR = 3, MCR = 4, LSR = 5 };

enum {
	IER_RX = 1,
	LCR_8N1 = 3,
	LCR_DLAB = 0x80,
	FCR_ON_CLEAR = 7,
	MCR_DTR_RTS_OUT2 = 0x0b, /* OUT2 lets the interrupt out of the chip */
	LSR_DATA = 1,
	LSR_THR_EMPTY = 0x20,
	LSR_IDLE = 0x40, /* the shift register too */
};

static bool absent;
static bool stuck; /* the last wait ran out: do not wait again until it moves */
static irq_handler *poll_fn HOT_DATA;

void serial_init(void)
{
	outb(PORT + IER, 0);
	outb(PORT + LCR, LCR_DLAB);
	outb(PORT + THR, DIVISOR);
	outb(PORT + IER, 0);
	outb(PORT + LCR, LCR_8N1);
	outb(PORT + FCR, FCR_ON_CLEAR);
	outb(PORT + MCR, MCR_DTR_RTS_OUT2);
	absent = inb(PORT + LCR) != LCR_8N1;
}

void serial_putc(char c)
{
	if (absent)
		return;
	unsigned polls = stuck ? 1 : MAX_POLL;
	while (!(inb(PORT + LSR) & LSR_THR_EMPTY)) {
		if (--polls == 0) {
			stuck = true;
			return;
		}
		cpu_relax();
	}
	stuck = false;
	outb(PORT + THR, (uint8_t)c);
}

void serial_drain(void)
{
	for (unsigned i = 0; i < MAX_POLL && !absent && !(inb(PORT + LSR) & LSR_IDLE); i++)
		cpu_relax();
}

bool serial_getc(char *c)
{
	if (absent || !(inb(PORT + LSR) & LSR_DATA))
		return false;
	*c = (char)inb(PORT + RBR);
	return true;
}

void serial_irq_enable(irq_handler *fn)
{
	if (absent)
		return;
	irq_register(VEC_SERIAL, fn);
	if (ioapic_route_isa(ISA_IRQ, VEC_SERIAL) == 0) {
		outb(PORT + IER, IER_RX);
	} else {
		printk("serial: no interrupt line, input is polled at every tick\n");
		poll_fn = fn;
	}
}

void serial_tick(struct pt_regs *regs)
{
	if (poll_fn != NULL && (inb(PORT + LSR) & LSR_DATA))
		poll_fn(regs);
}
