/* Pattern, NUL, name: the automaton agrees with a table of all pairs of
 * prefixes. */
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"
#include "proto/imap_match.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SMALL = 64 };

static bool
matches(struct sv pattern, struct sv name)
{
	bool t[SMALL + 1][SMALL + 1];

	memset(t, 0, sizeof(t));
	t[0][0] = true;
	for (size_t i = 1; i <= pattern.len; i++) {
		char p = pattern.p[i - 1];
		bool wild = p == '*' || p == '%';

		for (size_t k = 0; k <= name.len; k++) {
			bool goes_on =
			    k != 0 && (p == '*' || name.p[k - 1] != '/');

			if (wild) {
				t[i][k] =
				    t[i - 1][k] || (goes_on && t[i][k - 1]);
			} else {
				t[i][k] = k != 0 && p == name.p[k - 1]
					  && t[i - 1][k - 1];
			}
		}
	}
	return t[pattern.len][name.len];
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = {0};
	struct sv name = sv_make(data, size);
	struct sv pattern = sv_cut(&name, '\0');
	struct imap_match *m = imap_match_new(&arena, SV_EMPTY, pattern, '/');
	bool got = imap_match(m, name);

	ASSERT((m == NULL) == (pattern.len > IMAP_PATTERN_MAX));
	if (pattern.len <= SMALL && name.len <= SMALL
	    && !sv_starts_nocase(name, SV("INBOX"))) {
		ASSERT(got == matches(pattern, name));
	}
	arena_deinit(&arena);
	return 0;
}
