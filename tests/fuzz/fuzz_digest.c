/*
 * Any octets as a stored digest: all that can be asked of it answers soundly
 * or not at all.
 */
#include "base/mem.h"
#include "mail/digest.h"
#include "mail/imap_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Either answer is right. */
static void
any(bool answer)
{
	(void)answer;
}

static void
ask_fields(const struct digest *d)
{
	static const struct sv names[] = {
	    {"From", 4}, {"X-Other", 7}, {"Subject", 7}, {"", 0}};
	struct buf text = {.len = 0};

	any(digest_header_fields(d, names, COUNT_OF(names), &text));
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		struct sv body = SV_EMPTY;
		size_t at = 0;

		(void)digest_field(d, names[i], &body);
		while (digest_field_next(d, names[i], &at, &body)) {
			ASSERT(body.p >= d->fields.p);
			ASSERT(
			    body.p + body.len <= d->fields.p + d->fields.len);
		}
	}
	buf_deinit(&text);
}

static void
ask_spans(const struct digest *d)
{
	struct arena arena = {.head = NULL};
	struct section_spans spans;

	if (digest_spans(d, &arena, &spans)) {
		for (uint32_t i = 0; i < spans.n; i++) {
			const struct mime_span *s = &spans.first[i];

			ASSERT(s->header_at <= s->body_at);
			ASSERT(s->body_at <= s->end && s->end <= d->size);
			ASSERT(s->first == MIME_NONE || s->first < spans.n);
			ASSERT(s->next == MIME_NONE || s->next < spans.n);
			ASSERT(i == 0 || s->parent < i);
		}
	}
	arena_deinit(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf text = {.len = 0};
	struct digest d;
	struct fail f;

	if (digest_open(sv_make(data, size), &d, &f) != 0) {
		ASSERT(f.kind == FAIL_CORRUPT);
		/* The reducer stands alone too. */
		(void)imap_text_body_from_structure(sv_make(data, size), &text);
		buf_deinit(&text);
		return 0;
	}
	any(digest_envelope(&d, &text));
	any(digest_structure(&d, &text));
	any(digest_body(&d, &text));
	ask_fields(&d);
	ask_spans(&d);
	buf_deinit(&text);
	return 0;
}
