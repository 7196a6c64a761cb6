/*
 * Snapshots: any octets are a state or nothing.
 *
 * The first octet says what follows: a chunk, built into a state as those of
 * a snapshot are, or a manifest, whose checksum is made right here so that
 * what it guards is reached.  What was read is written, and reads the same.
 */
#include <endian.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/snapshot_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
run_chunk(struct sv chunk)
{
	struct replay r = {.view = view_new()};
	struct snap_builder b = {.r = &r};

	if (snap_build(&b, chunk)) {
		snap_build_end(&b);
		view_order_rebuild(r.view);
		(void)replay_hash(&r);
	} else {
		snap_build_abort(&b);
	}
	replay_deinit(&r);
}

static void
run_manifest(struct sv body)
{
	struct snap_manifest m = {.place = 0}, again = {.place = 0};
	struct buf octets = {0}, written = {0}, copy = {0};
	struct fail f;

	buf_add_sv(&octets, body);
	uint64_t crc = htole64(crc32c(0, octets.data, octets.len));

	buf_add(&octets, &crc, sizeof(crc));
	if (snap_manifest_read(&m, &octets, &f) == 0) {
		snap_manifest_write(&m, &written);
		buf_add_sv(&copy, buf_sv(&written));
		ASSERT(snap_manifest_read(&again, &copy, &f) == 0);
		ASSERT(again.place == m.place && again.n_chunks == m.n_chunks
		       && again.n_subscriptions == m.n_subscriptions);
		snap_manifest_deinit(&again);
		snap_manifest_deinit(&m);
	}
	buf_deinit(&octets);
	buf_deinit(&written);
	buf_deinit(&copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv all = sv_make((const char *)data, size);

	if (size > 0) {
		(data[0] % 2 == 0 ? run_chunk : run_manifest)(sv_from(all, 1));
	}
	return 0;
}
