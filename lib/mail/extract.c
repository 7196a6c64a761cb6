#include "mail/extract.h"

#include "mail/param.h"

/* What is kept whole by a limit is looked at as text too. */
static bool
is_text(const struct mime_part *p)
{
	return p->opaque || sv_eq_nocase(p->type, SV("text"));
}

static void
init_charset(struct extract *e, const struct mime_part *p)
{
	struct arena arena = {.head = NULL};
	struct param_list params = {.n = 0};

	if (!p->by_default) {
		param_parse(p->content_type, PARAM_MAX, &arena, &params);
	}
	charset_init(&e->charset, param_get(&params, SV("charset")));
	arena_deinit(&arena);
}

void
extract_init(struct extract *e, const struct mime *m, const struct mime_part *p)
{
	*e = (struct extract){.rest = mime_body(m, p), .text = is_text(p)};
	transfer_init(&e->transfer, p->span.encoding);
	if (e->text) {
		init_charset(e, p);
	}
}

void
extract_deinit(struct extract *e)
{
	if (e->text) {
		charset_deinit(&e->charset);
	}
	buf_deinit(&e->raw);
}

bool
extract_next(struct extract *e, struct buf *to)
{
	struct buf *octets = e->text ? &e->raw : to;
	struct sv chunk = sv_sub(e->rest, 0, EXTRACT_CHUNK);

	if (e->done) {
		return false;
	}
	e->rest = sv_from(e->rest, chunk.len);
	e->done = e->rest.len == 0;
	buf_clear(&e->raw);
	transfer_decode(&e->transfer, chunk, octets);
	if (e->done) {
		transfer_finish(&e->transfer, octets);
	}
	if (!e->text) {
		return true;
	}
	charset_convert(&e->charset, buf_sv(&e->raw), to);
	if (e->done) {
		charset_finish(&e->charset, to);
	}
	return true;
}
