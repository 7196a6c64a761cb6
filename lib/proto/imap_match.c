#include "proto/imap_match.h"

#include <string.h>

#include "base/mem.h"

enum { WORDS_MAX = IMAP_PATTERN_MAX / 64 + 1 };

/*
 * Bit i of the state: the first i elements of the pattern match the octets of
 * the name so far.  An element is an octet or a wildcard; runs of wildcards
 * are one ("*" if there is a "*" in it), so that going over a wildcard that
 * matches nothing is a single shift.
 */
struct imap_match {
	size_t n;     /* elements */
	size_t words; /* of n + 1 bits */
	char delimiter;
	uint64_t *star;	   /* bit i: element i is "*" */
	uint64_t *percent; /* bit i: element i is "%" */
	/* For each octet which of the sets of `octet` is its own; 0 is the
	 * empty one of octets that the pattern does not have. */
	uint8_t class[256];
	uint64_t *octet; /* sets: bit i: element i is an octet of the class */
};

static void
set_bit(uint64_t *set, size_t i)
{
	set[i / 64] |= (uint64_t)1 << i % 64;
}

/* The wildcard that a run at *at amounts to; *at is moved behind it. */
static char
wildcard(struct sv text, size_t *at)
{
	char kind = '%';

	for (; *at < text.len && (text.p[*at] == '%' || text.p[*at] == '*');
	     (*at)++) {
		if (text.p[*at] == '*') {
			kind = '*';
		}
	}
	return kind;
}

/* Give each octet of the pattern a class; returns how many there are. */
static size_t
classify(struct imap_match *m, struct sv text)
{
	uint8_t n = 0;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t *class = &m->class[(unsigned char)text.p[i]];

		/* The last octets of all 256 may share one with class 0: then
		 * there is none that the pattern does not have. */
		if (*class == 0 && n < UINT8_MAX) {
			*class = ++n;
		}
	}
	return (size_t)n + 1;
}

static void
compile(struct imap_match *m, struct sv text)
{
	for (size_t at = 0; at < text.len; m->n++) {
		if (text.p[at] == '%' || text.p[at] == '*') {
			set_bit(
			    wildcard(text, &at) == '*' ? m->star : m->percent,
			    m->n);
		} else {
			uint8_t class = m->class[(unsigned char)text.p[at++]];

			set_bit(m->octet + class * m->words, m->n);
		}
	}
}

struct imap_match *
imap_match_new(
    struct arena *arena, struct sv reference, struct sv pattern, char delimiter)
{
	size_t len = reference.len + pattern.len;
	struct imap_match *m;
	char *text;

	if (reference.len > IMAP_PATTERN_MAX
	    || pattern.len > IMAP_PATTERN_MAX - reference.len) {
		return NULL;
	}
	text = arena_alloc(arena, len + 1);
	(void)mempcpy(mempcpy(text, reference.p != NULL ? reference.p : "",
			  reference.len),
	    pattern.p != NULL ? pattern.p : "", pattern.len);
	m = arena_alloc(arena, sizeof(*m));
	m->words = (len + 1) / 64 + 1;
	m->delimiter = delimiter;
	m->star = arena_array(arena, m->words, sizeof(uint64_t));
	m->percent = arena_array(arena, m->words, sizeof(uint64_t));
	m->octet = arena_array(arena,
	    classify(m, (struct sv){text, len}) * m->words, sizeof(uint64_t));
	compile(m, (struct sv){text, len});
	return m;
}

/* state |= (state & set) << 1 */
static void
go_over(uint64_t *state, const struct imap_match *m)
{
	uint64_t carry = 0;

	for (size_t w = 0; w < m->words; w++) {
		uint64_t over = state[w] & (m->star[w] | m->percent[w]);

		state[w] |= over << 1 | carry;
		carry = over >> 63;
	}
}

/* Take one octet, which may be read as `c` or as `other`. */
static void
step(uint64_t *state, const struct imap_match *m, char c, char other)
{
	const uint64_t *a = m->octet + m->class[(unsigned char)c] * m->words;
	const uint64_t *b =
	    m->octet + m->class[(unsigned char)other] * m->words;
	uint64_t carry = 0;

	for (size_t w = 0; w < m->words; w++) {
		uint64_t taken = state[w] & (a[w] | b[w]);
		uint64_t stays = m->star[w];

		if (c != m->delimiter) {
			stays |= m->percent[w];
		}
		state[w] = (state[w] & stays) | taken << 1 | carry;
		carry = taken >> 63;
	}
	go_over(state, m);
}

bool
imap_match(const struct imap_match *m, struct sv name)
{
	uint64_t state[WORDS_MAX];
	size_t fold = 0;

	if (m == NULL) {
		return false;
	}
	ASSERT(m->words <= WORDS_MAX);
	memset(state, 0, sizeof(state));
	state[0] = 1;
	go_over(state, m);
	if (sv_starts_nocase(name, SV("INBOX"))
	    && (name.len == 5 || name.p[5] == m->delimiter)) {
		fold = 5;
	}
	for (size_t i = 0; i < name.len; i++) {
		char c = name.p[i];
		if (i < fold) {
			step(state, m, ascii_upper(c), ascii_lower(c));
		} else {
			step(state, m, c, c);
		}
	}
	return (state[m->n / 64] >> m->n % 64 & 1) != 0;
}
