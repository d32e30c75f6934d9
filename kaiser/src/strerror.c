/* SPDX-License-Identifier: MIT */
#include <kaiser/kaiser.h>

const char *kaiser_strerror(int error)
{
	switch ((enum kaiser_error)error) {
	case KAISER_OK:
		return "no error";
	case KAISER_E_ARG:
		return "a parameter is out of range, misaligned or NULL";
	case KAISER_E_STATE:
		return "called in the wrong order, or twice";
	case KAISER_E_FOREIGN:
		return "a foreign page table lies on an odd page, where an NMI would take it for a "
		       "user root";
	case KAISER_E_KERNEL_HALF:
		return "a top-level entry of the kernel half changed after kaiser_init";
	case KAISER_E_NOMEM:
		return "the host has no memory";
	case KAISER_E_MAP:
		return "a page of the window could not be mapped";
	case KAISER_E_FRED:
		return "FRED is on: its entry points are not supported";
	case KAISER_E_GUEST:
		return "a SEV-ES or TDX guest: #VC or #VE may hit any instruction of the entry "
		       "code";
	case KAISER_E_SSS:
		return "supervisor shadow stacks are on: the entry code does not switch them";
	case KAISER_E_XENPV:
		return "a Xen PV guest: the hypervisor owns CR3";
	case KAISER_E_PCID:
		return "this CPU lacks PCID, PGE or INVPCID, which the first CPU has: boot with "
		       "nopcid";
	}
	return "not an error of libkaiser";
}
