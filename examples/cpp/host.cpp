// SPDX-License-Identifier: MIT
// The API from C++17: a host's hooks as a class. This file is compiled freestanding and linked with the
// library into one relocatable object, which must then ask for nothing but what a host's own C++ run
// time gives.
#include <kaiser/kaiser.h>
#include <kaiser/verify.h>

namespace {

class Pages {
public:
	void *take(unsigned order)
	{
		const size_t bytes = size_t{4096} << order;
		const size_t at = (used_ + bytes - 1) & ~(bytes - 1);
		if (at + bytes > sizeof(memory_))
			return nullptr;
		used_ = at + bytes;
		return memory_ + at;
	}

private:
	alignas(8192) unsigned char memory_[256 * 4096] = {};
	size_t used_ = 0;
};

struct Host {
	Pages pages;
	kaiser library{};

	static Host &of(void *ctx)
	{
		return *static_cast<Host *>(ctx);
	}
	int start(uint64_t window, kaiser_pa_t kernel_root);
};

const kaiser_ops ops = [] {
	kaiser_ops o{};
	o.page_alloc = [](void *ctx, unsigned order) { return Host::of(ctx).pages.take(order); };
	o.page_free = [](void *, void *, unsigned) {};
	o.virt_to_phys = [](void *, const void *va) { return reinterpret_cast<kaiser_pa_t>(va); };
	o.phys_to_virt = [](void *, kaiser_pa_t pa) { return reinterpret_cast<void *>(pa); };
	o.map = [](void *, uint64_t, kaiser_pa_t, unsigned) { return -1; };
	o.unmap = [](void *, uint64_t) {};
	o.call_cpus = [](void *, uint64_t, void (*)(void *), void *) {};
	o.panic = [](void *, const char *) {
		for (;;)
			asm volatile("cli; hlt");
	};
	return o;
}();

int Host::start(uint64_t window, kaiser_pa_t kernel_root)
{
	kaiser_config cfg{};
	cfg.ops = &ops;
	cfg.ctx = this;
	cfg.window = window;
	cfg.cpus = 1;
	cfg.host_pages = 1;
	cfg.kernel_root = kernel_root;
	cfg.user_end = 0x7ffffffff000;
	cfg.mode = kaiser_policy_parse("pti=auto");
	return kaiser_init(&library, &cfg);
}

Host host;

} // namespace

extern "C" {
int cpp_host_start(uint64_t window, kaiser_pa_t root)
{
	return host.start(window, root);
}
void kaiser_on_syscall(pt_regs *regs)
{
	regs->ax = 0;
}
void kaiser_on_interrupt(pt_regs *, unsigned)
{
}
void kaiser_on_nmi(pt_regs *)
{
}
void kaiser_on_debug(pt_regs *, uint64_t)
{
}
void kaiser_on_machine_check(pt_regs *)
{
}
[[noreturn]] void kaiser_on_double_fault(pt_regs *, uint64_t)
{
	for (;;)
		asm volatile("cli; hlt");
}
}
