#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The code in a document and the files of an example are the same text. A block is
#	```c file=host.c part=2
# and a file is its blocks in the order of their parts; in the file a part begins with a line
# "/* ---- part title ---- */".
#   scripts/blocks.pl DOCUMENT OUTDIR            writes the files from the document
#   scripts/blocks.pl --update DOCUMENT DIR      writes the document's blocks from the files
use strict;
use warnings;

my $update = @ARGV && $ARGV[0] eq '--update' ? shift : 0;
my ($document, $dir) = @ARGV;
die "usage: blocks.pl [--update] DOCUMENT DIR\n" unless @ARGV == 2;
open my $in, '<', $document or die "$document: $!\n";
my @lines = <$in>;
close $in;

sub slurp {
	my ($path) = @_;
	open my $f, '<', $path or die "$path: $!\n";
	local $/;
	return scalar <$f>;
}

my (%part, @out, $file, $number);
for my $line (@lines) {
	if (defined $file) {
		if ($line =~ /^```$/) {
			if ($update) {
				my @parts = split /^(?=\/\* ---- )/m, slurp("$dir/$file");
				@parts = (join '', @parts) unless $number;
				my $text = $parts[$number ? $number - 1 : 0];
				die "$document: $file has no part $number\n" unless defined $text;
				$text =~ s/\n+$/\n/;
				push @out, $text;
			}
			push @out, $line;
			undef $file;
		} else {
			$part{$file}[$number ? $number - 1 : 0] .= $line;
			push @out, $line unless $update;
		}
		next;
	}
	push @out, $line;
	if ($line =~ /^```\w+ file=(\S+)(?: part=(\d+))?$/) {
		($file, $number) = ($1, $2 // 0);
		$part{$file}[$number ? $number - 1 : 0] = '';
	}
}
die "$document: the last block has no end\n" if defined $file;
if ($update) {
	open my $to, '>', $document or die "$document: $!\n";
	print $to @out;
	close $to or die "$document: $!\n";
	exit 0;
}
for my $name (sort keys %part) {
	for my $i (0 .. $#{$part{$name}}) {
		die "$document: $name: part ", $i + 1, " is missing\n" unless defined $part{$name}[$i];
	}
	open my $to, '>', "$dir/$name" or die "$dir/$name: $!\n";
	print $to join("\n", @{$part{$name}});
	close $to or die "$dir/$name: $!\n";
	print "$name\n";
}
