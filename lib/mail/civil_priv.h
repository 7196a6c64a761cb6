/*
 * civil: days of the calendar, proleptic Gregorian, and their numbers.
 *
 * Threads: pure functions.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/sv.h"

enum { CIVIL_DAY_S = 24 * 60 * 60 };

struct civil {
	int64_t year;
	int month; /* 1..12 */
	int day;   /* 1..31 */
};

/* Days since 1970-01-01. */
int64_t civil_to_days(struct civil c);
struct civil civil_from_days(int64_t days);

int civil_month_length(int64_t year, int month); /* days */

/* 1..12 if `word` is a month's name or at least three letters of one. */
int civil_month_by_name(struct sv word);
