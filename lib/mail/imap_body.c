/*
 * BODY and BODYSTRUCTURE.  The tree is walked in the order of its parts
 * without recursion: a part is written in two pieces, one before what is in
 * it and one behind.
 */
#include "mail/imap_text_priv.h"

#include "mail/header.h"
#include "mail/param.h"

struct writer {
	const struct mime *m;
	struct buf *to;
	bool extended;
	struct arena arena; /* of one field */
};

static void
space(struct writer *w)
{
	buf_add_char(w->to, ' ');
}

static bool
is_text(const struct mime_part *p)
{
	return sv_eq_nocase(p->type, SV("text"));
}

/* ("name" "value" ...) or NIL.  Without a charset the default of plain text
 * is told.  [RFC 2046 4.1.2] */
static void
write_params(
    struct writer *w, const struct param_list *list, bool default_charset)
{
	if (list->n == 0 && !default_charset) {
		buf_add_str(w->to, "NIL");
		return;
	}
	buf_add_char(w->to, '(');
	for (size_t i = 0; i < list->n; i++) {
		if (i > 0) {
			space(w);
		}
		imap_text_string(list->at[i].name, w->to);
		space(w);
		imap_text_string(list->at[i].value, w->to);
	}
	if (default_charset) {
		buf_add_str(w->to, list->n > 0 ? " " : "");
		buf_add_str(w->to, "\"charset\" \"us-ascii\"");
	}
	buf_add_char(w->to, ')');
}

static void
write_type_params(struct writer *w, const struct mime_part *p)
{
	struct param_list list = {.n = 0};
	bool plain = is_text(p) && sv_eq_nocase(p->subtype, SV("plain"));

	if (!p->by_default) {
		param_parse(p->content_type, PARAM_MAX, &w->arena, &list);
	}
	write_params(
	    w, &list, plain && param_get(&list, SV("charset")).p == NULL);
	arena_reset(&w->arena);
}

/* ("attachment" ("filename" "x")) or NIL.  [RFC 2183] */
static void
write_disposition(struct writer *w, const struct mime_part *p)
{
	struct param_list list;

	param_parse(p->content_disposition, PARAM_MAX, &w->arena, &list);
	if (list.value.len == 0) {
		buf_add_str(w->to, "NIL");
	} else {
		buf_add_char(w->to, '(');
		imap_text_string(list.value, w->to);
		space(w);
		write_params(w, &list, false);
		buf_add_char(w->to, ')');
	}
	arena_reset(&w->arena);
}

/* ("en" "fr") or NIL.  [RFC 3282] */
static void
write_language(struct writer *w, const struct mime_part *p)
{
	struct buf line = {.len = 0};
	struct sv rest;
	size_t n = 0;

	header_unfold(p->content_language, &line);
	rest = buf_sv(&line);
	while (rest.len > 0) {
		struct sv tag = sv_trim(sv_cut(&rest, ','));

		if (tag.len > 0) {
			buf_add_char(w->to, n == 0 ? '(' : ' ');
			imap_text_string(tag, w->to);
			n++;
		}
	}
	buf_add_str(w->to, n > 0 ? ")" : "NIL");
	buf_deinit(&line);
}

/* disposition, language, location */
static void
write_extension(struct writer *w, const struct mime_part *p)
{
	write_disposition(w, p);
	space(w);
	write_language(w, p);
	space(w);
	imap_text_field(p->content_location, w->to);
}

static void
write_encoding(struct writer *w, const struct mime_part *p)
{
	struct sv name = sv_trim(p->content_encoding);

	if (p->span.encoding == TRANSFER_UNKNOWN) {
		imap_text_field(name, w->to);
	} else {
		imap_text_string(transfer_name(p->span.encoding), w->to);
	}
}

/* Type, subtype and body-fields. */
static void
write_basic(struct writer *w, const struct mime_part *p)
{
	/* A part that should have parts but is kept whole may not be called
	 * by its type: the grammar demands the parts then. */
	imap_text_string(p->opaque ? SV("application") : p->type, w->to);
	space(w);
	imap_text_string(p->opaque ? SV("octet-stream") : p->subtype, w->to);
	space(w);
	write_type_params(w, p);
	space(w);
	imap_text_field(p->content_id, w->to);
	space(w);
	imap_text_field(p->content_description, w->to);
	space(w);
	write_encoding(w, p);
	space(w);
	buf_add_u64(w->to, p->span.end - p->span.body_at);
}

/* What stands before the parts within. */
static void
enter(struct writer *w, const struct mime_part *p)
{
	buf_add_char(w->to, '(');
	if (p->span.kind == MIME_MULTIPART) {
		return;
	}
	write_basic(w, p);
	if (p->span.kind == MIME_MESSAGE) {
		space(w);
		imap_text_envelope(
		    mime_header(w->m, &w->m->parts[p->span.first]), w->to);
		space(w);
	}
}

/* What stands behind them. */
static void
leave(struct writer *w, const struct mime_part *p)
{
	if (p->span.kind == MIME_MULTIPART) {
		space(w);
		imap_text_string(p->subtype, w->to);
		if (w->extended) {
			space(w);
			write_type_params(w, p);
		}
	} else {
		if (p->span.kind == MIME_MESSAGE
		    || (is_text(p) && !p->opaque)) {
			space(w);
			buf_add_u64(w->to, p->body_lines);
		}
		if (w->extended) {
			space(w);
			imap_text_field(p->content_md5, w->to);
		}
	}
	if (w->extended) {
		space(w);
		write_extension(w, p);
	}
	buf_add_char(w->to, ')');
}

void
imap_text_body(
    const struct mime *m, uint32_t part, bool extended, struct buf *to)
{
	struct writer w = {.m = m, .to = to, .extended = extended};
	uint32_t i = part;

	for (;;) {
		const struct mime_part *p = &m->parts[i];

		enter(&w, p);
		if (p->span.first != MIME_NONE) {
			i = p->span.first;
			continue;
		}
		leave(&w, p);
		while (i != part && m->parts[i].span.next == MIME_NONE) {
			i = m->parts[i].span.parent;
			leave(&w, &m->parts[i]);
		}
		if (i == part) {
			break;
		}
		i = m->parts[i].span.next;
	}
	arena_deinit(&w.arena);
}
