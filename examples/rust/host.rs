// SPDX-License-Identifier: MIT
//! The API from Rust, `no_std`: types with C's layout, a context pointer that leads back to the host's own
//! state, handlers with C's names. Sizes and offsets are proved against the C headers by sizes.c.
#![no_std]
#![crate_type = "staticlib"]

use core::ffi::{c_char, c_int, c_uint, c_void};

#[repr(C)]
pub struct PtRegs {
    pub r15: u64, pub r14: u64, pub r13: u64, pub r12: u64, pub bp: u64, pub bx: u64,
    pub r11: u64, pub r10: u64, pub r9: u64, pub r8: u64, pub ax: u64, pub cx: u64,
    pub dx: u64, pub si: u64, pub di: u64, pub orig_ax: u64,
    pub ip: u64, pub cs: u64, pub flags: u64, pub sp: u64, pub ss: u64,
}

/// The library's state: allocated by the host, zeroed, opaque. Its size comes from C.
#[repr(C)]
pub struct Kaiser { _private: [u8; 0] }

#[repr(C)]
pub struct Ops {
    pub page_alloc: extern "C" fn(*mut c_void, c_uint) -> *mut c_void,
    pub page_free: extern "C" fn(*mut c_void, *mut c_void, c_uint),
    pub virt_to_phys: extern "C" fn(*mut c_void, *const c_void) -> u64,
    pub phys_to_virt: extern "C" fn(*mut c_void, u64) -> *mut c_void,
    pub map: Option<extern "C" fn(*mut c_void, u64, u64, c_uint) -> c_int>,
    pub unmap: Option<extern "C" fn(*mut c_void, u64)>,
    pub call_cpus:
        Option<extern "C" fn(*mut c_void, u64, extern "C" fn(*mut c_void), *mut c_void)>,
    pub interrupt_cpus: Option<extern "C" fn(*mut c_void, u64)>,
    pub panic: extern "C" fn(*mut c_void, *const c_char),
}

extern "C" {
    pub fn kaiser_strerror(error: c_int) -> *const c_char;
    pub fn kaiser_policy_parse(cmdline: *const c_char) -> c_int;
    pub fn kaiser_window_bytes(cpus: c_uint) -> u64;
    pub fn kaiser_cpu_prepare(k: *mut Kaiser, cpu: c_uint) -> c_int;
    pub fn kaiser_cpu_enter(k: *mut Kaiser, cpu: c_uint, kstack_top: u64) -> c_int;
    pub fn kaiser_exit_to_user(regs: *mut PtRegs) -> !;
}

/// What sizes.c compares with the headers'.
#[no_mangle]
pub static RUST_PT_REGS_BYTES: usize = core::mem::size_of::<PtRegs>();
#[no_mangle]
pub static RUST_OPS_BYTES: usize = core::mem::size_of::<Ops>();
#[no_mangle]
pub static RUST_FLAGS_OFFSET: usize = core::mem::offset_of!(PtRegs, flags);

/// The library's sentence for an error, as a string.
pub fn error_text(error: c_int) -> &'static str {
    // SAFETY: the library returns a static string that ends, of ASCII, for every number.
    unsafe { core::ffi::CStr::from_ptr(kaiser_strerror(error)).to_str().unwrap_or("") }
}

/// For the check: the length of that sentence.
#[no_mangle]
pub extern "C" fn rust_error_length(error: c_int) -> usize {
    error_text(error).len()
}

#[no_mangle]
pub extern "C" fn rust_window_bytes(cpus: c_uint) -> u64 {
    // SAFETY: a pure function of its argument.
    unsafe { kaiser_window_bytes(cpus) }
}

#[no_mangle]
pub extern "C" fn kaiser_on_syscall(regs: &mut PtRegs) {
    regs.ax = 0;
}
#[no_mangle]
pub extern "C" fn kaiser_on_interrupt(_regs: &mut PtRegs, _vector: c_uint) {}
#[no_mangle]
pub extern "C" fn kaiser_on_nmi(_regs: &mut PtRegs) {}
#[no_mangle]
pub extern "C" fn kaiser_on_debug(_regs: &mut PtRegs, _dr6: u64) {}
#[no_mangle]
pub extern "C" fn kaiser_on_machine_check(_regs: &mut PtRegs) {}
#[no_mangle]
pub extern "C" fn kaiser_on_double_fault(_regs: &mut PtRegs, _cr2: u64) -> ! {
    loop {}
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    loop {}
}
