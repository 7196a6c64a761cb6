#include "mail/civil_priv.h"

/* In eras of 400 years that begin in March. */
int64_t
civil_to_days(struct civil c)
{
	int64_t y = c.month <= 2 ? c.year - 1 : c.year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year =
	    (153 * (c.month + (c.month > 2 ? -3 : 9)) + 2) / 5 + c.day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4
			     - year_of_era / 100 + day_of_year;

	return era * 146097 + day_of_era - 719468;
}

struct civil
civil_from_days(int64_t days)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	struct civil c;

	c.day = (int)(doy - (153 * mp + 2) / 5 + 1);
	c.month = (int)(mp < 10 ? mp + 3 : mp - 9);
	c.year = yoe + era * 400 + (c.month <= 2);
	return c;
}

int
civil_month_length(int64_t year, int month)
{
	static const signed char length[12] = {
	    31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return length[month - 1] + (month == 2 && leap);
}

int
civil_month_by_name(struct sv word)
{
	static const char *const full[12] = {"January", "February", "March",
	    "April", "May", "June", "July", "August", "September", "October",
	    "November", "December"};

	for (int i = 0; i < 12 && word.len >= 3; i++) {
		struct sv name = sv_cstr(full[i]);

		if (sv_eq_nocase(word, sv_sub(name, 0, word.len))) {
			return i + 1;
		}
	}
	return 0;
}
