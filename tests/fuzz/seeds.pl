#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Where the fuzzing of tests/fuzz begins: seeds.pl DIRECTORY writes fuzz_X.seeds/* below it.
use strict;
use warnings;
no warnings 'portable'; # addresses have 64 bits

my $dir = shift or die "usage: seeds.pl DIRECTORY\n";

sub seed {
	my ($target, $name, $data) = @_;
	mkdir "$dir/$target.seeds";
	open(my $f, '>:raw', "$dir/$target.seeds/$name") or die "$dir/$target.seeds/$name: $!\n";
	print $f $data;
	close($f) or die $!;
}
sub table { my %e = @_; return join '', map {pack('Q<', $e{$_} // 0)} 0 .. 511 }

# ---- four pages at WINDOW, in both roots: frames 1 and 2 the roots, 3 to 5 tables, 6 to 9 pages ----
my $window = 0xffffffffa0000000;
my $rights = 0x8000000000000063;
my @frames = ("\0" x 4096, table(511 => 0x3063, 0 => 0xa067), table(511 => 0x3063, 0 => 0xa067 | 1 << 63),
	table(510 => 0x4063), table(256 => 0x5063),
	table(0 => 0x6000 | $rights & ~2, 1 => 0x7061, 2 => 0x8000 | $rights & ~2, 3 => 0x9000 | $rights));
sub gate { my ($va, $ist) = @_; return pack('vvCCvVV', $va & 0xffff, 0x10, $ist, 0x8e, $va >> 16 & 0xffff, $va >> 32, 0) }
push @frames, join('', map {gate($window + 0x1000 + 8 * $_, {1 => 3, 2 => 1, 8 => 4, 18 => 2}->{$_} // 0)} 0 .. 255);
push @frames, "\xcc" x 4096;
my $tss = pack('VQ<3Q<Q<7', 0, ($window + 0x3200), 0, 0, 0, map {$window + 0x3400 + 0x200 * $_} 0 .. 6);
push @frames, substr(pack('Q<*', 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff) . "\0" x 96 . $tss . "\0" x 4096, 0, 4096);
push @frames, pack('Q<*', map {0x1122334455660000 + $_} 1 .. 16) . "\0" x (4096 - 128);
push @frames, "\0" x 4096;
my $memory = join '', @frames;
seed('fuzz_walk', 'window', pack('Q<12', 0xffff, 0x1000, 0x2000, 0x2000, 0x20, 0x901, $window, $window + 0x2000, $window + 0x2080,
	$window + 0x1900, 0, 0) . pack('Q<8', $window, $window, $window + 0x4000, 0, 0, 0xffffffff81000000, 0xffff888000000000, 0) .
	pack('V4', 4095, 0x7f, 0x67, 0x3282c + 64) . $memory);

# ---- the same as QEMU dumps it ----
sub segment { my ($selector, $base, $limit) = @_; return pack('VVVVQ<', $selector, $limit, 0, 0, $base) }
sub dump_of {
	my ($memory, $window, $cr3) = @_;
	my $note = pack('VV', 1, 440) . pack('Q<18', (0) x 16, 0x400000, 0x202) . segment(0x33, 0, 0xffffffff) .
		segment(0, 0, 0) x 6 . segment(0x40, $window + 0x2080, 0x67) . segment(0, $window + 0x2000, 0x7f) .
		segment(0, $window, 4095) . pack('Q<5', 0x80010011, 0, 0, $cr3, 0x20) . pack('Q<', 0);
	$note = pack('VVV', 5, length($note), 0) . "QEMU\0\0\0\0" . $note;
	my $at = 64 + 2 * 56;
	my $start = $at + length($note);
	return "\x7fELF\2\1\1" . "\0" x 9 . pack('vvVQ<3Vv6', 4, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0) .
		pack('VVQ<6', 4, 0, $at, 0, 0, length($note), length($note), 0) .
		pack('VVQ<6', 1, 0, $start, 0, 0, length($memory), length($memory), 0) . $note . $memory . "\0";
}
seed('fuzz_image', 'dump', dump_of($memory, $window, 0x1000));
seed('fuzz_image', 'raw', $memory . "\1");

# ---- what takes longest, for tests/fuzz_audit.t alone: few frames mapped over and over, gates that lead to as many pages, and in
# every page nothing but what could be addresses ----
my $low = 0xffff800000000000;
seed('fuzz_slow', 'addresses', dump_of(join('', "\0" x 8192, table(0 => 0xa067 | 1 << 63, map {$_ => 0x4063} 256 .. 511),
	table(0 => 0xa067, map {$_ => 0x4063} 256 .. 511), table(map {$_ => 0x5063} 0 .. 511), table(map {$_ => 0x6063} 0 .. 511),
	table(0 => 0x7063, map {$_ => (11 + $_ % 13) << 12 | 0x63} 1 .. 511),
	join('', map {gate($low + 0x1000 * (2 + $_), 0)} 0 .. 255), "\0" x 12288,
	"\xff\xff\xff\xff\xff\xff\xff\x80" x (13 * 512)), $low, 0x3000));

# ---- text ----
my $registers = join('', map {"CPU#$_\nRAX=0000000000000001 RBX=0000000000000000 RCX=0000000000000002 RDX=0000000000000003\n" .
	"RSI=0000000000000000 RDI=0000000000000000 RBP=0000000000000000 RSP=00007fff00001000\n" .
	"R8 =0000000000000000 R9 =0000000000000000 R10=0000000000000000 R11=0000000000000202\n" .
	"RIP=0000000000400000 RFL=00000202 [-------] CPL=3 II=0 A20=1 SMM=0 HLT=0\n" .
	"CS =0033 0000000000000000 ffffffff 00affb00 DPL=3 CS64 [-RA]\nGS =0000 0000000000000000 00000000 00000000\n" .
	"LDT=0000 0000000000000000 00000000 00008200 DPL=0 LDT\nTR =0040 ffffffffa0002080 00000067 00008b00 DPL=0 TSS64-busy\n" .
	"GDT=     ffffffffa0002000 0000007f\nIDT=     ffffffffa0000000 00000fff\n" .
	"CR0=80010033 CR2=0000000000000000 CR3=0000000000001000 CR4=00000020\nEFER=0000000000000d01\n"} 0 .. 1);
seed('fuzz_text', 'registers', $registers);
seed('fuzz_text', 'devices', "\4\0\0\0\1\3cpu" . pack('NN', 0, 12) . "\0" x 900);

# ---- JSON ----
seed('fuzz_json', 'report', '{"kaiser_audit": 1, "totals": {"pages": 4, "global": 0}, "ranges": [{"start": "0x1000", ' .
	'"end": "0x2000", "pages": 1, "rights": "r-x", "needed": "IDT"}], "checks": [{"name": "wx", "state": "ok", "errors": 0}]}');
seed('fuzz_json', 'rules', '[{"name": "x", "start": "0x1000", "end": 8192, "rights": "rwx"}, {"symbol": "y", "size": 1}]');
seed('fuzz_json', 'elf', "\x7fELF\2\1\1" . "\0" x 9 . pack('vvVQ<3Vv6', 2, 62, 1, 0, 0, 64, 0, 64, 56, 0, 64, 3, 2) . "\0" x 64 .
	pack('VVQ<4VVQ<2', 1, 2, 0, 0, 256, 48, 2, 0, 8, 24) . pack('VVQ<4VVQ<2', 7, 3, 0, 0, 304, 16, 0, 0, 1, 0) .
	pack('VCCvQ<2', 0, 0, 0, 0, 0, 0) . pack('VCCvQ<2', 1, 18, 0, 1, 0x1000, 16) . "\0main\0.strtab\0\0");

# ---- sockets ----
sub qmp { return "\1" . join("\0", map {"$_\n"} '{"QMP": {}}', '{"return": {}}', @_) . "\0" }
sub gdb { return "\0" . join("\0", map {my $s = 0; $s += ord for split //; sprintf('+$%s#%02x', $_, $s & 255)} @_) }
(my $text = $registers) =~ s/\n/\\r\\n/g;
my $map = 'FlatView #0\r\n AS \"memory\", root: system\r\n  0000000000000000-000000000009ffff (prio 0, ram): ram KVM\r\n';
seed('fuzz_sockets', 'qmp', qmp('{"return": {"running": true}}', '{"return": {}}', "{\"return\": \"$map\"}", '{"return": {}}',
	"{\"return\": \"$text\"}"));
seed('fuzz_sockets', 'shutdown', qmp('{"event": "SHUTDOWN", "data": {"reason": "guest-reset"}}'));
seed('fuzz_sockets', 'gdb', gdb('PacketSize=1000;multiprocess+', 'l<target><xi:include href="i386-64bit.xml"/></target>', 'vCont;c;s',
	'T05thread:p01.01;', 'OK', 'OK', 'l<target><xi:include href="i386-64bit.xml"/></target>', 'l<reg name="rax"/><reg name="cr3"/>',
	'l<target><xi:include href="i386-64bit.xml"/></target>', 'l<reg name="rax"/><reg name="cr3"/>', 'OK',
	'O' . unpack('H*', "FlatView #0\n AS \"memory\"\n 0000000000000000-000000000009ffff (prio 0, ram): ram\n"), 'OK'));
