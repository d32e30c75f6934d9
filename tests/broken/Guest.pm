# SPDX-License-Identifier: MIT
# Boots the cases, two at a time, and reports each in TAP.
package Guest;
use strict;
use warnings;
use File::Temp 'tempdir';
use Exporter 'import';
our @EXPORT = qw(run_cases);

my $build = $ENV{BUILD} // 'build';
my $kernel = $ENV{GUEST_KERNEL} // "$build/kaiser.elf";
my $dir = tempdir(CLEANUP => 1);

# The child's work: one boot; leaves the serial output and qemu.sh's exit code.
sub boot {
	my ($c, $n) = @_;
	my @initrd;
	if (defined $c->{initrd}) {
		open my $f, '>:raw', "$dir/initrd.$n" or die $!;
		print $f $c->{initrd};
		close $f or die $!;
		@initrd = ('-i', "$dir/initrd.$n");
	}
	open STDERR, '>', "$dir/err.$n" or die $!;
	exec 'scripts/qemu.sh', '-q', '-k', $kernel, '-M', $c->{machine} // 'microvm', '-m',
		$c->{mem} // '64', '-s', $c->{cpus} // 1, '-t', 20, '-a', $c->{append} // 'pti=on',
		'-l', "$dir/log.$n", @initrd;
}

sub slurp { open my $f, '<', $_[0] or return ''; local $/; return <$f> // '' }

# Right is: the wanted exit code, and the wanted text in exactly one line; and where the guest is to
# stop (code 4), that line is the only one that complains, and the last.
sub verdict {
	my ($c, $n, $code) = @_;
	my $log = slurp("$dir/log.$n");
	my @lines = split /\n/, $log;
	my @bad = grep { /^(fatal|panic|boot): |exception|backtrace/ } @lines;
	my @hits = grep { index($_, $c->{says}) >= 0 } @lines;
	my $want = $c->{code} // 4;
	my @wrong;
	push @wrong, "exit code $code of qemu.sh, not $want" if $code != $want;
	push @wrong, scalar(@hits) . " lines say '$c->{says}'" if @hits != 1;
	push @wrong, scalar(@bad) . ' lines complain' if @bad != ($want == 4);
	push @wrong, 'the complaint is not the last line' if $want == 4 && @bad && $bad[-1] ne $lines[-1];
	return @wrong ? (@wrong, slurp("$dir/err.$n"), @lines) : ();
}

sub run_cases {
	my $pick = $ENV{BROKEN} // '';
	my @cases = grep { $_->{name} =~ /$pick/ } @_;
	my (%running, %said);
	my ($next, $shown) = (0, 0);
	$| = 1;
	print '1..', scalar @cases, "\n";
	while ($next < @cases || %running) {
		while (keys %running < 2 && $next < @cases) {
			my $pid = fork // die "fork: $!";
			boot($cases[$next], $next) unless $pid;
			$running{$pid} = $next++;
		}
		my $n = delete $running{my $pid = wait};
		next unless defined $n;
		my @wrong = verdict($cases[$n], $n, $? >> 8);
		$said{$n} = (@wrong ? 'not ok ' : 'ok ') . ($n + 1) . " - $cases[$n]{name}\n" .
			join '', map { "# $_\n" } map { split /\n/ } @wrong;
		unlink "$dir/initrd.$n";
		print delete $said{$shown++} while exists $said{$shown};
	}
}

1;
