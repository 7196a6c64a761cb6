#include "proto/smtp_ehlo.h"

#include "proto/smtp_reply.h"

static const struct {
	unsigned ext;
	const char *keyword;
} plain[] = {
    {SMTP_EXT_PIPELINING, "PIPELINING"},
    {SMTP_EXT_8BITMIME, "8BITMIME"},
    {SMTP_EXT_ENHANCED, "ENHANCEDSTATUSCODES"},
    {SMTP_EXT_CHUNKING, "CHUNKING"},
    {SMTP_EXT_BINARYMIME, "BINARYMIME"},
    {SMTP_EXT_SMTPUTF8, "SMTPUTF8"},
    {SMTP_EXT_STARTTLS, "STARTTLS"},
};

static void
add_auth(const struct smtp_ehlo *ehlo, struct buf *text)
{
	if ((ehlo->ext & SMTP_EXT_AUTH) == 0 || ehlo->n_mechs == 0) {
		return;
	}
	buf_add_str(text, "\nAUTH");
	for (size_t i = 0; i < ehlo->n_mechs; i++) {
		buf_add_char(text, ' ');
		buf_add_str(text, ehlo->mechs[i]);
	}
}

void
smtp_ehlo_write(const struct smtp_ehlo *ehlo, struct buf *to)
{
	static const struct smtp_reply ok = {250, "", ""};
	struct buf text = {0};

	buf_add_sv(&text, ehlo->host);
	if (ehlo->client.len > 0) {
		buf_add_str(&text, " greets ");
		buf_add_sv(&text, ehlo->client);
	}
	for (size_t i = 0; i < COUNT_OF(plain); i++) {
		if ((ehlo->ext & plain[i].ext) != 0) {
			buf_add_char(&text, '\n');
			buf_add_str(&text, plain[i].keyword);
		}
	}
	if ((ehlo->ext & SMTP_EXT_SIZE) != 0) {
		buf_add_str(&text, "\nSIZE ");
		buf_add_u64(&text, ehlo->size_max);
	}
	add_auth(ehlo, &text);
	smtp_reply_write(&ok, buf_sv(&text), to);
	buf_deinit(&text);
}

void
smtp_greeting_write(struct sv host, const char *protocol, struct buf *to)
{
	buf_add_str(to, "220 ");
	buf_add_sv(to, host);
	buf_add_char(to, ' ');
	buf_add_str(to, protocol);
	buf_add_str(to, " ready\r\n");
}
