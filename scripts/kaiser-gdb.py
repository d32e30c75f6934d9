# SPDX-License-Identifier: MIT
# gdb commands that know both roots and both views of a host of libkaiser, in QEMU's gdb stub.
#   (gdb) source FILE     this one: scripts/ in the source tree, share/kaiser/ where it is installed;
#                         gdb -x build/gdbinit does it for the reference kernel
#   kaiser-roots           each CPU's slots: what they hold, which is loaded, what the next exit loads
#   kaiser-walk ADDRESS    the walk to an address in the kernel root and in the user root, side by side
#   kaiser-window          the window, page by page, as both roots map it
#   kaiser-view            which root, view and GS base the selected CPU runs with, and where
#   kaiser-trace [CPU]     the last transitions (hosts built with KAISER_DEBUG)
# Memory is read by physical address, through the kernel root of whatever pair is loaded: so all of it
# works while the CPU stands under the user root, where no kernel variable can be read.
# The host's struct kaiser is the variable `kaiser`, or what `set $kaiser_state = &NAME` says.
import gdb

PAGE = 4096
SWITCH_BIT = 1 << 12
ADDRESS = 0x000ffffffffff000


def phys(at, length):
    inferior = gdb.selected_inferior()
    gdb.execute("maintenance packet Qqemu.PhyMemMode:1", to_string=True)
    # Memory that gdb has read before it must not be answered from its cache.
    gdb.execute("maintenance flush dcache", to_string=True)
    try:
        return bytes(inferior.read_memory(at, length))
    finally:
        gdb.execute("maintenance packet Qqemu.PhyMemMode:0", to_string=True)
        gdb.execute("maintenance flush dcache", to_string=True)


def register(name):
    return int(gdb.selected_frame().read_register(name)) & (1 << 64) - 1


def levels():
    return 5 if register("cr4") & 1 << 12 else 4


def kernel_root():
    return register("cr3") & ADDRESS & ~SWITCH_BIT


def walk(root, va):
    """(level, entry) of each step; the last is the leaf, or not present."""
    steps, table = [], root
    for level in range(levels() - 1, -1, -1):
        entry = int.from_bytes(phys(table + 8 * (va >> 12 + 9 * level & 511), 8), "little")
        steps.append((level, entry))
        if not entry & 1 or level == 0 or level < 3 and entry & 0x80:
            break
        table = entry & ADDRESS
    return steps


def leaf(root, va):
    """(physical address, rights) or None."""
    steps = walk(root, va)
    level, entry = steps[-1]
    if not entry & 1:
        return None
    size = PAGE << 9 * level
    write = all(e & 2 for _, e in steps)
    user = all(e & 4 for _, e in steps)
    execute = not any(e >> 63 for _, e in steps)
    rights = "r" + ("w" if write else "-") + ("x" if execute else "-") + ("u" if user else "s")
    return (entry & ADDRESS & ~(size - 1)) + va % size, rights + ("g" if entry & 0x100 else "")


def virt(va, length):
    data = b""
    while length:
        at = leaf(kernel_root(), va)
        if at is None:
            raise gdb.GdbError("0x%x is not mapped in the kernel root" % va)
        n = min(length, PAGE - va % PAGE)
        data += phys(at[0], n)
        va, length = va + n, length - n
    return data


class Struct:
    """A C structure in the kernel's memory: s.field, s.field[i]; never dereferenced by gdb."""

    def __init__(self, type_, at):
        self.type, self.at = type_.strip_typedefs(), at

    def __getattr__(self, name):
        for f in self.type.fields():
            if f.name == name:
                return self.value(f.type, self.at + f.bitpos // 8)
        raise gdb.GdbError("%s has no field %s: other version?" % (self.type, name))

    @staticmethod
    def value(type_, at):
        type_ = type_.strip_typedefs()
        if type_.code == gdb.TYPE_CODE_STRUCT:
            return Struct(type_, at)
        if type_.code == gdb.TYPE_CODE_ARRAY:
            low, high = type_.range()
            item = type_.target()
            return [Struct.value(item, at + i * item.sizeof) for i in range(low, high + 1)]
        return int.from_bytes(virt(at, type_.sizeof), "little")


def state():
    given = gdb.convenience_variable("kaiser_state")
    symbol = int(given) if given is not None else int(gdb.parse_and_eval("(unsigned long)&kaiser"))
    return Struct(gdb.lookup_type("struct kaiser"), symbol)


def cpus():
    k = state()
    for number, at in enumerate(k.cpu):
        if at:
            c = Struct(gdb.lookup_type("struct kaiser_cpu"), at)
            if c.entered:
                yield number, c


def command(name):
    def register_it(fn):
        class Command(gdb.Command):
            __doc__ = fn.__doc__

            def __init__(self):
                super().__init__(name, gdb.COMMAND_DATA)

            def invoke(self, arg, from_tty):
                try:
                    fn(gdb.string_to_argv(arg))
                except gdb.GdbError:
                    raise
                except gdb.error as e:  # no target, no symbols: a sentence, not a traceback
                    raise gdb.GdbError("%s: %s" % (name, e))

        Command()
        return fn

    return register_it


@command("kaiser-roots")
def roots(_):
    """Each CPU's slots and what its next exit to user mode loads."""
    cr3 = register("cr3")
    print("this CPU's CR3 0x%x: %s root" % (cr3, "user" if cr3 & SWITCH_BIT else "kernel"))
    for number, c in cpus():
        print("cpu %d: exit CR3 0x%x" % (number, c.exit_cr3))
        for i, slot in enumerate(c.slot):
            if slot.root:
                print("  slot %d: kernel root 0x%x, user root 0x%x, space %s%s" % (
                    i, slot.pa, slot.pa + PAGE, slot.space_id or "none",
                    ", loaded" if i == c.loaded else ""))


@command("kaiser-walk")
def walk_both(arg):
    """The walk to ADDRESS in both roots of the loaded pair."""
    if len(arg) != 1:
        raise gdb.GdbError("usage: kaiser-walk ADDRESS")
    va = int(gdb.parse_and_eval(arg[0])) & (1 << 64) - 1
    for name, root in (("kernel", kernel_root()), ("user", kernel_root() | SWITCH_BIT)):
        print("%s root 0x%x:" % (name, root))
        for level, entry in walk(root, va):
            print("  level %d: 0x%016x%s" % (level + 1, entry, "" if entry & 1 else " not present"))
        at = leaf(root, va)
        print("  0x%x: %s" % (va, "not mapped" if at is None else "0x%x %s" % at))


@command("kaiser-window")
def window(_):
    """The window's pages, as the two roots of the loaded pair map them."""
    base = state().cfg.window
    print("window 0x%x; page: kernel root | user root" % base)
    pages = [base + i * PAGE for i in range(8)]
    for number, _c in cpus():
        stride = base + (number + 1) * 0x20000
        pages += [stride + i * PAGE for i in range(32)]
    for va in pages:
        k, u = leaf(kernel_root(), va), leaf(kernel_root() | SWITCH_BIT, va)
        if k or u:
            print("  +0x%05x  %-24s | %s" % (va - base, "-" if k is None else "0x%x %s" % k,
                                            "-" if u is None else "0x%x %s%s" % (
                                                *u, ", another frame" if k and k[0] != u[0] else "")))


@command("kaiser-view")
def view(_):
    """Root, view and GS base of the selected CPU."""
    k, rip, cr3 = state(), register("rip"), register("cr3")
    gs, cpl = register("gs_base"), register("cs") & 3
    text = k.cfg.window + PAGE
    inside = text <= rip < text + 3 * PAGE
    which = "user" if cr3 & SWITCH_BIT else "kernel"
    print("CPL %d, %s root" % (cpl, which))
    if inside:
        print("gate text +0x%x, %s view" % (rip - text, which))
    entry = [n for n, _c in cpus() if gs == k.cfg.window + (n + 1) * 0x20000 + 0x5000]
    print("GS base 0x%x: %s" % (gs, "kernel's, cpu %d" % entry[0] if entry else "user's"))


@command("kaiser-trace")
def trace(arg):
    """The last transitions of a CPU, oldest first."""
    wanted = int(gdb.parse_and_eval(arg[0])) if arg else None
    chosen = [(n, c) for n, c in cpus() if wanted in (None, n)]
    if not chosen:
        raise gdb.GdbError("no such CPU has entered")
    for number, c in chosen:
        at = c.page[7]
        if not at:
            raise gdb.GdbError("this build keeps no trace: KAISER_DEBUG")
        line, position = gdb.lookup_type("struct transition"), c.trace_pos
        count = PAGE // line.sizeof
        for n in range(max(0, position - count), position):
            t = Struct(line, at + n % count * line.sizeof)
            what = "vector 0x%02x" % t.what if t.what < 0x100 else "system call"
            print("cpu %d %6d  %-12s from %s at 0x%x, CR3 0x%x -> 0x%x, GS 0x%x" % (
                number, n, what, "user  " if t.cs & 3 else "kernel", t.ip, t.cr3_before, t.cr3_after, t.gs))
