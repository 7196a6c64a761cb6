/*
 * What people see of HTML, and headers in ASCII: any octets make UTF-8 of
 * bounded length, the same however the input comes in pieces.
 */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "mail/downgrade.h"
#include "mail/html.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 64 * 1024, TIMES_MAX = 64 };

/* All at once, or an octet at a time where that cuts no character. */
static void
show(struct sv text, bool apart, struct buf *to)
{
	struct html_text h = {0};

	for (size_t i = 0; apart && i < text.len;) {
		size_t n = utf8_expected(sv_from(text, i));

		n = n == 0 || n > text.len - i ? 1 : n;
		html_text_put(&h, sv_sub(text, i, n), to);
		i += n;
	}
	if (!apart) {
		html_text_put(&h, text, to);
	}
	html_text_finish(&h, to);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv text = sv_make((const char *)data, size);
	struct buf whole = {0}, apart = {0}, header = {0};

	if (size > INPUT_MAX) {
		return 0;
	}
	show(text, false, &whole);
	show(text, true, &apart);
	ASSERT(sv_eq(buf_sv(&whole), buf_sv(&apart)));
	downgrade_header(text, &header);
	ASSERT(header.len <= (size + 64) * TIMES_MAX);
	buf_deinit(&whole);
	buf_deinit(&apart);
	buf_deinit(&header);
	return 0;
}
