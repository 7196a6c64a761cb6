/*
 * Any octets as an address list, and as an address.
 */
#include "base/mem.h"
#include "mail/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Groups open and close in turn; what is absent is so by kind. */
static void
check_list(const struct address_list *l)
{
	bool in_group = false;

	for (size_t i = 0; i < l->n; i++) {
		const struct address *a = &l->at[i];

		switch (a->kind) {
		case ADDRESS_GROUP:
			ASSERT(!in_group && a->name.p != NULL);
			in_group = true;
			break;
		case ADDRESS_GROUP_END:
			ASSERT(in_group && a->local.p == NULL);
			in_group = false;
			break;
		case ADDRESS_MAILBOX:
			ASSERT(a->local.p != NULL);
			break;
		}
	}
	ASSERT(!in_group);
}

/* What quoting makes is valid and means the same. */
static void
check_local(struct sv local)
{
	struct buf quoted = {.len = 0}, plain = {.len = 0};

	address_local_quote(local, &quoted);
	address_local_unquote(buf_sv(&quoted), &plain);
	ASSERT(sv_eq(buf_sv(&plain), local));
	buf_deinit(&quoted);
	buf_deinit(&plain);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv text = sv_make(data, size);
	struct arena arena = {.head = NULL};
	struct buf a = {.len = 0}, b = {.len = 0};
	struct address_list list;
	struct sv local, domain;

	address_list_parse(text, ADDRESS_LIST_MAX, &arena, &list);
	check_list(&list);
	ASSERT(!list.cut || size > ADDRESS_LIST_MAX);
	address_list_parse(text, 3, &arena, &list);
	ASSERT(list.n <= 4);
	check_list(&list);
	arena_deinit(&arena);
	(void)address_split(text, &local, &domain);
	(void)address_domain_valid(domain, true);
	(void)address_local_valid(local, false);
	check_local(local);
	if (address_canonical(text, &a)) {
		ASSERT(address_canonical(buf_sv(&a), &b));
		ASSERT(sv_eq(buf_sv(&a), buf_sv(&b)));
	}
	buf_deinit(&a);
	buf_deinit(&b);
	return 0;
}
