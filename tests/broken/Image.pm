# SPDX-License-Identifier: MIT
# Inputs to be broken: newc archives, gzip files, ELF programs.
package Image;
use strict;
use warnings;
use Compress::Zlib ();
use Exporter 'import';
our @EXPORT = qw(entry archive gzip elf program good phdr);

sub padded { my $s = shift; return $s . "\0" x (-length($s) & 3) }

# entry(NAME, CONTENTS, mode => 0100755, any header field by name)
sub entry {
	my ($name, $contents, %f) = @_;
	my @values = map { $f{$_->[0]} // $_->[1] } (
		[ino => 1], [mode => 0100755], [uid => 0], [gid => 0], [nlink => 1], [mtime => 0],
		[size => length $contents], [devmajor => 0], [devminor => 0], [rdevmajor => 0],
		[rdevminor => 0], [namesize => 1 + length $name], [check => 0]);
	my $head = ($f{magic} // '070701') . join '', map { sprintf '%08X', $_ } @values;
	return padded("$head$name\0") . padded($contents);
}

sub archive { return join('', @_) . entry('TRAILER!!!', '', mode => 0) }

sub gzip { return Compress::Zlib::memGzip($_[0]) }

# phdr(field => value): a program header, by default one page of code at 4 MiB.
sub phdr {
	my %f = (type => 1, flags => 5, offset => 0, vaddr => 0x400000, filesz => 0x1000,
		memsz => 0x1000, align => 0x1000, @_);
	return pack 'LLQQQQQQ', @f{qw(type flags offset vaddr)}, $f{paddr} // $f{vaddr},
		@f{qw(filesz memsz align)};
}

# elf(ref to headers, field => value): an ELF file of 4 KiB with code at 0x200.
sub elf {
	my ($headers, %f) = @_;
	my @h = $headers ? @$headers : (phdr());
	%f = (magic => "\177ELF", class => 2, data => 1, type => 2, machine => 62, version => 1,
		entry => 0x400200, phoff => 64, phentsize => 56, phnum => scalar @h,
		code => "\x0f\x0b", %f);
	my $file = pack('a4CCCx9', $f{magic}, $f{class}, $f{data}, 1) .
		pack('SSLQQQLSSSSSS', @f{qw(type machine version entry phoff)}, 0, 0, 64,
			@f{qw(phentsize phnum)}, 0, 0, 0) . join('', @h);
	$file .= "\0" x (0x200 - length $file) if length $file < 0x200;
	$file .= $f{code};
	return $file . "\0" x (0x1000 - length $file);
}

# A program that does the given system calls, each [number, first argument].
sub program {
	my $code = join '', map { "\xb8" . pack('L', $_->[0]) . "\xbf" . pack('L', $_->[1]) .
		"\x0f\x05" } @_;
	return elf(undef, code => $code . "\x0f\x0b");
}

# Powers off: what shows that all went well.
sub good {
	return elf(undef, code => "\xbf" . pack('L', 0xfee1dead) . "\xbe" . pack('L', 672274793) .
		"\xba" . pack('L', 0x4321fedc) . "\xb8" . pack('L', 169) . "\x0f\x05\x0f\x0b");
}

1;
