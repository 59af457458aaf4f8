# A GET by HTTP::Tiny over IO::Socket::SSL: caller.pl URL ADDRESS CA CERT KEY [insecure]
use strict;
use warnings;
use HTTP::Tiny;

my ($url, $address, $ca, $cert, $key, $insecure) = @ARGV;
my $client = HTTP::Tiny->new(
    timeout     => 5,
    verify_SSL  => $insecure ? 0 : 1,
    SSL_options => { SSL_ca_file => $ca, SSL_cert_file => $cert, SSL_key_file => $key },
);
my $answer = $client->get($url, { peer => $address });
print $answer->{content};
exit($answer->{success} ? 0 : 1);
