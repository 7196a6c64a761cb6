/*
 * sv: a borrowed slice of octets, the form of all parsed input.
 *
 * Mail contains NUL, so nothing here stops at one.  A slice is valid as long
 * as the buffer or arena that it points into.  An empty slice may have p NULL.
 *
 * Case is ASCII only: protocols compare keywords so, in every locale.
 *
 * Threads: plain values.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attr.h"

struct sv {
	const char *p;
	size_t len;
};

#define SV(lit) ((struct sv){(lit), sizeof(lit) - 1})
#define SV_EMPTY ((struct sv){NULL, 0})
/* For printf("%.*s"): only where no NUL can be. */
#define SV_ARG(s) (int)(s).len, (s).p

static inline struct sv
sv_make(const void *p, size_t len)
{
	return (struct sv){p, len};
}

static inline struct sv
sv_cstr(const char *s)
{
	return (struct sv){s, s != NULL ? strlen(s) : 0};
}

/* From `at`, at most `len` octets; both are cut to what is there. */
static inline struct sv
sv_sub(struct sv s, size_t at, size_t len)
{
	if (at > s.len) {
		at = s.len;
	}
	if (len > s.len - at) {
		len = s.len - at;
	}
	return (struct sv){s.len != 0 ? s.p + at : s.p, len};
}

static inline struct sv
sv_from(struct sv s, size_t at)
{
	return sv_sub(s, at, SIZE_MAX);
}

static inline bool
sv_eq(struct sv a, struct sv b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool sv_eq_nocase(struct sv a, struct sv b);
int sv_cmp(struct sv a, struct sv b);	     /* octets, then length */
int sv_cmp_nocase(struct sv a, struct sv b); /* the same, ASCII folded */
bool sv_starts(struct sv s, struct sv prefix);
bool sv_starts_nocase(struct sv s, struct sv prefix);
bool sv_ends_nocase(struct sv s, struct sv suffix);

/* Index of the first `c`, of the last, or of the first match; -1 if none. */
ptrdiff_t sv_chr(struct sv s, char c);
ptrdiff_t sv_rchr(struct sv s, char c);
ptrdiff_t sv_find(struct sv s, struct sv needle);

/* Without leading and trailing SP, HT, CR and LF. */
struct sv sv_trim(struct sv s);

/*
 * Cut `*s` at the first `c`: the part before it is returned and `*s` is what
 * follows.  Without a `c` all of `*s` is returned and `*s` is empty.
 */
struct sv sv_cut(struct sv *s, char c);

/* All of `s` as a decimal number without sign; false if it is anything else
 * or does not fit. */
bool sv_u64(struct sv s, uint64_t *out);
bool sv_u32(struct sv s, uint32_t *out);

/* ASCII alone; other octets map to themselves. */
static inline char
ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline char
ascii_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
}

static inline bool
ascii_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
ascii_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
