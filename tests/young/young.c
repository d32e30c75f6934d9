/* SPDX-License-Identifier: MIT */
/*
 * Two processes in turns, in address spaces whose user root maps the window: IDT, entry text,
 * descriptors, entry stack. Clean as it stands; `mistake=NAME` on the command line makes one of the
 * mistakes that young kernels make. tests/young.t knows what must find each.
 */
#include <stdbool.h>
#include <stdint.h>

#define KBASE   UINT64_C(0xffffffff80000000)
#define WINDOW  UINT64_C(0xffffff0000000000)
#define DIRECT  UINT64_C(0xffff800000000000)
#define USER    UINT64_C(0x400000)
#define PAGE    4096
#define P       UINT64_C(1)
#define W       UINT64_C(2)
#define U       UINT64_C(4)
#define LARGE   UINT64_C(0x80)
#define GLOBAL  UINT64_C(0x100)
#define NX      (UINT64_C(1) << 63)
#define TABLE   (P | W)
#define ENTRIES 512

enum { WIN_IDT, WIN_TEXT, WIN_DESC, WIN_STACK, WIN_PRIVATE, WIN_MORE, WIN_SPLIT = 16 };

typedef uint64_t table[ENTRIES] __attribute__((aligned(PAGE)));

extern char entry_text[], entry_int80[], entry_far[], entry_other[], entry_exit[], private[];
extern const char user_code[], user_code_end[];

static uint64_t roots[2][2][ENTRIES] __attribute__((aligned(2 * PAGE))); /* kernel's, user's */
static table pdpt_image, pd_image, pdpt_direct, pd_direct;
static table pdpt_window[2], pd_window[2], pt_window[2]; /* of kernel roots, of user roots */
static table pdpt_user[2], pd_user[2], pt_user[2];       /* of the processes */
static table far_root[2];                                /* user roots that are no pair's */
static table spare_pdpt, spare_pd, spare_pt;
static uint8_t idt[2 * PAGE] __attribute__((aligned(PAGE)));
static uint8_t desc[PAGE] __attribute__((aligned(PAGE)));
static uint8_t stack[4 * PAGE] __attribute__((aligned(PAGE)));
static uint8_t code[PAGE] __attribute__((aligned(PAGE)));
static uint8_t user_stack[2][PAGE] __attribute__((aligned(PAGE)));
static uint8_t kernel_stack[2 * PAGE] __attribute__((aligned(PAGE)));
static const char *mistake = "";

struct process {
	uint64_t reg[15], frame[5];
};
static struct process process[2];
static unsigned current, calls;

static bool is(const char *name)
{
	const char *m = mistake;

	while (*name && *m == *name) {
		m++;
		name++;
	}
	return !*name && (!*m || *m == ' ');
}

static uint64_t phys(const void *p)
{
	return (uint64_t)p - KBASE;
}

static uint64_t table_at(const void *p)
{
	return phys(p) | TABLE;
}

/* ---- in the kernel ---- */

static void on_call(uint64_t *reg, uint64_t *frame)
{
	struct process *p = &process[current];
	uint64_t *priv = (uint64_t *)private;

	for (unsigned i = 0; i < 15; i++)
		p->reg[i] = reg[i];
	for (unsigned i = 0; i < 5; i++)
		p->frame[i] = frame[i];
	current = ++calls / 4 & 1;
	p = &process[current];
	for (unsigned i = 0; i < 15; i++)
		reg[i] = p->reg[i];
	for (unsigned i = 0; i < 5; i++)
		frame[i] = p->frame[i];
	for (unsigned i = 1; i <= 3 && !is("residue"); i++)
		frame[-(int)i] = 0;
	priv[3] = phys(is("far-root") ? far_root[current] : roots[current][!is("one-root")]);
	*(uint64_t *)(stack + 0xff0) = is("far-root") ? phys(roots[current][0]) : 0;
	priv[4] = reg[14];
}

/* ---- tables ---- */

static void image_and_direct_map(void)
{
	for (unsigned i = 0; i < 8; i++) /* 16 MiB */
		pd_image[i] =
			i * UINT64_C(0x200000) | LARGE | TABLE | (is("global-kernel") ? GLOBAL : 0);
	pdpt_image[510] = table_at(pd_image);
	for (unsigned i = 0; i < 64; i++) /* 128 MiB */
		pd_direct[i] = i * UINT64_C(0x200000) | LARGE | TABLE | NX;
	pdpt_direct[0] = table_at(pd_direct);
}

static void window(void)
{
	const uint64_t page[WIN_MORE] = {
		[WIN_IDT] = phys(idt) | P | NX,
		[WIN_TEXT] = phys(entry_text) | P,
		[WIN_DESC] = phys(desc) | P | NX,
		[WIN_STACK] = phys(stack) | P | W | NX,
		[WIN_PRIVATE] = phys(private) | P | W | NX,
	};

	for (unsigned u = 0; u < 2; u++) {
		pdpt_window[u][0] = table_at(pd_window[u]);
		pd_window[u][0] = table_at(pt_window[u]);
		for (unsigned i = 0; i < WIN_MORE - u; i++)
			pt_window[u][i] = page[i];
	}
}

static void user_half(unsigned n)
{
	roots[n][0][0] = roots[n][1][0] = table_at(pdpt_user[n]) | U;
	roots[n][0][0] |= is("no-poison") || is("one-root") ? 0 : NX;
	pdpt_user[n][0] = table_at(pd_user[n]) | U;
	pd_user[n][2] = table_at(pt_user[n]) | U;
	pt_user[n][0] = phys(code) | P | U;
	pt_user[n][1] = phys(user_stack[n]) | P | W | U | NX;
}

static void roots_of(unsigned n)
{
	uint64_t *kernel = roots[n][0], *user = roots[n][1];

	user_half(n);
	kernel[511] = table_at(pdpt_image);
	if (!is("one-root"))
		kernel[256] = table_at(pdpt_direct);
	kernel[510] = table_at(pdpt_window[0]);
	user[510] = table_at(pdpt_window[1]);
}

/* ---- mistakes in what user roots map ---- */

static void map_more(uint64_t *user, uint64_t *kernel)
{
	unsigned more = WIN_MORE;

	if (is("whole-slot"))
		user[511] = kernel[511];
	if (is("direct-map"))
		user[256] = kernel[256];
	if (is("user-bit")) {
		for (unsigned i = 0; i < 8; i++)
			spare_pd[i] = pd_image[i] | U;
		spare_pdpt[510] = table_at(spare_pd) | U;
		user[511] = table_at(spare_pdpt) | U;
	}
	if (is("identity")) {
		for (unsigned i = 0; i < 64; i++)
			spare_pd[i] = i * UINT64_C(0x200000) | LARGE | TABLE;
		spare_pdpt[1] = table_at(spare_pd);
		user[1] = kernel[1] = table_at(spare_pdpt);
	}
	if (is("recursive"))
		user[509] = phys(user) | TABLE | NX;
	if (is("unsynced"))
		user[3] = table_at(spare_pdpt) | U;
	if (is("image-entry")) {
		spare_pt[phys(entry_text) / PAGE % ENTRIES] = phys(entry_text) | P;
		spare_pd[0] = table_at(spare_pt);
		spare_pdpt[510] = table_at(spare_pd);
		user[511] = table_at(spare_pdpt);
		pt_window[1][WIN_TEXT] = 0;
	}
	if (is("split-idt"))
		pt_window[0][WIN_SPLIT] = pt_window[1][WIN_SPLIT] = pt_window[1][WIN_IDT];
	if (is("split-idt"))
		pt_window[1][WIN_IDT] = 0;
	for (unsigned i = 0; i < 3 && is("kernel-stack"); i++, more++)
		pt_window[0][more] = pt_window[1][more] =
			(phys(kernel_stack) + i * PAGE) | P | W | NX;
	if (is("rwx"))
		pt_window[0][WIN_STACK] = pt_window[1][WIN_STACK] = phys(stack) | P | W;
	if (is("global-window"))
		pt_window[1][WIN_TEXT] |= GLOBAL;
	if (is("other-frame"))
		pt_window[0][WIN_DESC] = phys(stack + PAGE) | P | NX;
	if (is("no-descriptors"))
		pt_window[1][WIN_DESC] = 0;
	if (is("reserved"))
		pdpt_window[1][7] = phys(spare_pd) | TABLE | NX | UINT64_C(1) << 51;
	if (is("reserved-size"))
		user[300] = phys(spare_pd) | TABLE | LARGE;
	if (is("beyond"))
		pd_window[1][9] = UINT64_C(0x7f00000000) | TABLE;
	if (is("loop"))
		pd_window[1][9] = table_at(pdpt_window[1]);
	if (is("many")) /* 2^36 pages by way of one table */
		for (unsigned i = 0; i < ENTRIES; i++) {
			spare_pt[i] = phys(stack) | P | NX;
			spare_pd[i] = table_at(spare_pt);
			spare_pdpt[i] = table_at(spare_pd);
			user[400] = user[401] = table_at(spare_pdpt);
		}
}

/* ---- descriptors ---- */

static void put(uint8_t *to, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		to[i] = (uint8_t)(v >> 8 * i);
}

static void gate(unsigned vector, uint64_t target, unsigned ist, unsigned type)
{
	uint8_t *g = idt + (is("split-idt") ? 0x800 : 0) + vector * 16;

	put(g, target & 0xffff, 2);
	put(g + 2, 8, 2);
	put(g + 4, ist, 1);
	put(g + 5, type, 1);
	put(g + 6, target >> 16, 6);
}

static void gates(void)
{
	uint64_t base = is("image-entry") ? (uint64_t)entry_text : WINDOW + WIN_TEXT * PAGE;
	uint64_t other = base + (uint64_t)(entry_other - entry_text);

	for (unsigned v = 0; v < 32; v++) {
		unsigned ist = v == 2 ? 1 : v == 8 ? 2 : v == 18 ? 3 : v == 1 ? 4 : 0;

		if (is("no-ist") && v != 8)
			ist = 0;
		if (is("one-ist"))
			ist = 1;
		gate(v, other, ist, 0x8e);
	}
	gate(0x80, base + (uint64_t)((is("far-root") ? entry_far : entry_int80) - entry_text), 0,
	     0xee);
}

#define TSS 0x100

static void descriptors(void)
{
	static const uint64_t fixed[] = {0, 0x00209b0000000000, 0x0000930000000000,
					 0x0000f30000000000, 0x0020fb0000000000};
	uint64_t base = WINDOW + WIN_DESC * PAGE + TSS, top = WINDOW + WIN_STACK * PAGE;

	for (unsigned i = 0; i < 5; i++)
		put(desc + i * 8, fixed[i], 8);
	put(desc + 0x28,
	    0x67 | (base & 0xffffff) << 16 | UINT64_C(0x89) << 40 | (base >> 24 & 0xff) << 56, 8);
	put(desc + 0x30, base >> 32, 8);
	put(desc + TSS + 4, top + 0x400, 8); /* RSP0 */
	for (unsigned i = 0; i < 4; i++)
		put(desc + TSS + 0x24 + 8 * i, top + 0x600 + i * 0x200, 8);
	put(desc + TSS + 0x66, 0x68, 2);
	if (is("ist-unmapped"))
		put(desc + TSS + 0x24, WINDOW + 0x8000, 8);
	if (is("pointer"))
		put(desc + 0x803, (uint64_t)&process, 8);
	for (unsigned n = 0; n < 2 && is("root-in-data"); n++)
		put(desc + 0x900 + n * 8, phys(roots[n][0]), 8);
}

/* The first event would be the last. */
static bool cannot_enter(void)
{
	return is("split-idt") || is("short-idt");
}

static void load(uint64_t gdt_base)
{
	struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} r = {0x37, gdt_base};

	__asm__ volatile("lgdt %0" ::"m"(r));
	if (gdt_base == (uint64_t)desc) /* LTR writes into the GDT */
		__asm__ volatile("ltr %w0" ::"r"(0x28));
	r.base = WINDOW + (is("split-idt") ? WIN_SPLIT * PAGE + 0x800 : WIN_IDT * PAGE);
	r.limit = is("short-idt") ? 14 * 16 - 1 : 0x81 * 16 - 1;
	__asm__ volatile("lidt %0" ::"m"(r));
}

static void read_command_line(uint32_t mbi)
{
	const uint32_t *info = (const uint32_t *)(uintptr_t)mbi;
	const char *s = info[0] & 4 ? (const char *)(uintptr_t)info[4] : "";

	static const char key[] = "mistake=";

	for (; *s; s++) {
		unsigned n = 0;

		while (key[n] && s[n] == key[n])
			n++;
		if (!key[n]) {
			mistake = s + n;
			return;
		}
	}
}

void main(uint32_t mbi);
void main(uint32_t mbi)
{
	uint64_t *priv = (uint64_t *)private, cr4;
	static char kept[32];

	__asm__ volatile("outb %b0, $0x21\n\toutb %b0, $0xa1" ::"a"(0xff)); /* no interrupts */
	read_command_line(mbi);
	for (unsigned i = 0; i < sizeof(kept) - 1 && mistake[i] && mistake[i] != ' '; i++)
		kept[i] = mistake[i];
	mistake = kept;
	image_and_direct_map();
	window();
	for (unsigned n = 0; n < 2; n++) {
		roots_of(n);
		map_more(roots[n][1], roots[n][0]);
		for (unsigned i = 0; i < ENTRIES; i++)
			far_root[n][i] = roots[n][1][i];
	}
	for (unsigned i = 0; user_code + i < user_code_end; i++)
		code[i] = (uint8_t)user_code[i];
	gates();
	descriptors();
	__asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
	__asm__ volatile("mov %0, %%cr4" ::"r"(cr4 | (is("global-kernel") ? 0x80 : 0)));
	__asm__ volatile("mov %0, %%cr3" ::"r"(phys(roots[0][0])));
	load((uint64_t)desc);
	load(WINDOW + WIN_DESC * PAGE);
	while (is("no-user-mode"))
		__asm__ volatile("pause");
	for (unsigned n = 0; n < 2; n++) {
		process[n].reg[9] = n; /* RDI */
		process[n].frame[0] = USER;
		process[n].frame[1] = 0x23;
		process[n].frame[2] = 0x202;
		process[n].frame[3] = USER + 2 * PAGE;
		process[n].frame[4] = 0x1b;
	}
	priv[0] = (uint64_t)on_call;
	priv[1] = WINDOW + WIN_STACK * PAGE + 0x400 - 40;
	priv[2] = (uint64_t)kernel_stack + sizeof(kernel_stack);
	uint64_t *reg = (uint64_t *)(priv[2] - 15 * 8), *frame = (uint64_t *)priv[1];
	on_call(reg, frame); /* saves rubbish as process 0's */
	for (unsigned i = 0; i < 5; i++)
		process[0].frame[i] = process[1].frame[i];
	for (unsigned i = 0; i < 15; i++)
		process[0].reg[i] = 0;
	process[0].reg[9] = cannot_enter() ? 2 : 0;
	for (unsigned i = 0; i < 5; i++)
		frame[i] = process[0].frame[i];
	for (unsigned i = 0; i < 15; i++)
		reg[i] = process[0].reg[i];
	priv[4] = 0;
	__asm__ volatile("mov %0, %%rsp\n\tjmp *%1" ::"r"(reg),
			 "r"((is("image-entry") ? (uint64_t)entry_text : WINDOW + WIN_TEXT * PAGE) +
			     (uint64_t)(entry_exit - entry_text)));
}
