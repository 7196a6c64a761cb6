/*
 * date: RFC 5322 dates in all their wrong forms, and those of IMAP.
 *
 * Threads: pure functions.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/sv.h"

struct date {
	int64_t unix_s; /* seconds since 1970-01-01T00:00:00Z */
	int zone;	/* minutes east of UTC; 0 if unknown ("-0000") */
};

/*
 * A Date field's body: comments, missing or wrong day names, two-digit and
 * three-digit years, names of months in full, missing seconds or zone, zones
 * by name (unknown ones are UTC), asctime() and ISO 8601 forms.
 * [RFC 5322 3.3, 4.3]  False if no date can be made out; the year is within
 * 1..9999.
 */
bool date_parse(struct sv body, struct date *out) MUST_CHECK;

/* "Fri, 21 Nov 1997 09:55:06 -0600".  [RFC 5322 3.3] */
void date_format(struct date d, struct buf *to);

/* "21-Nov-1997 09:55:06 -0600", the day as " 1" or "01".  No quotes.
 * [RFC 3501 9 date-time] */
bool date_parse_imap_time(struct sv text, struct date *out) MUST_CHECK;
void date_format_imap_time(struct date d, struct buf *to); /* day as " 1" */

/* "1-Feb-1994" as days since 1970-01-01.  No quotes.  [RFC 3501 9 date] */
bool date_parse_imap_day(struct sv text, int64_t *day_out) MUST_CHECK;

/* The calendar day it was where it was written: what SENTBEFORE and its kin
 * compare.  Days since 1970-01-01.  [RFC 3501 6.4.4] */
int64_t date_day(struct date d);

/* Now, in UTC. */
struct date date_now(void);
