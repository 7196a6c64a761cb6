/*
 * Any octets as a field's body, in any charset and transfer encoding.  The
 * first line of the input is the charset's name.
 */
#include "base/mem.h"
#include "base/utf8.h"
#include "mail/charset.h"
#include "mail/encoded.h"
#include "mail/transfer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Decoding in pieces gives what decoding at once does. */
static void
check_charset(struct sv name, struct sv text)
{
	struct buf whole = {.len = 0}, pieces = {.len = 0};
	struct charset c;

	charset_to_utf8(name, text, &whole);
	ASSERT(utf8_valid(buf_sv(&whole)));
	ASSERT(whole.len <= CHARSET_GROWTH * text.len + 16);
	charset_init(&c, name);
	for (size_t i = 0; i < text.len; i += 3) {
		charset_convert(&c, sv_sub(text, i, 3), &pieces);
	}
	charset_finish(&c, &pieces);
	charset_deinit(&c);
	ASSERT(utf8_valid(buf_sv(&pieces)));
	ASSERT(
	    c.kind == CHARSET_ICONV || sv_eq(buf_sv(&whole), buf_sv(&pieces)));
	buf_deinit(&whole);
	buf_deinit(&pieces);
}

static void
check_transfer(enum transfer_encoding e, struct sv text)
{
	struct buf whole = {.len = 0}, pieces = {.len = 0};
	struct transfer t;

	transfer_init(&t, e);
	transfer_decode(&t, text, &whole);
	transfer_finish(&t, &whole);
	transfer_init(&t, e);
	for (size_t i = 0; i < text.len; i++) {
		transfer_decode(&t, sv_sub(text, i, 1), &pieces);
	}
	transfer_finish(&t, &pieces);
	ASSERT(sv_eq(buf_sv(&whole), buf_sv(&pieces)));
	buf_deinit(&whole);
	buf_deinit(&pieces);
}

static void
check_base64(struct sv text)
{
	struct buf coded = {.len = 0}, back = {.len = 0};
	struct transfer t;

	transfer_base64(text, &coded);
	transfer_init(&t, TRANSFER_BASE64);
	transfer_decode(&t, buf_sv(&coded), &back);
	transfer_finish(&t, &back);
	ASSERT(!t.damaged);
	ASSERT(sv_eq(buf_sv(&back), text));
	buf_deinit(&coded);
	buf_deinit(&back);
}

static void
check_words(struct sv text)
{
	struct buf plain = {.len = 0}, coded = {.len = 0}, back = {.len = 0};
	struct buf folded = {.len = 0};

	encoded_decode(text, &plain);
	ASSERT(utf8_valid(buf_sv(&plain)));
	ASSERT(plain.len <= CHARSET_GROWTH * text.len);
	encoded_encode(buf_sv(&plain), &coded);
	encoded_decode(buf_sv(&coded), &back);
	ASSERT(sv_eq(sv_trim(buf_sv(&back)), sv_trim(buf_sv(&plain))));
	charset_casemap(text, &folded);
	ASSERT(folded.len <= text.len * 11);
	buf_deinit(&plain);
	buf_deinit(&coded);
	buf_deinit(&back);
	buf_deinit(&folded);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv text = sv_make(data, size);
	struct sv name = sv_cut(&text, '\n');

	check_charset(name, text);
	for (int e = TRANSFER_7BIT; e <= TRANSFER_UNKNOWN; e++) {
		check_transfer((enum transfer_encoding)e, text);
	}
	check_base64(text);
	check_words(text);
	return 0;
}
