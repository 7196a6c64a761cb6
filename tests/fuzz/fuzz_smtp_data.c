/* A text between DATA and its dot, whole and cut in pieces whose length the
 * first octet gives: both must give the same. */
#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "proto/smtp_data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
decode(struct sv text, size_t piece, struct smtp_data *d, struct buf *to)
{
	size_t used = 0;

	while (used < text.len && d->state != SMTP_DATA_END) {
		struct sv in = sv_sub(text, used, piece), run;
		size_t had = in.len;

		while (smtp_data_next(d, &in, &run)) {
			ASSERT(run.len > 0);
			buf_add_sv(to, run);
		}
		used += had - in.len;
	}
	return used;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_data one = {0}, two = {0};
	struct buf whole = {0}, cut = {0};

	if (size == 0) {
		return 0;
	}
	struct sv text = sv_make(data + 1, size - 1);
	size_t used = decode(text, SIZE_MAX, &one, &whole);

	ASSERT(used == decode(text, (size_t)(data[0] % 16) + 1, &two, &cut));
	ASSERT(one.state == two.state && one.seen == two.seen
	       && one.longest == two.longest);
	ASSERT(sv_eq(buf_sv(&whole), buf_sv(&cut)));
	ASSERT(whole.len <= used);
	buf_deinit(&whole);
	buf_deinit(&cut);
	return 0;
}
