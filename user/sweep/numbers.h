/* SPDX-License-Identifier: MIT */
/* Linux's numbers, and where things are in its signal frame. */
#define NR_rt_sigaction 13
#define NR_rt_sigreturn 15
#define NR_madvise      28
#define NR_getpid       39
#define NR_clone        56
#define NR_fork         57
#define NR_execve       59
#define NR_exit         60
#define NR_wait4        61
#define NR_kill         62
#define NR_getcwd       79
#define NR_ptrace       101
#define NR_modify_ldt   154
#define NR_prctl        157
#define NR32_getpid     20
#define PR_SWEEP        0x6b616973 /* kernel/sys/sweep.c */

#define MADV_DONTNEED     4
#define SIGKILL           9
#define SIGSTOP           19
#define PTRACE_TRACEME    0
#define PTRACE_POKEUSER   6
#define PTRACE_CONT       7
#define PTRACE_SINGLESTEP 9
#define PTRACE_SYSCALL    24
/* In ptrace's picture of a process. DR0 is storm's own. */
#define USER_DR1               856
#define USER_DR7               904
#define DR7_G1                 8
#define DR7_ACCESS1            0x700000 /* reads and writes of 2 bytes */
#define CLONE_VM_VFORK_SIGCHLD 0x4111
#define SA_SIGINFO_RESTORER    0x04000004

#define UC_RIP   168
#define UC_FLAGS 176
#define UC_CS    184
#define UC_SS    190

#define USER_CS   0x33
#define USER32_CS 0x23
#define USER_DS   0x2b
/* Selectors of the LDT that the LDT paths make, and modify_ldt()'s bits for them. */
#define LDT_SS32  0x07
#define LDT_SS16  0x0f
#define LDT_CS32  0x17
#define DESC_SS32 0x51
#define DESC_SS16 0x50
#define DESC_CS32 0x55

#define TF_FLAG       0x100
#define AC_FLAG       0x40000
#define TF_FLAGS      0x103
#define HOSTILE_FLAGS 0x244403 /* ID AC NT DF CF */

/* With "nokaslr": CPU 0's entry page, and the gate text. */
#define WINDOW_IST_NMI 0xffffffffc0025400
#define WINDOW_TEXT    0xffffffffc0001000
