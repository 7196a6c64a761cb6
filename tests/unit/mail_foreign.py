#!/usr/bin/python3
"""Compare our MIME trees with those of other parsers.

usage: mail_foreign.py MIME_DUMP DATA

mime4j and mail-parser ship the parses that they expect beside their test
messages; Python's email package is a second opinion on every message there
is.  Where one differs, the message and the reason are listed here; a difference that is not
listed fails, and so does a listed one that is gone.  Without DATA there is
nothing to compare: exit status 77, which Meson counts as skipped.
"""
import email
import email.policy
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET

LEAF, MULTIPART, MESSAGE = 0, 1, 2

MIME4J_DIFFERS = {
    "it opens encoded messages; IMAP cannot number what is in them": [
        "bad-newlines-multiple-parts-base64.msg",
        "base64encoded-rfc822message-nested.msg",
        "base64encoded-rfc822message.msg"],
    "it lets the first line that is no field begin the body": [
        "malformedHeaderStartsBody-nocrlfcrlf.msg",
        "malformedHeaderStartsBody-noheader.msg"],
    "a multipart without parts has its text as one here": [
        "missing-boundary.msg", "missing-inner-boundary.msg",
        "missing-inner-start-boundary.msg", "multipartnopart.msg"],
    "blanks at the end of a boundary parameter do not count here": [
        "very-long-boundary.msg", "very-very-long-boundary.msg",
        "weird-boundary.msg"],
}
MAILPARSER_DIFFERS = {
    "it opens encoded messages": ["rfc/008.eml"],
    "a multipart without parts has its text as one here": [
        "malformed/000.eml", "malformed/001.eml", "malformed/002.eml"],
    "the longest of several boundaries counts here": [
        "malformed/004.eml", "malformed/007.eml", "malformed/008.eml",
        "malformed/016.eml"],
    "an inner multipart of the same boundary can end here": [
        "malformed/009.eml", "malformed/011.eml", "malformed/012.eml"],
    "a delimiter at the very end begins a part here": [
        "malformed/013.eml", "malformed/014.eml"],
    "its offsets of parts without a body or an end differ": [
        "malformed/018.eml", "malformed/019.eml", "malformed/020.eml",
        "malformed/021.eml", "malformed/022.eml"],
}
PYTHON_DIFFERS = {
    "a delimiter need only begin the line here [RFC 2046 5.1.2]": [
        "mime-mailparser/malformed/000.eml",
        "mime-mailparser/malformed/003.eml",
        "mime-mailparser/malformed/004.eml",
        "mime-mailparser/malformed/005.eml",
        "mime-mailparser/malformed/017.eml",
        "mime-mailparser/malformed/019.eml",
        "mime-mime4j/ending-boundaries.msg",
        "mime-rubymail/emails/mime_emails/raw_email4.eml"],
    "an inner multipart of the same boundary has its parts here": [
        "mime-mailparser/malformed/013.eml"],
    "it opens encoded messages": [
        "mime-mailparser/rfc/008.eml",
        "mime-mime4j/bad-newlines-multiple-parts-base64.msg",
        "mime-mime4j/base64encoded-rfc822message-nested.msg",
        "mime-mime4j/base64encoded-rfc822message.msg"],
    "it lets the first line that is no field begin the body": [
        "mime-mailparser/malformed/022.eml",
        "mime-mime4j/basic-plain-with-bad-header-separator.msg",
        "mime-mime4j/malformedHeader-nocrlfcrlf.msg",
        "mime-mime4j/malformedHeader-noheader.msg",
        "mime-mime4j/malformedHeaderStartsBody-nocrlfcrlf.msg",
        "mime-mime4j/malformedHeaderStartsBody-noheader.msg",
        "mime-mime4j/obsolete.msg",
        "mime-rubymail/emails/plain_emails/raw_email_incorrect_header.eml",
        "mime-rubymail/emails/rfc2822/example13.eml"],
    "it takes the epilogue of a multipart without parts for one": [
        "mime-mime4j/missing-inner-start-boundary.msg",
        "mime-mime4j/multipartemptypart.msg",
        "mime-mime4j/multipartnopart.msg"],
    "blanks at the end of a boundary parameter do not count here": [
        "mime-mime4j/very-long-boundary.msg",
        "mime-mime4j/very-very-long-boundary.msg",
        "mime-mime4j/weird-boundary.msg"],
}


def dump(program, paths):
    out = subprocess.run([program] + paths, check=True, capture_output=True)
    return [json.loads(line) for line in out.stdout.splitlines()]


def plain(octets):
    """Text as the comparison sees it: no CR, no blanks at either end."""
    return octets.replace(b"\r", b"").strip(b"\n \t")


def ours(parts, octets, i=0):
    """Nested: leaves are octets, the others lists."""
    if parts[i][1] == LEAF:
        return plain(octets[parts[i][4]:parts[i][5]])
    return [ours(parts, octets, k) for k in range(i + 1, len(parts))
            if parts[k][0] == i]


def mime4j(node):
    multipart = node.find("multipart")
    if multipart is not None:
        return [mime4j(part) for part in multipart.findall("body-part")]
    message = node.find("message")
    if message is not None:
        return [mime4j(message)]
    body = node.find("body")
    text = "" if body is None else body.text or ""
    return plain(text.encode("latin-1", "replace"))


class Anything:
    """Equal to all: what a parser takes apart by a rule of its own."""

    def __eq__(self, other):
        return True


def python(part):
    payload = getattr(part, "_payload")  # get_payload() would decode it
    kind = part.get_content_type()
    if kind.startswith("message/") and kind not in ("message/rfc822",
                                                    "message/global"):
        return Anything()
    if isinstance(payload, list):
        return [python(child) for child in payload]
    text = plain((payload or "").encode("utf-8", "surrogateescape"))
    # A multipart whose boundary does not come has its text as one part here.
    if part.get_content_maintype() == "multipart" and part.get_boundary():
        return [text]
    return text


def mailparser(message, places):
    """Where header, body and end of each part are, messages within too."""
    for part in message["parts"]:
        places.add((part["offset_header"], part["offset_body"],
                    part["offset_end"]))
        if isinstance(part["body"], dict) and "Message" in part["body"]:
            mailparser(part["body"]["Message"], places)
    return places


def compare(name, theirs, mine, known, failures):
    """Count agreement; say what is neither equal nor known to differ."""
    listed = any(name in names for names in known.values())
    if (theirs == mine) == listed:
        failures.append(name)
        print(f"{name}:\n  theirs {theirs!r:.400}\n  ours   {mine!r:.400}")
    return theirs == mine


def read(path):
    with open(path, "rb") as f:
        return f.read()


def mime4j_pass(program, folder, failures):
    paths = sorted(p.path for p in os.scandir(folder)
                   if p.name.endswith(".msg"))
    equal = 0
    for path, parts in zip(paths, dump(program, paths)):
        tree = ET.parse(path[:-4] + ".xml").getroot()
        equal += compare(os.path.basename(path), mime4j(tree),
                         ours(parts, read(path)), MIME4J_DIFFERS, failures)
    print(f"mime4j: {equal} of {len(paths)} agree")


def mailparser_pass(program, folder, failures):
    paths = sorted(os.path.join(folder, sub, name)
                   for sub in ("malformed", "rfc")
                   for name in os.listdir(os.path.join(folder, sub))
                   if name.endswith(".eml"))
    equal = 0
    for path, parts in zip(paths, dump(program, paths)):
        crlf = b"\r\n" in read(path)
        with open(path[:-4] + (".crlf" if crlf else "") + ".json",
                  encoding="utf-8") as f:
            theirs = mailparser(json.load(f), set())
        equal += compare(os.path.relpath(path, folder), theirs,
                         {tuple(part[3:]) for part in parts},
                         MAILPARSER_DIFFERS, failures)
    print(f"mailparser: {equal} of {len(paths)} agree")


def python_pass(program, data, failures):
    paths = sorted(os.path.join(folder, name)
                   for folder, _, names in os.walk(data) for name in names
                   if name.endswith((".eml", ".msg"))
                   or "corpus-lkml/cur" in folder)
    equal = 0
    for path, parts in zip(paths, dump(program, paths)):
        octets = read(path)
        theirs = python(email.message_from_bytes(
            octets, policy=email.policy.compat32))
        equal += compare(os.path.relpath(path, data), theirs,
                         ours(parts, octets), PYTHON_DIFFERS, failures)
    print(f"python: {equal} of {len(paths)} agree")



def main():
    program, data = sys.argv[1:]
    data = os.environ.get("POSTROOM_DATA", data)
    if not os.path.isdir(data):
        print(f"no {data}: nothing to compare")
        return 77
    failures = []
    mime4j_pass(program, os.path.join(data, "mime-mime4j"), failures)
    mailparser_pass(program, os.path.join(data, "mime-mailparser"), failures)
    python_pass(program, data, failures)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
