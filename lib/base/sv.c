#include "base/sv.h"

bool
sv_eq_nocase(struct sv a, struct sv b)
{
	if (a.len != b.len) {
		return false;
	}
	for (size_t i = 0; i < a.len; i++) {
		if (ascii_lower(a.p[i]) != ascii_lower(b.p[i])) {
			return false;
		}
	}
	return true;
}

int
sv_cmp(struct sv a, struct sv b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n != 0 ? memcmp(a.p, b.p, n) : 0;

	if (c != 0) {
		return c;
	}
	return (a.len > b.len) - (a.len < b.len);
}

int
sv_cmp_nocase(struct sv a, struct sv b)
{
	size_t n = a.len < b.len ? a.len : b.len;

	for (size_t i = 0; i < n; i++) {
		int x = (unsigned char)ascii_lower(a.p[i]);
		int y = (unsigned char)ascii_lower(b.p[i]);

		if (x != y) {
			return x - y;
		}
	}
	return (a.len > b.len) - (a.len < b.len);
}

bool
sv_starts(struct sv s, struct sv prefix)
{
	return sv_eq(sv_sub(s, 0, prefix.len), prefix);
}

bool
sv_starts_nocase(struct sv s, struct sv prefix)
{
	return sv_eq_nocase(sv_sub(s, 0, prefix.len), prefix);
}

bool
sv_ends_nocase(struct sv s, struct sv suffix)
{
	return s.len >= suffix.len
	       && sv_eq_nocase(sv_from(s, s.len - suffix.len), suffix);
}

ptrdiff_t
sv_chr(struct sv s, char c)
{
	const char *at = s.len != 0 ? memchr(s.p, c, s.len) : NULL;

	return at != NULL ? at - s.p : -1;
}

ptrdiff_t
sv_rchr(struct sv s, char c)
{
	const char *at = s.len != 0 ? memrchr(s.p, c, s.len) : NULL;

	return at != NULL ? at - s.p : -1;
}

ptrdiff_t
sv_find(struct sv s, struct sv needle)
{
	const char *at;

	if (needle.len == 0) {
		return 0;
	}
	at = s.len != 0 ? memmem(s.p, s.len, needle.p, needle.len) : NULL;
	return at != NULL ? at - s.p : -1;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct sv
sv_trim(struct sv s)
{
	while (s.len != 0 && is_blank(s.p[0])) {
		s = sv_from(s, 1);
	}
	while (s.len != 0 && is_blank(s.p[s.len - 1])) {
		s.len--;
	}
	return s;
}

struct sv
sv_cut(struct sv *s, char c)
{
	ptrdiff_t at = sv_chr(*s, c);
	struct sv head = *s;

	if (at < 0) {
		*s = sv_from(*s, s->len);
		return head;
	}
	head.len = (size_t)at;
	*s = sv_from(*s, (size_t)at + 1);
	return head;
}

bool
sv_u64(struct sv s, uint64_t *out)
{
	uint64_t v = 0;

	if (s.len == 0) {
		return false;
	}
	for (size_t i = 0; i < s.len; i++) {
		if (!ascii_digit(s.p[i])
		    || __builtin_mul_overflow(v, (uint64_t)10, &v)
		    || __builtin_add_overflow(
			v, (uint64_t)(s.p[i] - '0'), &v)) {
			return false;
		}
	}
	*out = v;
	return true;
}

bool
sv_u32(struct sv s, uint32_t *out)
{
	uint64_t v;

	if (!sv_u64(s, &v) || v > UINT32_MAX) {
		return false;
	}
	*out = (uint32_t)v;
	return true;
}
