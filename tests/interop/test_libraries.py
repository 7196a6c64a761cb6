"""IMAP libraries of other languages, each with a short program of ours."""
import pytest

from harness import client, mail

PERL = r"""
use strict;
use warnings;
use Mail::IMAPClient;
use IO::Socket::SSL;

my ($host, $port, $user, $password, $message) = @ARGV;
my $imap = Mail::IMAPClient->new(
    Server => $host, Port => $port, User => $user, Password => $password,
    Ssl => [SSL_verify_mode => SSL_VERIFY_NONE], Uid => 1, Peek => 1)
    or die "no connection: $@";
sub ok { my ($what, $is) = @_; die "$what: " . $imap->LastError if !$is; $is }
ok("create", $imap->create("Archive/2024"));
ok("folders", scalar grep { $_ eq "Archive/2024" } $imap->folders);
ok("subscribe", $imap->subscribe("Archive/2024"));
my $uid = ok("append", $imap->append_string("INBOX", $message, '\\Flagged'));
ok("select", $imap->select("INBOX"));
my $found = ok("search", [$imap->search("SUBJECT", "by Perl")]);
die "found @$found, not $uid" if "@$found" ne $uid;
die "it is not Flagged" if !grep { $_ eq '\\Flagged' } $imap->flags($uid);
ok("string", $imap->message_string($uid) eq $message);
my $shape = ok("structure", $imap->get_bodystructure($uid));
die "a bad structure" if lc $shape->bodytype ne "text";
my $envelope = ok("envelope", $imap->get_envelope($uid));
die "a bad envelope" if $envelope->subject !~ /by Perl/;
ok("headers", $imap->parse_headers($uid, "Subject")->{Subject}[0] =~ /Perl/);
ok("see", $imap->see($uid));
die "it counts as unseen" if $imap->unseen_count("INBOX");
ok("move", $imap->move("Archive/2024", $uid));
ok("expunge", $imap->expunge("INBOX"));
die "it is still there" if $imap->message_count("INBOX");
die "it is not there" if $imap->message_count("Archive/2024") != 1;
ok("rename", $imap->rename("Archive/2024", "T&APY-pfe"));
ok("idle", my $tag = $imap->idle);
ok("done", $imap->done($tag));
ok("delete", $imap->delete("T&APY-pfe"));
ok("logout", $imap->logout);
print "all is well\n";
"""

RUBY = r"""
require "net/imap"

host, port, user, password, message = ARGV
imap = Net::IMAP.new(host, port: port.to_i, ssl: {verify_mode: 0})
raise "no SCRAM" unless imap.capability.any? { |c| c =~ /SCRAM-SHA-256/ }
imap.login(user, password)
topf = Net::IMAP.encode_utf7("Töpfe")
imap.create(topf)
raise "no mailbox" unless imap.list("", "*").map(&:name).include?(topf)
imap.append("INBOX", message, [:Flagged, "$label1"], Time.at(1000000000))
imap.select("INBOX")
raise "not found" unless imap.search(["SUBJECT", "by Ruby"]) == [1]
data = imap.fetch(1, %w[UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE
                        BODYSTRUCTURE BODY.PEEK[]])[0].attr
raise "octets" unless data["BODY[]"] == message
raise "size" unless data["RFC822.SIZE"] == message.bytesize
raise "flags" unless data["FLAGS"].include?(:Flagged)
raise "envelope" unless data["ENVELOPE"].subject =~ /by Ruby/
raise "structure" unless data["BODYSTRUCTURE"].media_type.upcase == "TEXT"
date = Net::IMAP.decode_datetime(data["INTERNALDATE"]) rescue nil
raise "date" if date && date.to_time.to_i != 1000000000
raise "store" unless imap.store(1, "+FLAGS", [:Seen])[0].attr["FLAGS"]
  .include?(:Seen)
imap.copy(1, topf)
imap.move(1, topf)
raise "moved" unless imap.responses["EXPUNGE"].to_a == [1]
status = imap.status(topf, %w[MESSAGES UNSEEN])
raise "status" unless status == {"MESSAGES" => 2, "UNSEEN" => 0}
imap.select(topf)
raise "uids" unless imap.uid_search(["ALL"]) == [1, 2]
imap.uid_store(1..2, "+FLAGS", [:Deleted])
raise "expunged" unless imap.expunge == [1, 1]
told = nil
imap.idle(5) do |r|
  told = r.name if r.is_a?(Net::IMAP::UntaggedResponse) && r.name == "EXISTS"
  told || r.is_a?(Net::IMAP::ContinuationRequest) and imap.idle_done
end
imap.close
imap.delete(topf)
imap.logout
puts "all is well"
"""

# This is c-client, which Alpine has too.
PHP = r"""
[, $host, $port, $user, $password, $message] = $argv;
function ok($what, $is) {
    if (!$is) {
        fprintf(STDERR, "%s: %s\n", $what, print_r(imap_errors(), true));
        exit(1);
    }
    return $is;
}
$root = "{{$host}:$port/imap/ssl/novalidate-cert}";
$imap = ok("open", imap_open("{$root}INBOX", $user, $password));
ok("create", imap_createmailbox($imap, "{$root}Archive/2024"));
ok("list", in_array("{$root}Archive/2024", imap_list($imap, $root, "*")));
ok("subscribe", imap_subscribe($imap, "{$root}Archive/2024"));
ok("lsub", count(imap_lsub($imap, $root, "*")) == 1);
ok("append", imap_append($imap, "{$root}INBOX", $message, "\\Flagged",
                         "12-Feb-2024 10:00:00 +0100"));
ok("ping", imap_ping($imap) && imap_num_msg($imap) == 1);
ok("search", imap_search($imap, 'FLAGGED SUBJECT "by Php"') == [1]);
$seen = ok("overview", imap_fetch_overview($imap, "1"))[0];
ok("what it shows", $seen->uid == 1 && $seen->flagged && !$seen->seen
    && $seen->size == strlen($message) && $seen->recent);
$shape = ok("structure", imap_fetchstructure($imap, 1));
ok("text", $shape->type == TYPETEXT && $shape->lines == 1);
$text = imap_fetchheader($imap, 1) . imap_body($imap, 1, FT_PEEK);
ok("octets", $text == $message);
ok("part", imap_fetchbody($imap, 1, "1", FT_PEEK) == "Hello.\r\n");
ok("sort", imap_sort($imap, SORTDATE, false) == [1]);
ok("thread", imap_thread($imap)["0.num"] == 1);
ok("flag", imap_setflag_full($imap, "1", "\\Seen \\Answered", ST_UID));
ok("copy", imap_mail_copy($imap, "1", "Archive/2024"));
ok("move", imap_mail_move($imap, "1", "Archive/2024"));
ok("expunge", imap_expunge($imap) && imap_num_msg($imap) == 0);
$status = ok("status", imap_status($imap, "{$root}Archive/2024", SA_ALL));
ok("what it is", $status->messages == 2 && $status->unseen == 0);
ok("reopen", imap_reopen($imap, "{$root}Archive/2024"));
ok("delete", imap_delete($imap, "1:2"));
ok("rename", imap_renamemailbox($imap, "{$root}Archive/2024", "{$root}Old"));
ok("close", imap_close($imap, CL_EXPUNGE));
$imap = ok("open again", imap_open("{$root}Old", $user, $password));
ok("none left", imap_num_msg($imap) == 0);
ok("and away", imap_deletemailbox($imap, "{$root}Old"));
imap_close($imap);
echo "all is well\n";
"""


@pytest.mark.parametrize("command, program", [
    (["perl", "-e"], PERL), (["ruby", "-e"], RUBY), (["php", "-r"], PHP)],
    ids=["perl", "ruby", "php"])
def test_a_library_finds_its_way(server, account, command, program):
    name = command[0].title()
    r = client.run([*command, program, "localhost",
                    str(server.port("imaps")), account.address,
                    account.password, mail.make(f"sent by {name}")])
    assert r.output.endswith("all is well\n"), r
