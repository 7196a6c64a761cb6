/*
 * imap_date: the dates of IMAP as tokens of a command; mail/date.h reads them.
 * [RFC 3501 9 date, date-time]
 *
 * Days are counted from 1970-01-01.
 *
 * Threads: pure functions.
 */
#pragma once

#include <stdint.h>

#include "base/attr.h"
#include "base/buf.h"
#include "proto/imap_lex.h"

/* "1-Feb-1994", with or without quotes. */
int imap_lex_date(struct imap_lex *lex, int32_t *day_out) MUST_CHECK;

/* "\"01-Feb-1994 12:00:00 +0100\"": milliseconds since 1970 in UTC and the
 * zone in minutes east of it. */
int imap_lex_date_time(
    struct imap_lex *lex, int64_t *ms_out, int16_t *zone_min_out) MUST_CHECK;

/* The same, written with its quotes. */
void imap_put_date_time(struct buf *to, int64_t ms, int16_t zone_min);
