#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Broken input gets one line that names the thing and what is wrong with it, and a clean stop.
# BROKEN=REGEX picks cases by name.
use strict;
use warnings;
no warnings 'portable'; # addresses have 64 bits
use File::Basename 'dirname';
use lib dirname(__FILE__) . '/broken';
use Guest;
use Image;

chdir dirname(__FILE__) . '/..' or die $!;
my @cases;

# name, initrd, the text that one line must hold, more fields (see Guest.pm)
sub breaks { my ($name, $initrd, $says, %more) = @_; push @cases,
	{name => $name, initrd => $initrd, says => $says, %more} }
sub init { return archive(entry('init', $_[0], @_[1 .. $#_])) }
sub patch { my ($s, $at, $with) = @_; substr($s, $at, length $with) = $with; return $s }

my $good = init(good());
my $gz = gzip($good);
my $damaged = 'fatal: the initramfs is damaged: ';
my $refused = 'fatal: /init cannot be started: ';
breaks('a good archive', $good, 'power off', code => 0);
breaks('a good archive, gzipped', $gz, 'power off', code => 0);
breaks('two archives, one gzipped', $gz . "\0" x 8 . archive(entry('x', 'y')), 'power off', code => 0);

# ---- cpio: cut short, then wrong ----
my @cuts = ([50, 'the cpio archive ends inside a header, at byte 50'],
	[112, 'the cpio archive ends inside a name, at byte 112'],
	[115, 'the cpio archive ends inside padding, at byte 115'],
	[116, "the cpio archive ends inside a file's contents, at byte 116"],
	[3000, "the cpio archive ends inside a file's contents, at byte 3000"],
	[116 + 4096, 'the cpio archive has no trailer, at byte 4212'],
	[116 + 4096 + 60, 'the cpio archive ends inside a header'],
	[length($good) - 6, 'the cpio archive ends inside a name']);
breaks("cpio cut at $_->[0]", substr($good, 0, $_->[0]), $damaged . $_->[1]) for @cuts;
breaks('cpio: wrong magic', patch($good, 0, '070707'), 'does not begin with 070701 or 070702, at byte 0');
breaks('cpio: no hexadecimal digit', patch($good, 20, 'x'), 'something else than hexadecimal digits, at byte 20');
breaks('cpio: nameless entry', init('', namesize => 0), 'a cpio entry has no name');
breaks('cpio: name of 4 GiB', init('', namesize => 0xffffffff), 'name is longer than 4095 bytes');
breaks('cpio: name without end', init('', namesize => 4), 'name does not end where its length says');
breaks('cpio: body of 4 GiB', init('x', size => 0xffffffff), "ends inside a file's contents");
breaks('cpio: no such type', init('', mode => 0150644), 'of a type that does not exist');
breaks('cpio: mode bits', init('', mode => 0x100000 + 0100755), 'bits that do not exist');
breaks('cpio: directory with contents', init('x', mode => 040755), 'no file and no link has contents');
breaks('cpio: name with ..', archive(entry('a/../../b', '')), 'name contains ".."');
breaks('cpio: empty link', archive(entry('l', '', mode => 0120777)), 'text is empty or longer');
breaks('cpio: below a file', archive(entry('a', ''), entry('a/b', '')),
	'"/a/b" cannot be made: it lies below something that is no directory');
breaks('cpio: file over a full directory', archive(entry('d', '', mode => 040755), entry('d/f', ''),
	entry('d', '')), '"/d" cannot be made: a directory that is not empty is in its place');
breaks('cpio: name part of 256', archive(entry('x' x 256, '')), 'longer than 255 bytes');
breaks('cpio: loop of links', archive(entry('a', 'b', mode => 0120777), entry('b', 'a', mode => 0120777),
	entry('a/x', '')), '"/a/x" cannot be made: its path goes through too many links');
breaks('cpio: wrong checksum', init('abc', magic => '070702', check => 1), 'checksum of a cpio entry is wrong');
breaks('cpio: trailing rubbish', $good . 'rubbish', 'neither a newc cpio archive nor gzip data');

# ---- gzip ----
my $n = length $gz;
breaks("gzip cut at $_", substr($gz, 0, $_), 'the gzip header ends too early') for 2, 9;
breaks("gzip cut at $_", substr($gz, 0, $_), 'the compressed data ends too early') for 12, $n - 12, $n - 1;
breaks('gzip: wrong CRC', patch($gz, $n - 8, chr(1 ^ ord substr $gz, $n - 8)), 'the checksum of the unpacked data is wrong');
breaks('gzip: wrong size', patch($gz, $n - 4, chr(1 ^ ord substr $gz, $n - 4)), 'the length of the unpacked data is wrong');
breaks('gzip: method', patch($gz, 2, "\7"), 'the gzip compression method is not deflate');
breaks('gzip: flags', patch($gz, 3, "\xe0"), 'reserved flags set');
breaks('gzip: magic', patch($gz, 1, "\x8c"), 'this is not gzip data');
breaks('gzip: no such block', patch($gz, 10, "\7"), 'a block is of a kind that does not exist');
breaks("gzip: bit $_ flipped", patch($gz, $_ >> 3, chr(1 << ($_ & 7) ^ ord substr $gz, $_ >> 3)), 'fatal: the initramfs')
	for map { 8 * (12 + int($_ * ($n - 22) / 8)) + $_ } 0 .. 7;
breaks('gzip: of nothing', gzip(''), 'there is no cpio archive');
breaks('gzip: of no archive', gzip("hello\n" x 99), 'something that is no cpio archive follows');
breaks('gzip: of a cut archive', gzip(substr $good, 0, 999), "ends inside a file's contents, at byte 999 of the unpacked data");

# ---- no archive ----
breaks('text', "hello\n", 'neither a newc cpio archive nor gzip data, at byte 0');
breaks('xz', "\xfd7zXZ\0" . 'x' x 99, 'neither a newc cpio archive nor gzip data, at byte 0');
breaks('zero bytes', "\0" x 4096, 'fatal: the initramfs is empty');
breaks('an empty file', '', 'fatal: there is no initramfs', machine => 'pc');
breaks('no initrd', undef, 'fatal: there is no initramfs');
breaks('no initrd, pc, 2 CPUs', undef, 'fatal: there is no initramfs', machine => 'pc', cpus => 2);

# ---- init ----
breaks('empty archive', archive(), $refused . 'there is no such file');
breaks('no /init', archive(entry('linuxrc', good())), $refused . 'there is no such file');
breaks('rdinit=', $good, 'fatal: /sbin/x cannot be started: there is no such file', append => 'rdinit=/sbin/x');
breaks('init a directory', archive(entry('init', '', mode => 040755)), $refused . 'it is no regular file');
breaks('init a device', archive(entry('init', '', mode => 020755, rdevmajor => 1, rdevminor => 3)), $refused . 'it is no regular file');
breaks('init a broken link', archive(entry('init', 'gone', mode => 0120777)), $refused . 'there is no such file');
breaks('init a looped link', archive(entry('init', 'init', mode => 0120777)), $refused . 'its path goes through too many links');
breaks('init not executable', archive(entry('init', good(), mode => 0100644)), $refused . 'it may not be executed');
breaks('init empty', init(''), $refused . 'it is empty');
breaks('init of one byte', init('x'), $refused . 'it is too short');
breaks('init text', init("echo hello world\n" x 9), $refused . 'it is neither an ELF program nor a script');
breaks('script: nothing behind #!', init("#!  \n"), $refused . 'its first line names no interpreter');
breaks('script: interpreter missing', init("#!/bin/sh\n"), $refused . 'its interpreter /bin/sh: there is no such file');
breaks('script: interpreter too long', init('#!/' . 'x' x 300 . "\n"), $refused . 'its first line names no interpreter or a too long one');
breaks('script: interpreter text', archive(entry('init', "#!/bin/sh\n"), entry('bin/sh', 'x' x 99)),
	$refused . 'its interpreter /bin/sh: it is neither an ELF program nor a script');
breaks('script: its own interpreter', init("#!/init\n"), $refused . 'it is a script for a script');
breaks('init exits 0', init(program([60, 0])), 'fatal: init exited with status 0');
breaks('init exits 3', init(program([231, 3])), 'fatal: init exited with status 3');
breaks('init exits 3, 4 CPUs', init(program([231, 3])), 'fatal: init exited with status 3', cpus => 4, machine => 'pc');
breaks('init dies of SIGILL', init(program()), 'fatal: init was killed by signal 4');
breaks('init dies of SIGSEGV', init(elf(undef, code => "\xa1" . "\0" x 8)), 'fatal: init was killed by signal 11');

# ---- ELF ----
sub wild { my ($name, $says, $h, %f) = @_; breaks("elf: $name", init(elf($h, %f)), $refused . $says) }
wild('of no class', 'its ELF header is of an unknown class', undef, class => 3);
wild('32 bits, for x86-64', 'it is an ELF program for another machine', undef, class => 1);
wild('32 bits, with 64-bit headers', 'its ELF program headers are of the wrong size', undef, class => 1, machine => 3);
wild('byte order', 'its ELF header is of an unknown version or byte order', undef, data => 2);
wild('version', 'its ELF header is of an unknown version or byte order', undef, version => 9);
wild('aarch64', 'it is an ELF program for another machine', undef, machine => 183);
wild('an object file', 'it is an ELF file but not a program', undef, type => 1);
breaks('elf: cut in the header', init(substr good(), 0, 40), $refused . 'it is too short');
breaks('elf: cut in the segment', init(substr good(), 0, 0x300), $refused . 'an ELF segment lies beyond its end');
wild('dynamic', 'it is dynamically linked', [phdr(), phdr(type => 3, offset => 0x100, filesz => 8)]);
wild('phentsize', 'its ELF program headers are of the wrong size', undef, phentsize => 32);
wild('no phdrs', 'it has no ELF program headers', undef, phnum => 0);
wild('65535 phdrs', 'it has more than 64 ELF program headers', undef, phnum => 65535);
wild('phoff beyond the end', 'its ELF program headers lie beyond its end', undef, phoff => 0x100000);
wild('phoff that wraps', 'its ELF program headers lie beyond its end', undef, phoff => ~0 - 8);
wild('nothing to load', 'it has no ELF segment to load', [phdr(type => 4)]);
wild('filesz > memsz', 'an ELF segment is larger in the file than in memory', [phdr(memsz => 1)]);
wild('offset beyond the end', 'an ELF segment lies beyond its end', [phdr(offset => 1 << 40)]);
wild('offset that wraps', 'an ELF segment lies beyond its end', [phdr(offset => ~0xfff)]);
wild('huge memsz', "an ELF segment's address lies outside user memory", [phdr(memsz => 1 << 62)]);
wild('memsz that wraps', "an ELF segment's address lies outside user memory", [phdr(memsz => ~0)]);
wild('kernel address', "an ELF segment's address lies outside user memory", [phdr(vaddr => 0xffffffff80000000)], entry => 0xffffffff80000200);
wild('non-canonical address', "an ELF segment's address lies outside user memory", [phdr(vaddr => 1 << 47)], entry => (1 << 47) + 0x200);
wild('address 0', "an ELF segment's address is too low", [phdr(vaddr => 0)], entry => 0x200);
wild('unaligned', "an ELF segment's address and offset differ within a page", [phdr(vaddr => 0x400123)]);
wild('alignment', "an ELF segment's alignment is no power of two", [phdr(align => 0x1800)]);
wild('huge alignment', "an ELF segment's alignment is no power of two", [phdr(align => 1 << 63)]);
wild('overlap', 'its ELF segments overlap or are not in order', [phdr(), phdr()]);
wild('order', 'its ELF segments overlap or are not in order', [phdr(vaddr => 0x600000), phdr()]);
wild('entry in the kernel', 'its ELF entry lies in no executable segment', undef, entry => 0xffffffff81000000);
wild('entry in data', 'its ELF entry lies in no executable segment', [phdr(flags => 6)]);
wild('PIE too large', 'its ELF segments do not fit into user memory', [phdr(vaddr => 0), phdr(vaddr => 1 << 46, offset => 0)], type => 3, entry => 0x200);

# ---- memory ----
my @machines = (['microvm', 1], ['pc', 2]);
for (@machines) {
	my ($m, $cpus) = @$_;
	my %on = (machine => $m, cpus => $cpus);
	breaks("8 MiB, $m", $good, 'power off', mem => 8, code => 0, %on);
	breaks("$_ MiB, $m", $good, 'too little memory', mem => $_, %on) for 2, 3;
	breaks("16 MiB, too large a file, $m", init("\0" x (12 << 20)), 'cannot be made: there is no memory for it', mem => 16, %on);
	breaks("16 MiB, too large unpacked, $m", gzip(init("\0" x (64 << 20))), 'cannot be made: there is no memory for it', mem => 16, %on);
	breaks("16 MiB, too large an initrd, $m", init('x' x (14 << 20)), 'boot: too little memory: the initrd was loaded over the kernel', mem => 16, %on);
}

# ---- command line ----
breaks('command line just under 4 KiB', $good, 'power off', append => 'x' x 3900, code => 0);
breaks('command line of 4 KiB', $good, 'the command line is longer than 4095 bytes', append => 'x' x 4096, machine => $_) for qw(microvm pc);
breaks('command line of 64 KiB', $good, 'the command line is longer than 4095 bytes', append => 'x ' x 32768);
breaks('unknown option', $good, 'init: "nosuch=1" is no option of the kernel, passed to init', append => 'nosuch=1', code => 0);
breaks('bad pti=', $good, 'fatal: the option pti=onn is none of', append => 'pti=onn');
breaks('open quotes', $good, 'power off', append => 'pti=on "a b', code => 0);

run_cases(@cases);
