#!/usr/bin/perl
# A small web application: one page with a heading, and /health. Perl's own library is all it needs.
use strict;
use warnings;
use IO::Socket::INET;

my $environment = $ENV{SHIPIT_ENVIRONMENT} // 'nowhere';
my $revision = text('REVISION');
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $ENV{PORT}, Listen => 64, ReuseAddr => 1)
    or die "could not listen on port $ENV{PORT}: $@\n";
$SIG{PIPE} = 'IGNORE';
$SIG{ALRM} = sub { die "too slow\n" };

while (my $client = $server->accept or $!{EINTR}) {
    eval {
        alarm 5;    # one client at a time, and none may keep the others waiting
        answer($client);
    };
    alarm 0;
    close $client if $client;
}

sub answer {
    my ($client) = @_;
    my ($path) = (<$client> // '') =~ m{^GET (\S+)} or return;
    while (<$client>) { last if /^\r?$/ }    # the headers tell us nothing

    my ($status, $type, $body) =
          $path eq '/health' ? ('200 OK', 'text/plain', "ok $revision\n")
        : $path eq '/' ? ('200 OK', 'text/html', page())
        : ('404 Not Found', 'text/plain', "There is nothing here.\n");
    my $length = length $body;
    print $client "HTTP/1.1 $status\r\nContent-Type: $type; charset=utf-8\r\n",
        "Content-Length: $length\r\nConnection: close\r\n\r\n$body";
}

sub page {
    my $heading = text('heading.txt');
    my $short = substr $revision, 0, 7;
    my $colour = $environment eq 'production' ? '#1a7f37' : '#9a6700';
    s/&/&amp;/g, s/</&lt;/g for $heading;
    return <<"END";
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>$heading</title>
<style>
body { font: 1.2rem/1.5 system-ui, sans-serif; max-width: 36rem; margin: 5rem auto; border-top: .5rem solid $colour }
code { color: $colour }
</style>
<h1>$heading</h1>
<p>Revision <code>$short</code> is live in <code>$environment</code>.</p>
</html>
END
}

# The content of a file in the release, without the last line's end.
sub text {
    my ($name) = @_;
    open my $file, '<', $name or die "could not read $name: $!\n";
    local $/;
    my $text = <$file> // '';
    $text =~ s/\s+\z//;
    return $text;
}
