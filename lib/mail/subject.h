/*
 * subject: the base subject, by which SORT and THREAD compare.
 *
 * Threads: pure functions.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/sv.h"

/*
 * Append the base subject of a Subject field's body, in UTF-8: "Re:", "Fwd:",
 * "[list]" and "(fwd)" taken away.  *is_reply_out says if there were any of
 * the marks of a reply or a forward; may be NULL.  [RFC 5256 2.1]
 */
void subject_base(struct sv body, bool *is_reply_out, struct buf *to);
