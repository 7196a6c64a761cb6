/*
 * An account's head: any octets name mailboxes or nothing.
 *
 * The octets stand between the magic and a checksum that is made right here;
 * those that begin with '!' are the whole file.
 */
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "one_file.h"
#include "store/head_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- asking ---- */

static void
ask_names(const struct head *h)
{
	for (size_t i = 0; i < h->n; i++) {
		struct sv name = h->mbox[i].name;

		ASSERT(name.p >= h->text.data
		       && name.p + name.len <= h->text.data + h->text.len);
		/* Of names out of order some are not found. */
		(void)head_mbox_id(h, name);
	}
	ASSERT(head_mbox_id(h, SV("INBOX")) == INBOX_ID);
	(void)head_mbox_id(h, SV("no such"));
}

static void
make_file(struct sv in, struct buf *file)
{
	if (sv_starts(in, SV("!"))) {
		buf_add_sv(file, sv_from(in, 1));
		return;
	}
	buf_add_str(file, "PRhead1\n");
	buf_add_sv(file, in);
	uint32_t crc = htole32(crc32c(0, file->data, file->len));

	buf_add(file, &crc, sizeof(crc));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fs fs = {.ops = &one_file_ops};
	struct store store = {.fs = &fs};
	struct account a = {.store = &store, .dir = 3};
	struct head *h = NULL, *again = NULL;
	struct buf file = {0};

	make_file(sv_make(data, size), &file);
	one_file = buf_sv(&file);
	lock_init(&a.lock, LOCK_LEAF);
	if (head_get(&a, &h) == 0) {
		ask_names(h);
		ASSERT(head_fresh(&a, &again) == 0 && again == h);
		head_unref(&again);
		head_unref(&h);
	}
	head_unref(&a.head);
	lock_deinit(&a.lock);
	buf_deinit(&file);
	return 0;
}
