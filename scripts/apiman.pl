#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Manual pages of the C API, from the comments in the public headers, which stay the only text.
#   scripts/apiman.pl OUTDIR VERSION HEADER...
# writes OUTDIR/kaiser_NAME.3 for each function and OUTDIR/kaiser.3, the list of them. A function
# without a comment is an error: exit 1, and its name.
use strict;
use warnings;

my ($out, $version, @headers) = @ARGV;
die "usage: apiman.pl OUTDIR VERSION HEADER...\n" unless @headers;
my (%error, @functions, @bare);

sub words {
	my ($text) = @_;
	$text =~ s{^\s*/\*}{}; $text =~ s{\*/\s*$}{};
	$text =~ s/^\s*\* ?//mg;
	$text =~ s/\s+/ /g; $text =~ s/^ | $//g;
	return $text;
}

sub roff {
	my ($text) = @_;
	$text =~ s/\\/\\e/g; $text =~ s/-/\\-/g; $text =~ s/^([.'])/\\&$1/mg;
	return $text;
}

for my $path (@headers) {
	open my $in, '<', $path or die "$path: $!\n";
	local $/;
	my $text = <$in>;
	my ($name) = $path =~ m{([^/]+)$};
	my $section = '';
	$error{$1} = words($2) while $text =~ m{\b(KAISER_E_\w+) = -?\d+,\s*/\*(.*?)\*/}gs;
	while ($text =~ m{
		/\*\s----\s(?<section>[^-]+?)\s-+\s\*/ |
		(?<comment>(?:/\*(?:(?!\*/).)*\*/\s*?\n)?)
		^(?<proto>(?!typedef|static|return|extern|else|\s)(?:__attribute__\(\(\w+\)\)\s*)?[\w\s*]+?
			\b(?<name>kaiser_\w+)\((?<args>[^;{}]*?)\)\s*;) |
		(?<comment2>(?:/\*(?:(?!\*/).)*\*/\s*?\n)?)
		^static\sinline\s(?<proto2>[\w\s*]+?\b(?<name2>kaiser_\w+)\((?<args2>[^;{}]*?)\))\s*\n?\{
	}xsmg) {
		if (defined $+{section}) { $section = $+{section}; next }
		my $fn = $+{name} // $+{name2};
		my $proto = $+{proto} // "$+{proto2};";
		my $comment = words($+{comment} // $+{comment2} // '');
		$comment = '' if $comment =~ /^----/;
		$proto =~ s/\s+/ /g; $proto =~ s/^\s+//;
		$proto =~ s/^__attribute__\(\(\w+\)\) //;
		push @bare, "$name: $fn" if $comment eq '' && !@{[grep { $_->{section} eq $section &&
			$_->{header} eq $name } @functions]};
		push @functions, {name => $fn, proto => $proto, comment => $comment, section => $section,
			header => $name};
	}
}
# A function that has no comment of its own shares the one before it in its section.
for my $i (1 .. $#functions) {
	next if $functions[$i]{comment} ne '';
	$functions[$i]{comment} = $functions[$i - 1]{comment};
	$functions[$i]{shared} = $functions[$i - 1]{name};
}
if (@bare) { print STDERR "apiman.pl: no comment: $_\n" for @bare; exit 1 }

my %context = (boot => 'one CPU, before any user space runs, memory may be allocated',
	task => "a thread's kernel stack, interrupts on, may wait for other CPUs",
	irqoff => 'interrupts off, on the CPU it speaks of, never waits',
	any => 'everything but NMI, #MC, #DB and #DF handlers', nmi => 'everything');
-d $out or mkdir $out or die "$out: $!\n";
for my $f (@functions) {
	my $first = $f->{comment} =~ /^(.*?[.:;])(?:\s|$)/ ? $1 : $f->{comment};
	$first =~ s/[.:;]$//;
	open my $page, '>', "$out/$f->{name}.3" or die "$out/$f->{name}.3: $!\n";
	print $page ".\\\" Made from kaiser/include/kaiser/$f->{header}\n",
		".TH ", uc $f->{name}, " 3 \"\" \"kaiser $version\" \"KAISER\"\n.SH NAME\n",
		"$f->{name} \\- ", roff(lcfirst $first), "\n.SH SYNOPSIS\n.nf\n",
		".B #include <kaiser/$f->{header}>\n.PP\n.B \"", roff($f->{proto}), "\"\n.fi\n",
		".SH DESCRIPTION\n", roff($f->{comment}), "\n";
	my @in = grep { $f->{comment} =~ /(?:^|[.;,] )$_[.,;:]/ } qw(boot task irqoff any nmi);
	if (@in) {
		print $page ".SH CONTEXT\n";
		print $page ".TP\n.B $_\n", roff($context{$_}), "\n" for @in;
	}
	my @errors;
	for my $e (sort keys %error) {
		(my $short = $e) =~ s/^KAISER_E//;
		push @errors, $e if $f->{comment} =~ /(?<![A-Z])(?:KAISER_E)?\Q$short\E\b/;
	}
	if (@errors) {
		print $page ".SH ERRORS\n";
		print $page ".TP\n.B $_\n", roff($error{$_}), "\n" for @errors;
	}
	print $page ".SH SEE ALSO\n.BR kaiser (3)\n";
	close $page or die "$out/$f->{name}.3: $!\n";
}

open my $list, '>', "$out/kaiser.3" or die "$out/kaiser.3: $!\n";
print $list ".TH KAISER 3 \"\" \"kaiser $version\" \"KAISER\"\n.SH NAME\n",
	"kaiser \\- page\\-table isolation for any x86\\-64 kernel: the library's functions\n",
	".SH DESCRIPTION\nHow to put the library under a kernel, step by step, is in\n",
	".IR docs/embedding.md .\n";
my ($header, $section) = ('', '');
for my $f (@functions) {
	if ($f->{header} ne $header) { $header = $f->{header}; print $list ".SH <kaiser/$header>\n"; $section = '' }
	if ($f->{section} ne $section) { $section = $f->{section}; print $list ".SS ", roff($section), "\n" }
	print $list ".TP\n.BR $f->{name} (3)\n.B \"", roff($f->{proto}), "\"\n";
}
print $list ".SH CONTEXTS\n";
print $list ".TP\n.B $_\n", roff($context{$_}), "\n" for qw(boot task irqoff any nmi);
close $list or die "$out/kaiser.3: $!\n";
