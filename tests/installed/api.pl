#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# What the installed headers declare, and whether it is documented and met.
#   tests/installed/api.pl functions DIR           KIND NAME lines; KIND is extern, inline or handler
#   tests/installed/api.pl documented DIR          exit 1 and a line for each fault
#   tests/installed/api.pl covered DIR LOG UNIT.c...    the same: LOG is what the guest printed, UNIT.c
#	are tests whose assertions provoke what no guest under QEMU can
# A function is documented if a comment stands right above it, or above the group of prototypes, without
# a blank line between, that it belongs to; a type's comment serves what stands right below the type. In
# kaiser.h the comment names a context; where an int is returned, in either header, an error.
use strict;
use warnings;

my ($what, $dir, $log, @units) = @ARGV;
die "usage: api.pl functions|documented|covered DIR [LOG UNIT.c...]\n" unless defined $dir;
my (@functions, %errors);
for my $header (qw(regs.h kaiser.h verify.h)) {
	open my $in, '<', "$dir/kaiser/$header" or die "$dir/kaiser/$header: $!\n";
	local $/;
	my $text = <$in>;
	$errors{$1} = 1 while $text =~ /^\s+KAISER_(E_\w+) = -/mg;
	my ($seam) = $text =~ /what the host handles/ ? $-[0] : length $text;
	my ($comment, $last) = ('', 'other');
	while ($text =~ m{
		\G(?: (?<comment>/\*.*?\*/)[ \t]*\n?
		| (?<type>(?:struct|enum)\b[^;(\{]*\{\n.*?^\};\n)
		| (?<blank>\n)
		| (?<fn>(?:static[ ]inline[ ]|__attribute__\(\(\w+\)\)[ ])?(?:const[ ])?(?:struct[ ]|enum[ ])?\w+[ *]+
			(?<name>kaiser_\w+)\([^;{}()]*(?:\([^;{}]*\)[^;{}]*)*\)\s*(?:;[ \t]*(?<after>/\*[^\n]*\*/)?\n|\n\{.*?^\}\n))
		| (?<other>[^\n]*\n) )}gmsx) {
		my %m = %+;
		my $at = $-[0];
		if (defined $m{comment}) {
			$comment = $m{comment} =~ /^\/\* ----/ ? '' : $m{comment};
			$last = 'comment';
		} elsif (defined $m{name}) {
			my $kind = $m{fn} =~ /^static/ ? 'inline' : $at > $seam && $m{name} =~ /_on_/ ? 'handler' : 'extern';
			push @functions, {name => $m{name}, kind => $kind, header => $header,
				int => scalar($m{fn} =~ /^int /),
				comment => $m{after} // ($last eq 'other' ? '' : $comment)};
			$last = 'fn';
		} elsif (!defined $m{type}) {
			$last = 'other';
		}
	}
}
die "api.pl: no functions in $dir\n" unless @functions > 40 && %errors;

# Named in full, or shortened after another, as in "KAISER_E_ARG, _STATE".
sub errors_of { my ($f) = @_; return grep { my $short = $_ =~ s/^E//r; $f->{comment} =~ /(?<![A-Z])(?:KAISER_E)?$short\b/ } sort keys %errors }

my @bad;
if ($what eq 'functions') {
	print "$_->{kind} $_->{name}\n" for @functions;
} elsif ($what eq 'documented') {
	for my $f (@functions) {
		my $here = "$f->{header}: $f->{name}";
		if ($f->{comment} eq '') { push @bad, "$here: no comment"; next }
		push @bad, "$here: no context" if $f->{header} eq 'kaiser.h' && $f->{kind} ne 'handler' &&
			$f->{comment} !~ /\b(?:boot|task|irqoff|any|nmi)\b[.,;:]/;
		push @bad, "$here: no error named" if $f->{int} && $f->{name} ne 'kaiser_walk' && !errors_of($f);
	}
} else {
	local $/;
	open my $in, '<', $log or die "$log: $!\n";
	my $got = <$in>;
	my $unit = '';
	for my $path (@units) { open my $u, '<', $path or die "$path: $!\n"; $unit .= <$u> }
	my (%called, %met, %pair);
	$called{$1} = 1 while $got =~ /^# called (\w+)/mg;
	while ($got =~ /^ok \d+ - (kaiser_\w+): KAISER_(E_\w+):/mg) { $pair{"$1 $2"} = 1; $met{$2} = 1 }
	while ($unit =~ /expect_refusal\(KAISER_(E_\w+)\)/g) { $pair{"kaiser_init $1"} = 1; $met{$1} = 1 }
	while ($unit =~ /assert_int_equal\((kaiser_\w+)\(.*?KAISER_(E_\w+)\)/gs) { $pair{"$1 $2"} = 1; $met{$2} = 1 }
	for my $f (@functions) {
		push @bad, "$f->{name} is never called" unless $called{$f->{name}};
		push @bad, "$f->{name} is never brought to KAISER_$_" for grep { !$pair{"$f->{name} $_"} } errors_of($f);
	}
	push @bad, "KAISER_$_ is never provoked" for grep { !$met{$_} } sort keys %errors;
}
print "$_\n" for @bad;
exit(@bad ? 1 : 0);
