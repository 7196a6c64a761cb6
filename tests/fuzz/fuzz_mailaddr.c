/* An address, brought into its one form. */
#include <stdint.h>

#include "base/mem.h"
#include "directory/mailaddr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The form is its own form, and its parts make it up. */
static void
check(const struct mailaddr *a)
{
	struct mailaddr again, base;
	struct sv detail;
	struct fail f;

	ASSERT(a->local_len != 0 && a->domain_len != 0);
	ASSERT(strlen(a->text) == mailaddr_sv(a).len);
	ASSERT(mailaddr_parse(mailaddr_sv(a), &again, &f) == 0);
	ASSERT(sv_eq(mailaddr_sv(a), mailaddr_sv(&again)));
	ASSERT(a->local_len == again.local_len);
	ASSERT(mailaddr_make(mailaddr_local(a), mailaddr_domain(a), &again, &f)
	       == 0);
	ASSERT(sv_eq(mailaddr_sv(a), mailaddr_sv(&again)));
	if (mailaddr_split(a, "+-", &base, &detail)) {
		ASSERT(mailaddr_parse(mailaddr_sv(&base), &again, &f) == 0);
		ASSERT(sv_eq(mailaddr_sv(&base), mailaddr_sv(&again)));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv text = sv_make(data, size);
	char domain[MAILADDR_DOMAIN_MAX + 1];
	char again[MAILADDR_DOMAIN_MAX + 1];
	struct mailaddr a;
	struct fail f;

	if (mailaddr_parse(text, &a, &f) == 0) {
		check(&a);
	}
	if (mailaddr_domain_parse(text, domain, &f) == 0) {
		ASSERT(mailaddr_domain_parse(sv_cstr(domain), again, &f) == 0);
		ASSERT(strcmp(domain, again) == 0);
	}
	return 0;
}
