/*
 * Any octets as an address list, and as a local part.
 */
#include <stdlib.h>

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

/* What is quoted is as long as it may be, and ends where it began. */
static void
check_local(struct sv local)
{
	char *wire = xmalloc(2 * local.len + 2);
	size_t n = address_local_write(local, wire);

	ASSERT(n >= local.len && n <= 2 * local.len + 2);
	ASSERT(n == local.len || (wire[0] == '"' && wire[n - 1] == '"'));
	free(wire);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv text = sv_make(data, size);
	struct arena arena = {.head = NULL};
	struct address_list list;

	address_list_parse(text, ADDRESS_LIST_MAX, &arena, &list);
	check_list(&list);
	ASSERT(!list.cut || size > ADDRESS_LIST_MAX);
	address_list_parse(text, 3, &arena, &list);
	ASSERT(list.n <= 4);
	check_list(&list);
	arena_deinit(&arena);
	check_local(text);
	return 0;
}
