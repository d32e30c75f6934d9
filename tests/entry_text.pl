#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Reads the disassembly of libkaiser's entry code, linked (objdump -d --no-show-raw-insn -j .kaiser.text),
# and follows every path of it, from each gate (an ENDBR64 is one, and nothing else is) over all branches
# and calls. Prints where it is not as docs/security.md says, a line each, named by the rule:
#	ret	no RET and no indirect branch anywhere
#	verw	VERW directly before each SYSRET, each IRET to user mode, and each that may lead to such a one
#	lfence	where a branch decides a SWAPGS, an LFENCE or a WRMSR before GS is used, on either way
#	clear	at the first call of C no general register holds what was in it at the gate, nor what was
#		loaded from memory: a pointer to the frame in RDI, the vector in RSI, else 0
#	align	at each call of C the stack is as the ABI wants it
#	reach	no code that no path comes to
# Registers are followed as kinds of values, and by what they are modulo 16.
use strict;
use warnings;

my $kstack = shift; # where the thread's stack is, from GS
my (@insn, %at, %symbol);
my $bad = 0;
my @order = qw(rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15);
my %full; # %r8d and %al to their register
for my $r (@order) {
	my $s = substr $r, 1;
	my @names = $r =~ /^r\d/ ? ($r, "${r}d", "${r}w", "${r}b") :
		    $s =~ /x$/ ? ($r, "e$s", $s, substr($s, 0, 1) . 'l') : ($r, "e$s", $s, "${s}l");
	$full{$_} = $r for @names;
}

my $near = '';
while (<>) {
	if (/^([0-9a-f]+) <(\S+)>:/) {
		$near = $2;
		$symbol{$2} = hex $1;
	} elsif (/^ *([0-9a-f]+):\s+(.*?)\s*$/) {
		my ($va, $text) = (hex $1, $2);
		$text =~ s/\s*[#<].*//;
		my ($op, $args) = $text =~ /^((?:rep )?(?:lock )?\S+)\s*(.*)$/;
		my @args = $args =~ /((?:[^,(]|\([^)]*\))+)/g;
		push @insn, {va => $va, op => $op, args => \@args, text => $text, near => $near};
		$at{$va} = $insn[-1];
	}
}
for my $i (0 .. $#insn - 1) {
	$insn[$i]{next} = $insn[$i + 1];
	$insn[$i + 1]{before} = $insn[$i];
}
die "no disassembly of the entry code\n" unless @insn > 500;

my %told;
sub complain {
	my ($rule, $i, $what) = @_;
	my $line = sprintf '%s: %s+0x%x, %s: %s', $rule, $i->{near}, $i->{va} - ($symbol{$i->{near}} // 0),
		$i->{text}, $what;
	print "$line\n" unless $told{$line}++;
	$bad = 1;
}

sub indirect { $_[0]{op} =~ /^(?:ret|lret)/ || ($_[0]{op} =~ /^l?(?:jmp|call)/ && "@{$_[0]{args}}" =~ /\*/) }
sub ends { $_[0]{op} =~ /^(?:jmp|iret|sysret|sysexit|ud2|int3|ret|lret)/ }
sub conditional { $_[0]{op} =~ /^j/ && $_[0]{op} !~ /^jmp/ }
sub target { $at{hex $_[0]{args}[0]} }
sub uses_gs { grep { /^%gs:/ } @{$_[0]{args}} }
sub call { $_[0]{op} =~ /^call/ }

sub ways {
	my $i = shift;
	my @w;
	return () if indirect($i);
	push @w, target($i) if $i->{op} =~ /^j/;
	push @w, $i->{next} unless ends($i);
	return grep { defined } @w;
}

# What comes first from here: a SWAPGS, a use of GS, a WRMSR that sets it, or an exit?
my %first;
sub first {
	my $start = shift;
	return $first{$start->{va}} if $first{$start->{va}};
	my (%seen, %out);
	my @todo = ($start);
	while (my $i = pop @todo) {
		next if $seen{$i->{va}}++;
		if ($i->{op} eq 'swapgs') { $out{swapgs} = 1 }
		elsif (uses_gs($i) || call($i)) { $out{use} = 1 }
		elsif ($i->{op} eq 'wrmsr') { $out{wrmsr} = 1 }
		elsif (!ways($i)) { $out{exit} = 1 }
		else { push @todo, ways($i) }
	}
	return $first{$start->{va}} = \%out;
}

# A register's value: its kind, and what it is modulo 16 if that is known.
my %no_write = map { $_ => 1 } qw(int3 cmp test bt push nop nopl nopw endbr64 cld clac lfence swapgs verw
	wrmsr pushf popf ud2 iretq sysretq sysretl);
my $suffixed = qr/^(pushf?|popf?|cmp|test|btr?|mov|lea|add|sub|and|xor)[bwlq]?$/;
sub base { $_[0] =~ $suffixed ? $1 : $_[0] }

sub step {
	my ($i, $r) = @_; # changes %$r
	my ($op, @a) = ($i->{op}, @{$i->{args}});
	my ($dst) = @a ? $a[-1] =~ /^%(\w+)$/ : ();
	my $d = defined $dst ? $full{$dst} : undef;
	my $b = base($op);
	my $move = sub { $r->{rsp}[1] = ($r->{rsp}[1] + $_[0]) & 15 if defined $r->{rsp}[1] };

	if ($b =~ /^pushf?$/) { $move->(-8) }
	elsif ($b =~ /^popf?$/) {
		$move->(8);
		$r->{$d} = ['loaded'] if $b eq 'pop' && $d;
	} elsif ($op eq 'rdmsr') { $r->{$_} = ['loaded'] for qw(rax rdx) }
	elsif ($op =~ /^rep (\w)/) {
		$r->{rcx} = ['zero'];
		$r->{$_} = ['loaded'] for 'rdi', $1 eq 'm' ? 'rsi' : ();
	}
	elsif ($b =~ /cmpxchg/) { $r->{rax} = ['loaded'] }
	elsif (call($i)) { $r->{$_} = ['C'] for qw(rax rcx rdx rsi rdi r8 r9 r10 r11) }
	elsif ($no_write{$b} || $op =~ /^j/ || !$d) { }
	elsif ($b eq 'xor' && $a[0] eq $a[1]) { $r->{$d} = ['zero'] }
	elsif ($b =~ /^movzb/) { $r->{$d} = ['byte'] }
	elsif ($b eq 'mov' && $a[0] =~ /^\$/) { $r->{$d} = ['constant'] }
	elsif ($b eq 'mov' && $a[0] =~ /^%(\w+)$/ && $full{$1}) { $r->{$d} = [@{$r->{$full{$1}}}] }
	elsif ($b eq 'mov' && $a[0] eq '%gs:0x' . sprintf('%x', $kstack)) { $r->{$d} = ['stack', 8] }
	elsif ($b eq 'lea' && $a[0] =~ /^(-?)(0x[0-9a-f]+)?\(%(\w+)\)$/ && $full{$3}) {
		my $from = $r->{$full{$3}};
		my $by = hex($2 // 0) * ($1 ? -1 : 1);
		$r->{$d} = [$from->[0], defined $from->[1] ? ($from->[1] + $by) & 15 : undef];
	} elsif ($b =~ /^(add|sub)$/ && $a[0] =~ /^\$(0x[0-9a-f]+)$/) {
		# A negative one is shown as 64 bits.
		my $by = hex(substr $1, -1) * ($b eq 'sub' ? -1 : 1);
		$r->{$d}[1] = ($r->{$d}[1] + $by) & 15 if defined $r->{$d}[1];
	} elsif ($b eq 'and' && $a[0] =~ /000$/) { $r->{$d} = [$r->{$d}[0], 0] }
	else { $r->{$d} = ['loaded'] }
}

my %reached;
sub at_call {
	my ($i, $r, $first, $gate) = @_;
	my $next = $i->{next};
	$next = $next->{next} if $next->{op} eq 'add';
	complain('align', $i, 'RSP is ' . ($r->{rsp}[1] // 'anything') . " modulo 16, from $gate")
		unless defined $r->{rsp}[1] && $r->{rsp}[1] == 0;
	return if !$first || $next->{op} eq 'ud2'; # one that does not come back stops the kernel
	for my $n (@order) {
		my $kind = $r->{$n}[0];
		my $fits = $n eq 'rsp' ? 1 : $n eq 'rdi' ? $kind eq 'stack' :
			$n eq 'rsi' ? $kind =~ /^(?:byte|constant|zero)$/ : $kind eq 'zero';
		complain('clear', $i, "\U$n\E holds what is $kind, from $gate") unless $fits;
	}
}

my %seen; # of all gates: what is known is the same
sub walk {
	my ($gate, $rsp) = @_;
	my %r = map { $_ => ["the gate's"] } @order;
	my @todo;
	$r{rsp} = ['stack', $rsp];
	push @todo, [$gate, \%r, 0, 1];
	while (my $t = pop @todo) {
		my ($i, $old, $unsure, $first) = @$t;
		my %r = map { $_ => [@{$old->{$_}}] } @order;
		my $key = join ',', $i->{va}, $unsure, $first, map { join '/', map { $_ // '' } @{$r{$_}} } @order;

		next if $seen{$key}++;
		$reached{$i->{va}} = 1;
		complain('ret', $i, "from $gate->{near}") if indirect($i);
		complain('reach', $i, "from $gate->{near}") if $i->{op} eq 'int3';
		complain('lfence', $i, "GS is used where a branch decided on a SWAPGS, from $gate->{near}")
			if $unsure && (uses_gs($i) || call($i));
		at_call($i, \%r, $first, $gate->{near}) if call($i);
		$first = 0 if call($i);
		$unsure = 0 if !$first || $i->{op} =~ /^(?:lfence|wrmsr)$/;
		step($i, \%r);
		my @w = ways($i);
		if ($first && conditional($i)) {
			my %f = map { %{first($_)} } @w;
			$unsure = 1 if $f{swapgs} && keys %f > 1;
		}
		push @todo, [$_, \%r, $unsure, $first] for @w;
	}
}

# ---- the gates. The CPU pushes five words on an aligned stack, and for some vectors an error code.
my %error = map { $_ => 1 } 8, 10 .. 14, 17, 21, 29, 30;
my $gates = 0;
for my $i (grep { $_->{op} eq 'endbr64' } @insn) {
	my $vector = $i->{next}{op} =~ /^push/ && $i->{next}{args}[0] =~ /([0-9a-f]{1,2})$/ ? hex $1 : 0;
	my $stub = $i->{near} =~ /^kaiser_stubs/;
	my $syscall = $i->{near} =~ /sys(?:call|enter)/;

	$gates++;
	walk($i, $syscall ? undef : $error{$vector} && $stub || $i->{near} eq 'kaiser_entry_df' ? 0 : 8);
}
for my $name (grep { /^kaiser_entry_/ && !/_end$/ } sort keys %symbol) {
	complain('reach', $at{$symbol{$name}}, 'a gate without ENDBR64') if $at{$symbol{$name}}{op} ne 'endbr64';
}
# Not every group of stubs needs both of its hops.
for my $i (@insn) {
	complain('reach', $i, 'no path comes here') unless $reached{$i->{va}} || $i->{op} eq 'int3' ||
		$i->{near} eq 'kaiser_verw_selector' || ($i->{near} eq 'kaiser_stubs' && $i->{op} eq 'jmp');
}

# ---- the exits: SYSRET, and IRET behind a SWAPGS. Other IRETs lead back to CPL 0, where it may be an exit behind
# its VERW that an NMI, #MC or #DB hit; but a nested NMI has run no C, and the ordinary kernel exit does not
# lead there: interrupts are off.
my %no_c = map { $_ => 1 } qw(kaiser_nmi_nested kaiser_nmi_nested_done kaiser_tail_nmi_nested_done kaiser_kernel_entry);
my ($exits, $inside) = (0, 0);
my %targets = map { $_->{args}[0] => 1 } grep { $_->{op} =~ /^j/ } @insn;
for my $i (grep { $_->{op} =~ /^(?:iret|sysret|sysexit)/ } @insn) {
	my $b = $i->{before};
	# It tells an error from where it stands: the kernel has not run.
	next if $i->{near} eq 'kaiser_entry_syscall32_closed';
	my $user = $i->{op} !~ /^iret/;
	for (my $p = $b; $p && !ends($p) && $p->{va} > $i->{va} - 16; $p = $p->{before}) {
		$user ||= $p->{op} eq 'swapgs';
	}
	$user ? $exits++ : $inside++;
	next if !$user && $no_c{$i->{near}};
	complain('verw', $i, 'no VERW before it') unless $b->{op} =~ /^verw/;
	complain('verw', $i, 'a branch leads behind its VERW') if $targets{sprintf '%x', $i->{va}};
}
printf "%d gates, %d exits to user mode, %d to CPL 0, %d instructions\n", $gates, $exits, $inside, scalar @insn;
exit($bad ? 1 : 0);
