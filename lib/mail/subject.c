#include "mail/subject.h"

#include "mail/encoded.h"

/*
 * The algorithm of RFC 5256 2.1 over a slice of the decoded text: each
 * function takes one kind of mark off an end and says if there was one.
 */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void
trim_start(struct sv *s)
{
	while (s->len > 0 && is_blank(s->p[0])) {
		*s = sv_from(*s, 1);
	}
}

/* subj-trailer: "(fwd)" and blanks.  Step 2. */
static bool
take_trailer(struct sv *s, bool *reply)
{
	if (s->len > 0 && is_blank(s->p[s->len - 1])) {
		s->len--;
		return true;
	}
	if (sv_ends_nocase(*s, SV("(fwd)"))) {
		s->len -= 5;
		*reply = true;
		return true;
	}
	return false;
}

/* subj-blob: "[list] ".  Octets of it, or 0. */
static size_t
blob_length(struct sv s)
{
	size_t i = 1;

	if (s.len == 0 || s.p[0] != '[') {
		return 0;
	}
	while (i < s.len && s.p[i] != ']' && s.p[i] != '[') {
		i++;
	}
	if (i == s.len || s.p[i] != ']') {
		return 0;
	}
	i++;
	while (i < s.len && is_blank(s.p[i])) {
		i++;
	}
	return i;
}

/* subj-refwd: "re", "fw" or "fwd", a blob perhaps, ":".  Octets, or 0. */
static size_t
refwd_length(struct sv s)
{
	size_t i;

	if (sv_starts_nocase(s, SV("fwd"))) {
		i = 3;
	} else if (sv_starts_nocase(s, SV("re"))
		   || sv_starts_nocase(s, SV("fw"))) {
		i = 2;
	} else {
		return 0;
	}
	while (i < s.len && is_blank(s.p[i])) {
		i++;
	}
	i += blob_length(sv_from(s, i));
	return i < s.len && s.p[i] == ':' ? i + 1 : 0;
}

/* subj-leader: blobs and a refwd, or blanks.  Step 3. */
static bool
take_leader(struct sv *s, bool *reply)
{
	struct sv rest = *s;
	size_t n;

	if (s->len > 0 && is_blank(s->p[0])) {
		trim_start(s);
		return true;
	}
	while ((n = blob_length(rest)) > 0) {
		rest = sv_from(rest, n);
	}
	n = refwd_length(rest);
	if (n == 0) {
		return false;
	}
	*s = sv_from(rest, n);
	*reply = true;
	return true;
}

/* Step 4: a blob, unless it is all there is. */
static bool
take_blob(struct sv *s)
{
	size_t n = blob_length(*s);

	if (n == 0 || n == s->len) {
		return false;
	}
	*s = sv_from(*s, n);
	return true;
}

/* Step 6: "[fwd: ...]". */
static bool
take_forward(struct sv *s, bool *reply)
{
	if (!sv_starts_nocase(*s, SV("[fwd:")) || s->p[s->len - 1] != ']') {
		return false;
	}
	*s = sv_sub(*s, 5, s->len - 6);
	*reply = true;
	return true;
}

/* Step 1's second half: each run of blanks is one space. */
static void
squeeze(struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->len; i++) {
		bool blank = is_blank(b->data[i]);

		if (!blank || n == 0 || b->data[n - 1] != ' ') {
			b->data[n++] = blank ? ' ' : b->data[i];
		}
	}
	b->len = n;
}

void
subject_base(struct sv body, bool *is_reply_out, struct buf *to)
{
	struct buf text = {.len = 0};
	bool reply = false;
	struct sv s;

	encoded_decode(body, &text);
	squeeze(&text);
	s = buf_sv(&text);
	do {
		while (take_trailer(&s, &reply)) {
		}
		while (take_leader(&s, &reply)) {
		}
		/* No leader begins behind blobs that were part of none. */
		while (take_blob(&s)) {
		}
	} while (take_forward(&s, &reply));
	buf_add_sv(to, s);
	buf_deinit(&text);
	if (is_reply_out != NULL) {
		*is_reply_out = reply;
	}
}
