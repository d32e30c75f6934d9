#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The documents are true: links lead somewhere, named files and identifiers exist, each `make` target and
# each option of the command that a document shows is there, and each command is either run here or by
# the test named for it below. A command that is in neither place fails.
use strict;
use warnings;
use File::Basename qw(dirname);
use Cwd qw(abs_path);
use File::Temp qw(tempdir);

chdir dirname(abs_path($0)) . '/..' or die;
my $build = $ENV{BUILD} // 'build';
my $n = 0;
my @documents = (qw(README.md DESIGN.md CONTRIBUTING.md CHANGELOG.md), glob('docs/*.md'));

sub result {
	my ($bad, $text) = @_;
	$n++;
	print @$bad ? 'not ' : '', "ok $n - $text\n";
	print "# $_\n" for @$bad;
}

sub slurp { my ($p) = @_; open my $f, '<', $p or return undef; local $/; return scalar <$f> }

my %text = map { $_ => slurp($_) } @documents;

sub anchors {
	my ($text) = @_;
	my %a;
	for my $h ($text =~ /^#+ (.*)$/mg) {
		$h =~ s/[`*]//g;
		$h = lc $h;
		$h =~ s/[^\w\- ]//g;
		$h =~ s/ /-/g;
		$a{$h} = 1;
	}
	return \%a;
}

# ---- links ----
my @bad;
for my $doc (@documents) {
	(my $plain = $text{$doc}) =~ s/^```.*?^```$//msg;
	while ($plain =~ /\]\(([^)\s]+)\)/g) {
		my ($path, $anchor) = split /#/, $1, 2;
		next if $path =~ /^https?:/;
		my $file = $path eq '' ? $doc : dirname($doc) . "/$path";
		$file =~ s{^\./}{};
		if (!-e $file) { push @bad, "$doc: $1: no such file"; next }
		push @bad, "$doc: $1: no such heading"
			if defined $anchor && !anchors(slurp($file))->{$anchor};
	}
}
result(\@bad, 'every link leads to a file and a heading');

# ---- files and identifiers ----
@bad = ();
my %tracked = map { $_ => 1 } split /\n/, `git ls-files 2>/dev/null` || `find . -type f | sed 's,^./,,'`;
my %dirs;
for my $f (keys %tracked) { while ($f =~ s{/[^/]*$}{}) { $dirs{$f} = 1 } }
my $code = join "\n", map { slurp($_) // '' } grep { /\.(c|h|S|inc|t|sh|mk|pl)$/ } keys %tracked;
my %word = map { $_ => 1 } $code =~ /\b(\w+)\b/g;
for my $doc (grep { $_ ne 'CHANGELOG.md' } @documents) {
	(my $plain = $text{$doc}) =~ s/^```.*?^```$//msg;
	while ($plain =~ /`([^`\n]+)`/g) {
		my $q = $1;
		if ($q =~ m{^(?:kaiser|kernel|user|tests|tools|scripts|mk|docs|examples)/[\w./*-]*$} && $q !~ m{^kaiser/\w+\.h$}) {
			(my $p = $q) =~ s{/$}{};
			next if $p =~ /\bNAME\b|\bX\b|test_X/ || $tracked{$p} || $dirs{$p} || ($p =~ /\*/ && glob($p));
			push @bad, "$doc: `$q`: no such file";
		} elsif ($q =~ m{^kaiser/(\w+\.h)$}) {
			push @bad, "$doc: `$q`: no such header" unless $tracked{"kaiser/include/kaiser/$1"} || $tracked{$q};
		} elsif ($q =~ /^(kaiser_\w+)(?:\(.*\))?$/i) {
			my $w = $1;
			next if $w =~ /_$/ || $w eq 'kaiser_hooks' || $word{$w};
			push @bad, "$doc: `$q`: not in the code";
		}
	}
}
for my $label ($text{'docs/entry-paths.md'} =~ /\b(kaiser_[a-z0-9_]*[a-z0-9])\b/g) {
	push @bad, "docs/entry-paths.md: $label: not in the code" unless $word{$label};
}
result(\@bad, 'every file and identifier that a document names exists');

# ---- numbers ----
# What a document tells of the tree: file, pattern with the number, what it is, percent it may differ by.
sub lines_of { my ($pattern, $file) = @_; return scalar grep { /$pattern/ } split /\n/, slurp($file) // '' }
my $dir = tempdir(CLEANUP => 1);
system "ar p $build/libkaiser.a template.S.o >$dir/t.o && objcopy -O binary -j .kaiser.text $dir/t.o $dir/text";
sub used { my ($from, $bytes) = @_; # of the template: what is not int3 behind the last instruction
	(my $part = substr slurp("$dir/text") // '', $from, $bytes) =~ s/\xcc+\z//;
	return length $part }
sub calls { return `size -A $dir/t.o` =~ /^\.kaiser\.patch\s+(\d+)/m ? $1 / 16 : 0 }
sub size_of { my ($what) = @_;
	open my $c, '>', "$dir/s.c" or die;
	print $c "#include <kaiser/kaiser.h>\nchar x[sizeof($what)];\n";
	close $c;
	return `gcc -Ikaiser/include -c $dir/s.c -o $dir/s.o && nm -S $dir/s.o` =~ /^\w+ (\w+) B x/m ? hex $1 : 0 }
sub objects { my ($pattern) = @_; my $n = 0; # text and constants, without unwinding tables
	for (split /\n/, `size $build/libkaiser.a`) { my @f = split; $n += $f[3] if ($f[5] // '') =~ /$pattern/ }
	return $n }
my $seeds = sub { scalar(() = glob "tests/$_[0]/*.patch") };
my @numbers = (
	['DESIGN.md', qr/\*\*System calls\.\*\* (\d+),/, lines_of(qr/^SYSCALL\(/, 'kernel/sys/table.h'), 0],
	['CHANGELOG.md', qr/(\d+) system calls of Linux/, lines_of(qr/^SYSCALL\(/, 'kernel/sys/table.h'), 0],
	['DESIGN.md', qr/ (\d+) calls by i386's numbers/, lines_of(qr/^SYSCALL32\w*\(/, 'kernel/compat/table32.h'), 0],
	['CHANGELOG.md', qr/(\d+) system calls of i386/, lines_of(qr/^SYSCALL32\w*\(/, 'kernel/compat/table32.h'), 0],
	['DESIGN.md', qr/(\d+) seeded flush mistakes/, $seeds->('model/seeds'), 0],
	['CHANGELOG.md', qr/(\d+) seeded flush mistakes/, $seeds->('model/seeds'), 0],
	['CHANGELOG.md', qr/(\d+) named checks/, lines_of(qr/^\t\{"\w+", KAISER_/, 'kaiser/src/verify.c'), 0],
	['DESIGN.md', qr/broken in (\d+) ways/, lines_of(qr/^\t(?:AMONG|ALONE)\(/, 'tests/unit/verify_breakages.c'), 0],
	['docs/audit.md', qr/in (\d+) ways/, lines_of(qr/^\t(?:AMONG|ALONE)\(/, 'tests/unit/verify_breakages.c'), 0],
	['DESIGN.md', qr/distances of (\d+) calls/, calls(), 0],
	['README.md', qr/The entry code, ([\d,]+) lines/, scalar(split /\n/, `cat kaiser/entry/*`), 5],
	['DESIGN.md', qr/gate text \| ([\d,]+) of its/, used(0, 4096), 2],
	['DESIGN.md', qr/kernel text ([\d,]+) of 8,192/, used(4096, 8192), 2],
	['DESIGN.md', qr/(\d+) bytes of `struct kaiser_space`/, size_of('struct kaiser_space'), 0],
	['DESIGN.md', qr/([\d.]+) KB of `struct kaiser`/, size_of('struct kaiser') / 1000, 5],
	['DESIGN.md', qr/about ([\d,]+) bytes of text and constants/, objects(qr/\.o$/), 5],
	['DESIGN.md', qr/of them ([\d,]+) the template/, objects(qr/^template/), 5],
	['DESIGN.md', qr/about ([\d,]+) the checks/, objects(qr/^verify/), 5],
);
@bad = ();
for my $row (@numbers) {
	my ($doc, $pattern, $is, $percent) = @$row;
	my ($told) = $text{$doc} =~ $pattern;
	if (!defined $told) { push @bad, "$doc: nothing matches $pattern"; next }
	$told =~ s/,//g;
	push @bad, "$doc: $pattern: told $told, is $is" if abs($told - $is) > $is * $percent / 100;
}
result(\@bad, 'numbers that tell of the tree are its own');

# ---- words of the kernel's command line ----
my %option = map { $_ => 1 } $code =~ /cmdline_\w+\((?:[^()"]*, )?"([a-z_0-9]+)"/g;
result([grep { $text{'README.md'} !~ /`$_\b/ } sort keys %option], "README.md has each word of the kernel's command line");

# ---- commands ----
# Run by a test of its own, or not to be run by one: pattern => where, or why.
my @elsewhere = (
	[qr{^make .*MISTAKE=|^make mistakes$}, 'mistake.t, storm_seeds.t'],
	[qr{^make run\b}, 'demo.t'], [qr{^make (?:iso|bochs)\b}, 'demo.t'], [qr{^make test\b}, 'this run'],
	[qr{^make install\b|^make -C examples/|^export PKG_CONFIG|^pkg-config }, 'install.t'],
	[qr{^(?:build/)?kaiser audit\b}, 'audit.t, install.t'], [qr{^(?:build/)?kaiser bench\b}, 'bench.t'],
	[qr{^build/kaiser storm .*--paths linux}, 'sweep.mk: make storm-linux'],
	[qr{^(?:build/)?kaiser storm\b}, 'storm.t, storm_options.t, storm_count.t'],
	[qr{^make (?:shell|debug|debug-kernel|deb|deb-test)\b}, 'people, and the targets are checked here'],
	[qr{^gdb }, 'gdb.t'], [qr{^qemu-system-x86_64 }, 'guest.t boots so'],
	[qr{^make (?!(?:help|size)$)[\w-]+(?: [\w-]+)*(?: [A-Z_]+=\S+)*(?: && scripts/peers\.sh \S+)?$}, 'campaigns: the targets are checked here'],
);
result([grep { !-e "tests/$_" } map { $_->[1] =~ /\b(\w+\.t)\b/g } @elsewhere], 'the tests that are said to run commands exist');
# What is quick and changes nothing is run; a command that is in neither list is a fault.
my $quick = qr{^make (?:help|size)$|^build/kaiser --?\w+$|^scripts/deps\.sh -n \w+$};
my %target = map { $_ => 1 } `make -s help` =~ /^  ([\w-]+) /mg;
my (@unknown, @notarget, @nooption, @untested, %run);
my %help;
for my $doc (grep { $_ ne 'CHANGELOG.md' } @documents) {
	my @commands;
	(my $plain = $text{$doc}) =~ s/^```(?:c|asm|ld|make|json|yaml)\b.*?^```$//msg;
	$plain =~ s/\\\n\s*/ /g;
	while ($plain =~ /^(?:    )?(?:\$ )?((?:make|build\/kaiser|kaiser|scripts\/\S+|qemu-system-x86_64|gdb|prove|pkg-config|export PKG_CONFIG\S*)(?: .*)?)$/mg) {
		my $c = $1;
		next if $c =~ /^kaiser:|^make\s+[a-z]+ [a-z]+ [a-z]/ || ($c =~ /^(?:kaiser|make|gdb) / && $plain !~ /^    (?:\$ )?\Q$c\E$/m);
		push @commands, $c;
	}
	push @commands, $1 while $plain =~ /`(make [a-z][\w-]*(?: [^`]*)?)`/g;
	for my $c (@commands) {
		$c =~ s/\s+#.*$//;
		$c =~ s/\s+$//;
		if ($c =~ /^make\b/) {
			for my $t (grep { /^[a-z][\w-]*$/ } split / /, $c =~ s/^make\s*//r =~ s/[A-Z_]+="[^"]*"//gr =~ s/-C \S+( \w+)?//r) {
				push @notarget, "$doc: $c: no target $t" unless $target{$t};
			}
		}
		if ($c =~ /^(?:build\/)?kaiser (\w+)\b(.*?)(?: -- |$)/) {
			my ($sub, $rest) = ($1, $2);
			$help{$sub} //= `$build/kaiser $sub --help 2>&1`;
			while ($rest =~ /(--[a-z][\w-]*)/g) {
				my $option = $1;
				push @nooption, "$doc: $c: kaiser $sub knows no $option" unless $help{$sub} =~ /\Q$option\E\b/;
				my ($where) = grep { $c =~ $_->[0] } @elsewhere or next;
				my @tests = $where->[1] =~ /\b(\w+\.(?:t|mk))\b/g;
				push @untested, "$doc: $c: no $option in @tests"
					unless grep { slurp(/t$/ ? "tests/$_" : "mk/$_") =~ /\Q$option\E\b/ } @tests;
			}
		}
		next if grep { $c =~ $_->[0] } @elsewhere;
		if ($c =~ $quick) { $run{$c} = $doc } else { push @unknown, "$doc: $c" }
	}
}
result(\@notarget, 'every make target in the documents is in make help');
result(\@nooption, 'every option of the command in the documents is in its help');
result(\@untested, 'the test that is said to run a command has its options');
result(\@unknown, 'every command in the documents is run by a test, here or elsewhere');
for my $c (sort keys %run) {
	my $out = `$c 2>&1 </dev/null`;
	result($? ? ["$run{$c}: exit " . ($? >> 8), split /\n/, $out] : [], $c);
}

# ---- manual pages ----
@bad = ();
for my $page (glob 'docs/man/*.1') {
	my ($sub) = $page =~ /kaiser-(\w+)\.1$/ or next;
	my $text = slurp($page);
	$text =~ s/\\-/-/g;
	my $help = `$build/kaiser $sub --help 2>&1`;
	for my $option ($help =~ /(--[a-z][\w-]*)/g) {
		push @bad, "$page does not have $option" unless $text =~ /\Q$option\E/;
	}
}
result(\@bad, 'every option of the command has its place in a manual page');
print "1..$n\n";
