#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# Manual pages of the C API, from the comments in the public headers, which stay the only text.
#   scripts/apiman.pl OUTDIR VERSION HEADER...
# writes OUTDIR/NAME.3 for each function and each structure that a host fills in or reads, and
# OUTDIR/kaiser.3, the list of them. What the comments are made of:
#   /* ---- a section ---- */       a comment between it and the first declaration is about all of it
#   the comment before a function, or behind it on its line. One without has the former function's.
#   sentences that begin with a context (boot, task, irqoff, any, nmi)    go to CONTEXT
#   sentences that begin with an error (KAISER_E_X, _Y)                   go to ERRORS
# A function without a comment is an error: exit 1, and its name.
use strict;
use warnings;

my ($out, $version, @headers) = @ARGV;
die "usage: apiman.pl OUTDIR VERSION HEADER...\n" unless @headers;
my %private = map { $_ => 1 } qw(kaiser kaiser_space);
my %context = (boot => 'one CPU, before any user space runs, memory may be allocated',
	task => "a thread's kernel stack, interrupts on, may wait for other CPUs",
	irqoff => 'interrupts off, on the CPU it speaks of, never waits',
	any => 'everything but NMI, #MC, #DB and #DF handlers', nmi => 'everything');
my (%error, @pages, @bare, %about);

# A comment's text: one line a paragraph, lists of "- " lines kept apart.
sub words {
	my ($text) = @_;
	$text =~ s{^\s*/\*}{}; $text =~ s{\*/\s*$}{};
	$text =~ s/^\s*\* ?//mg;
	$text =~ s/\n\s*-\s+/\x01/g;
	$text =~ s/\s+/ /g; $text =~ s/^ | $//g;
	$text =~ s/ ?\x01/\n- /g;
	return $text;
}

sub roff {
	my ($text) = @_;
	$text =~ s/\\/\\e/g; $text =~ s/-/\\-/g; $text =~ s/^([.'])/\\&$1/mg;
	$text =~ s/^\\- /.IP \\(bu 2\n/mg;
	return $text;
}

sub errors_of {
	my ($text) = @_;
	while ($text =~ /enum kaiser_error \{(.*?)\};/gs) {
		my $group = '';
		for my $line (split /\n/, $1) {
			if ($line =~ m{^\s*/\*\s*(.*?)\s*\*/}) { $group = $1; next }
			$error{$1} = $2 // $group if $line =~ m{\b(KAISER_E_\w+) = -?\d+,\s*(?:/\*\s*(.*?)\s*\*/)?};
		}
	}
}

for my $path (@headers) {
	open my $in, '<', $path or die "$path: $!\n";
	my $text = do { local $/; <$in> };
	my ($header) = $path =~ m{([^/]+)$};
	my ($section, $fresh) = ('', 0);
	errors_of($text);
	while ($text =~ m{
		/\*\s----\s(?<section>.+?)\s-+\s\*/ |
		^struct\s(?<struct>kaiser_?\w*)\s\{(?<body>.*?)^\}; |
		^(?<fn>(?!typedef|return|extern|else|\#)(?:static\sinline\s)?(?:__attribute__\(\(\w+\)\)\s*)?
			[\w*][\w\s*]*?\b(?<name>kaiser_\w+)\((?<args>[^;{}]*?)\))\s*(?:;[\ \t]*(?<behind>/\*[^\n]*?\*/)?|\{) |
		^(?<comment>/\*(?:(?!\*/).)*\*/[\ \t]*$)
	}xsmg) {
		my %m = %+;
		if (defined $m{section}) { ($section, $fresh) = ($m{section}, 1); next }
		if (defined $m{comment}) {
			# Set apart from what follows, at a section's head: about the section.
			my $rest = substr $text, pos $text, 40;
			$about{"$header/$section"} = words($m{comment}) if $fresh && $rest =~ m{^\n(?:\n|/\*)};
			next;
		}
		$fresh = 0;
		my $before = substr $text, 0, $-[0];
		my $comment = $before =~ m{(/\*(?:(?!\*/).)*\*/)\s?\n?\z}s ? words($1) : '';
		$comment = '' if $comment =~ /^----/ || $comment eq ($about{"$header/$section"} // '');
		if (defined $m{struct}) {
			push @pages, {name => $m{struct}, header => $header, section => $section, comment => $comment,
				proto => "struct $m{struct}", body => "struct $m{struct} {$m{body}};"}
				unless $private{$m{struct}} || $m{struct} !~ /^kaiser_/;
			next;
		}
		(my $proto = "$m{fn};") =~ s/\s+/ /g;
		$proto =~ s/__attribute__\(\(\w+\)\) |static inline //g;
		$comment = join ' ', grep { $_ ne '' } $comment, words($m{behind} // '');
		my $last = $pages[-1];
		if ($comment eq '') { # the former function's, or the section's
			my $shared = $last && $last->{section} eq $section ? $last->{comment} :
				$about{"$header/$section"} // '';
			push @bare, "$header: $m{name}" if $shared eq '';
			$comment = $shared;
		}
		push @pages, {name => $m{name}, proto => $proto, comment => $comment, section => $section, header => $header};
	}
}
if (@bare) { print STDERR "apiman.pl: no comment: $_\n" for @bare; exit 1 }

# The comment's sentences, sorted.
sub sorted {
	my ($page) = @_;
	my %part = (text => '', context => '', errors => '');
	for my $s (split /(?<=[.])[ ](?=[A-Z_a-z(])/, $page->{comment}) {
		my $where = $s =~ /^(?:boot|task|irqoff|any|nmi)\b(?:[,;.]| or| and)/ ? 'context' :
			$s =~ /^KAISER_E_/ ? 'errors' : 'text';
		$part{$where} .= ($part{$where} eq '' ? '' : ' ') . $s;
	}
	$part{errors} =~ s/(?<![A-Z\w])_(?=[A-Z])/KAISER_E_/g;
	return \%part;
}

# What a function fills in may have the function's name: one page then.
my %body = map { $_->{name} => $_ } grep { $_->{body} } @pages;
my %function = map { $_->{name} => 1 } grep { !$_->{body} } @pages;
@pages = grep { !($_->{body} && $function{$_->{name}}) } @pages;

-d $out or mkdir $out or die "$out: $!\n";
for my $p (@pages) {
	my $part = sorted($p);
	my ($first) = ($part->{text} ne '' ? $part->{text} : $p->{comment}) =~ /^(.*?)(?:[.:;](?:\s|$)|$)/;
	open my $page, '>', "$out/$p->{name}.3" or die "$out/$p->{name}.3: $!\n";
	print $page ".\\\" Made from kaiser/include/kaiser/$p->{header}\n",
		".TH ", uc $p->{name}, " 3 \"\" \"kaiser $version\" \"KAISER\"\n.SH NAME\n",
		"$p->{name} \\- ", roff($first =~ /^(?:[A-Z][a-z]|A )/ ? lcfirst $first : $first || $p->{proto}), "\n",
		".SH SYNOPSIS\n.nf\n", ".B #include <kaiser/$p->{header}>\n.PP\n";
	if (my $s = $body{$p->{name}}) {
		(my $body = $s->{body}) =~ s/\\/\\e/g;
		$body =~ s/-/\\-/g; $body =~ s/\t/    /g; $body =~ s/^([.'])/\\&$1/mg;
		print $page "$body\n";
		print $page ".PP\n" unless $p->{body};
	}
	print $page ".B \"", roff($p->{proto}), "\"\n" unless $p->{body};
	print $page ".fi\n";
	print $page ".SH DESCRIPTION\n", roff($part->{text}), "\n" if $part->{text} ne '';
	my $about = $about{"$p->{header}/$p->{section}"} // '';
	print $page $part->{text} eq '' ? ".SH DESCRIPTION\n" : ".PP\n", roff($about), "\n"
		if $about ne '' && $about ne $part->{text};
	if ($part->{context} ne '') {
		my $kind = qr/boot|task|irqoff|any|nmi/;
		my ($kinds) = $part->{context} =~ /^($kind(?:(?:, |; | or | and )$kind)*)/;
		print $page ".SH CONTEXT\n";
		# A lone word needs no sentence above its meaning.
		print $page roff($part->{context}), "\n" if $part->{context} !~ /^(?:\w+[,;.] ?)+$/;
		print $page ".TP\n.B $_\n", roff($context{$_}), "\n"
			for grep { " $kinds " =~ /\W$_\W/ } qw(boot task irqoff any nmi);
	}
	my @errors = grep { "$part->{errors} $part->{text}" =~ /\b$_\b/ } sort keys %error;
	if (@errors && !$p->{body}) {
		print $page ".SH ERRORS\n";
		print $page roff($part->{errors}), "\n" if $part->{errors} =~ /[a-z]/;
		print $page ".TP\n.B $_\n", roff($error{$_}), "\n" for @errors;
	}
	print $page ".SH SEE ALSO\n.BR kaiser (3)\n";
	close $page or die "$out/$p->{name}.3: $!\n";
}

open my $list, '>', "$out/kaiser.3" or die "$out/kaiser.3: $!\n";
print $list ".TH KAISER 3 \"\" \"kaiser $version\" \"KAISER\"\n.SH NAME\n",
	"kaiser \\- page\\-table isolation for any x86\\-64 kernel: the library's functions\n",
	".SH DESCRIPTION\nHow to put the library under a kernel, step by step, is in\n",
	".IR docs/embedding.md .\n",
	"Functions that return an int return KAISER_OK, which is 0, or a negative error.\n";
my ($header, $section) = ('', '');
for my $p (@pages) {
	if ($p->{header} ne $header) { $header = $p->{header}; print $list ".SH <kaiser/$header>\n"; $section = '' }
	if ($p->{section} ne $section) { $section = $p->{section}; print $list ".SS ", roff($section), "\n" }
	print $list ".TP\n.BR $p->{name} (3)\n.B \"", roff($p->{proto}), "\"\n";
}
print $list ".SH CONTEXTS\n";
print $list ".TP\n.B $_\n", roff($context{$_}), "\n" for qw(boot task irqoff any nmi);
print $list ".SH ERRORS\n";
print $list ".TP\n.B $_\n", roff($error{$_}), "\n" for sort keys %error;
print $list ".SH SEE ALSO\n.BR kaiser (1)\n";
close $list or die "$out/kaiser.3: $!\n";
