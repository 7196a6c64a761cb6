/*
 * The bodies of records: any octets are refused or mean something that,
 * written again, reads the same.
 *
 * The first octet says which body it is; what follows is the body.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/record_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
same(struct buf *again, struct sv body, bool canonical)
{
	/* Varints can be written longer than need be, so only what we wrote
	 * ourselves must come back octet by octet. */
	ASSERT(!canonical || sv_eq(buf_sv(again), body));
	buf_deinit(again);
}

static void
try_add(struct sv body, bool canonical)
{
	struct rec_add r;
	struct buf b = {0};

	if (rec_add_read(body, &r)) {
		rec_add_write(&b, &r);
		if (!canonical) {
			try_add(buf_sv(&b), true);
		}
		same(&b, body, canonical);
	}
}

static void
try_store(struct sv body, bool canonical)
{
	struct rec_store r;
	struct buf b = {0};

	if (rec_store_read(body, &r)) {
		rec_store_write(&b, &r);
		if (!canonical) {
			try_store(buf_sv(&b), true);
		}
		same(&b, body, canonical);
		uidset_deinit(&r.uids);
	}
}

static void
try_copy(struct sv body, bool canonical)
{
	struct rec_copy r;
	struct buf b = {0};

	if (rec_copy_read(body, &r)) {
		rec_copy_write(&b, &r);
		if (!canonical) {
			try_copy(buf_sv(&b), true);
		}
		same(&b, body, canonical);
		uidset_deinit(&r.uids);
	}
}

static void
try_expunge(struct sv body, bool canonical)
{
	struct rec_expunge r;
	struct buf b = {0};

	if (rec_expunge_read(body, &r)) {
		rec_expunge_write(&b, &r);
		if (!canonical) {
			try_expunge(buf_sv(&b), true);
		}
		same(&b, body, canonical);
		uidset_deinit(&r.uids);
	}
}

/* Those that allocate nothing: reading must just be safe. */
static void
try_small(unsigned which, struct sv body)
{
	struct rec_claim claim;
	struct rec_create create;
	struct rec_rename rename;
	struct rec_use use;
	struct rec_subscribe subscribe;
	struct rec_undelete undelete;
	struct rec_seal seal;
	uint64_t id;

	(void)(which == 4 && rec_claim_read(body, &claim));
	(void)(which == 5 && rec_create_read(body, &create));
	(void)(which == 6 && rec_rename_read(body, &rename));
	(void)(which == 7 && rec_use_read(body, &use));
	(void)(which == 8 && rec_subscribe_read(body, &subscribe));
	(void)(which == 9 && rec_undelete_read(body, &undelete));
	(void)(which == 10 && rec_seal_read(body, &seal));
	(void)(which == 11 && rec_delete_read(body, &id));
}

static void
try_framing(struct sv s)
{
	struct record_key key = {0x0102030405060708, 9};
	struct record r;

	for (size_t at = 0; at < s.len; at = record_seek(s, at + 1, &key)) {
		(void)record_read(sv_from(s, at), &key, &r);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > RECORD_MAX) {
		return 0;
	}
	unsigned which = data[0] % 13;
	struct sv body = sv_make(data + 1, size - 1);

	switch (which) {
	case 0:
		try_add(body, false);
		break;
	case 1:
		try_store(body, false);
		break;
	case 2:
		try_copy(body, false);
		break;
	case 3:
		try_expunge(body, false);
		break;
	case 12:
		try_framing(body);
		break;
	default: /* a number, not an enum */
		try_small(which, body);
		break;
	}
	return 0;
}
