/*
 * param: the value and parameters of Content-Type, Content-Disposition and
 * fields like them.
 *
 * Continuations are put together [RFC 2231 3]: name*0, name*1 become `name`,
 * and where a piece or the whole is in the extended form [RFC 2231 4] one
 * parameter named `name*` with the value charset'language'%XX text, as
 * BODYSTRUCTURE shows it [RFC 2231 6].  Of two parameters with one name the
 * first counts.
 *
 * Threads: plain values; the arena is the caller's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/sv.h"

enum { PARAM_MAX = 100 }; /* parameters of one field, at the most */

struct param {
	struct sv name;	 /* as written; ends in '*' if extended */
	struct sv value; /* without quotes and backslashes */
};

struct param_list {
	struct sv value; /* what stands before the first ';' */
	const struct param *at;
	size_t n;
	bool cut; /* there were more than the limit */
};

/* Only what stands before the parameters; slice of `body` or the arena. */
struct sv param_value(struct sv body, struct arena *a);

/* At most `max` parameters, nor more than PARAM_MAX.  Slices are of `body` or
 * the arena, which takes at most three times the text.  Linear. */
void param_parse(
    struct sv body, size_t max, struct arena *a, struct param_list *out);

/* The raw value of `name`, else of `name*`; p NULL if there is neither. */
struct sv param_get(const struct param_list *l, struct sv name);

/* Append the value of `name` or `name*` decoded to UTF-8, encoded words (a
 * common mistake) too.  False if there is none. */
bool param_text(const struct param_list *l, struct sv name, struct buf *to);
