#include "bench/message.h"

#include <stdio.h>
#include <string.h>

static const char zeros[] = "0000000000000000";

static const char head_from[] =
    "Received: from mail.example.net (mail.example.net [192.0.2.25])\r\n"
    "\tby mx.example.org with ESMTPS id 4T2x9k0Qz7z1n\r\n"
    "\tfor <staff@example.org>; Mon, 12 Feb 2024 10:15:02 +0100 (CET)\r\n"
    "Received: from [198.51.100.7] (host7.example.net [198.51.100.7])\r\n"
    "\tby mail.example.net with ESMTPSA id 5D1F03A2\r\n"
    "\t(version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256);\r\n"
    "\tMon, 12 Feb 2024 10:15:01 +0100 (CET)\r\n"
    "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=example.net;\r\n"
    "\ts=k1; t=1707729301; h=from:to:subject:date:message-id;\r\n"
    "\tbh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n"
    "\tb=dGhpcyBzaWduYXR1cmUgaXMgbm90IHJlYWwgYnV0IGl0IGhhcyB0aGUgbGVuZ3\r\n"
    "\t RoIG9mIG9uZSwgc28gdGhhdCBoZWFkZXJzIGhhdmUgdGhlaXIgdXN1YWwgc2l6\r\n"
    "From: =?utf-8?q?J=C3=BCrgen_M=C3=BCller?= <j.mueller@example.net>\r\n"
    "To: Staff <staff@example.org>, \"Smith, Ann\" <ann@example.org>\r\n"
    "Cc: bob@example.org\r\n"
    "Reply-To: j.mueller@example.net\r\n"
    "Subject: Re: Minutes of the meeting, number ";
static const char head_id[] = "\r\nDate: Mon, 12 Feb 2024 10:15:00 +0100\r\n"
			      "Message-ID: <";
static const char head_rest[] =
    ".4711@host7.example.net>\r\n"
    "In-Reply-To: <20240211.220133.1234@host3.example.org>\r\n"
    "References: <20240210.080000.1@host3.example.org>\r\n"
    "\t<20240211.220133.1234@host3.example.org>\r\n"
    "User-Agent: Mozilla Thunderbird\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: multipart/alternative;\r\n"
    "\tboundary=\"------------0gXyzAbc123\"\r\n"
    "\r\n"
    "This is a multi-part message in MIME format.\r\n"
    "--------------0gXyzAbc123\r\n"
    "Content-Type: text/plain; charset=utf-8; format=flowed\r\n"
    "Content-Transfer-Encoding: 8bit\r\n"
    "\r\n";
static const char html_head[] =
    "\r\n--------------0gXyzAbc123\r\n"
    "Content-Type: text/html; charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n"
    "\r\n"
    "<!DOCTYPE html><html><head><title></title></head><body>\r\n";
static const char html_tail[] = "</body></html>\r\n"
				"--------------0gXyzAbc123--\r\n";
static const char line[] =
    "The quick brown fox jumps over the lazy dog, as was agreed last week.\r\n";

static void
add_lines(struct buf *text, size_t octets)
{
	for (size_t n = 0; n < octets; n += sizeof(line) - 1) {
		buf_add_str(text, line);
	}
}

void
message_init(struct message *m, size_t size)
{
	memset(m, 0, sizeof(*m));
	buf_add_str(&m->text, head_from);
	m->number_at[0] = m->text.len;
	buf_add_str(&m->text, zeros);
	buf_add_str(&m->text, head_id);
	m->number_at[1] = m->text.len;
	buf_add_str(&m->text, zeros);
	buf_add_str(&m->text, head_rest);
	size_t fixed = m->text.len + sizeof(html_head) + sizeof(html_tail);
	size_t rest = size > fixed ? size - fixed : 0;

	add_lines(&m->text, rest / 2);
	buf_add_str(&m->text, html_head);
	add_lines(&m->text, rest / 2);
	buf_add_str(&m->text, html_tail);
}

void
message_deinit(struct message *m)
{
	buf_deinit(&m->text);
}

void
message_number(struct message *m, uint64_t number)
{
	char digits[32];

	(void)snprintf(digits, sizeof(digits), "%016llu",
	    (unsigned long long)number % 10000000000000000ULL);
	for (size_t i = 0; i < 2; i++) {
		memcpy(
		    m->text.data + m->number_at[i], digits, sizeof(zeros) - 1);
	}
}
