/*
 * A state written as chunks and read back is the same state.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/snapshot_priv.h"
#include "unit.h"

static const struct seg_header first = {
    .semantics = SEG_SEMANTICS,
    .name = {.number = 1000, .random = 7},
    .created_ms = 1767225600000,
};

static place_t next_place;

static void
apply(struct replay *r, enum record_type type, struct buf *body)
{
	place_t place = next_place++;
	struct record rec = {.place = place,
	    .type = type,
	    .time_ms = 1767225600000 + (int64_t)(place & 0xffff),
	    .body = buf_sv(body)};

	replay_apply(r, &rec, NULL);
	buf_clear(body);
}

static void
add(struct replay *r, uint64_t mbox, uint64_t i)
{
	struct buf body = {.len = 0};
	struct rec_add a = {.delivery = true,
	    .mbox = mbox,
	    .folder = mbox,
	    .placement = {.time_ms = i, .random = i * 77},
	    .key = {i, i + 1},
	    .size = 100 + i,
	    .date_ms = (int64_t)i,
	    .zone_min = -90,
	    .flags = i % 3 == 0 ? MSG_SEEN : 0};

	if (i % 5 == 0) {
		a.keywords.n = 1;
		a.keywords.name[0] = SV("$Forwarded");
		a.uidl = SV("an-old-uidl");
	}
	rec_add_write(&body, &a);
	apply(r, RECORD_ADD, &body);
	buf_deinit(&body);
}

static void
expunge(struct replay *r, uint64_t mbox, uint32_t lo, uint32_t hi)
{
	struct buf body = {.len = 0};
	struct rec_expunge e = {.mbox = mbox, .any_flags = true};

	uidset_add_range(&e.uids, lo, hi);
	rec_expunge_write(&body, &e);
	apply(r, RECORD_EXPUNGE, &body);
	uidset_deinit(&e.uids);
	buf_deinit(&body);
}

static uint64_t
create(struct replay *r, const char *name)
{
	struct buf body = {.len = 0};
	struct rec_create c = {.name = sv_cstr(name), .special_use = USE_SENT};
	uint64_t id = next_place;

	rec_create_write(&body, &c);
	apply(r, RECORD_CREATE, &body);
	buf_deinit(&body);
	return id;
}

static void
a_busy_state(struct replay *r, uint64_t n)
{
	uint64_t sent;

	next_place = place_make(1000, SEG_HEADER);
	replay_init(r, &first);
	sent = create(r, "Sent/2026");
	for (uint64_t i = 1; i <= n; i++) {
		add(r, i % 4 == 0 ? sent : INBOX_ID, i);
	}
	expunge(r, INBOX_ID, 3, 9);
	replay_own(r);
	assert_true(view_subscribe(r->view, SV("Sent"), true));
	r->offset = 4711;
}

struct chunks {
	struct snap_chunk c[64];
	struct buf octets[64];
	size_t n;
};

static int
keep(void *arg, const struct snap_key *key, struct sv chunk, struct fail *f)
{
	struct chunks *to = arg;

	(void)f;
	assert_true(to->n < COUNT_OF(to->c));
	to->c[to->n] = (struct snap_chunk){.first = *key,
	    .size = (uint32_t)chunk.len,
	    .crc = crc32c(0, chunk.p, chunk.len)};
	buf_add_sv(&to->octets[to->n++], chunk);
	return 0;
}

static void
chunks_deinit(struct chunks *c)
{
	for (size_t i = 0; i < c->n; i++) {
		buf_deinit(&c->octets[i]);
	}
}

static void
a_state_comes_back_from_its_chunks(void **state)
{
	struct chunks *c = xmalloc(sizeof(*c));
	struct replay r;
	struct replay back = {.view = view_new()};
	struct snap_builder b = {.r = &back};
	struct fail f;

	(void)state;
	a_busy_state(&r, 12000);
	assert_int_equal(snap_encode(&r, NULL, 0, keep, c, &f), 0);
	assert_true(c->n >= 3);
	for (size_t i = 0; i < c->n; i++) {
		assert_true(snap_build(&b, buf_sv(&c->octets[i])));
	}
	snap_build_end(&b);
	/* What the manifest carries. */
	back.view->place = r.view->place;
	back.view->firm = r.view->firm;
	back.view->uidvalidity = r.view->uidvalidity;
	back.keys.next = r.keys.next;
	view_order_rebuild(back.view);
	assert_true(view_subscribe(back.view, SV("Sent"), true));
	assert_true(replay_hash(&back) == replay_hash(&r));
	assert_true(view_usage(back.view).octets == view_usage(r.view).octets);
	replay_deinit(&back);
	replay_deinit(&r);
	chunks_deinit(c);
	free(c);
}

static void
what_did_not_change_falls_into_equal_chunks(void **state)
{
	struct chunks *old = xmalloc(sizeof(*old));
	struct chunks *new = xmalloc(sizeof(*new));
	struct replay r;
	struct fail f;
	size_t same = 0;

	(void)state;
	a_busy_state(&r, 40000);
	assert_int_equal(snap_encode(&r, NULL, 0, keep, old, &f), 0);
	/* One end grows, one place shrinks. */
	for (uint64_t i = 40001; i <= 40100; i++) {
		add(&r, INBOX_ID, i);
	}
	expunge(&r, INBOX_ID, 9000, 9100);
	assert_int_equal(snap_encode(&r, old->c, old->n, keep, new, &f), 0);
	for (size_t i = 0; i < new->n; i++) {
		for (size_t k = 0; k < old->n; k++) {
			same += sv_eq(
			    buf_sv(&new->octets[i]), buf_sv(&old->octets[k]));
		}
	}
	/* The keys' end, the place that shrank, INBOX's end, the graves. */
	assert_true(same + 5 >= new->n);
	assert_true(old->n >= 10);
	replay_deinit(&r);
	chunks_deinit(old);
	chunks_deinit(new);
	free(old);
	free(new);
}

static void
damaged_chunks_are_refused_without_harm(void **state)
{
	struct chunks *c = xmalloc(sizeof(*c));
	struct replay r;
	struct fail f;
	struct buf *octets = &c->octets[0];

	(void)state;
	a_busy_state(&r, 40);
	assert_int_equal(snap_encode(&r, NULL, 0, keep, c, &f), 0);
	for (size_t cut = 0; cut < octets->len; cut += 7) {
		struct replay back = {.view = view_new()};
		struct snap_builder b = {.r = &back};
		char was = octets->data[cut];

		(void)snap_build(&b, sv_sub(buf_sv(octets), 0, cut));
		snap_build_abort(&b);
		octets->data[cut] = (char)(was ^ 0x55);
		(void)snap_build(&b, buf_sv(octets));
		snap_build_abort(&b);
		octets->data[cut] = was;
		replay_deinit(&back);
	}
	replay_deinit(&r);
	chunks_deinit(c);
	free(c);
}

static void
a_manifest_comes_back_and_no_octet_of_it_may_differ(void **state)
{
	struct snap_chunk chunk = {.first = {.box = 9, .item = ITEM_MSG},
	    .id = 77,
	    .size = 100,
	    .crc = 5};
	struct sv names[] = {SV("INBOX"), SV("Sent")};
	struct snap_manifest m = {.semantics = SEG_SEMANTICS,
	    .place = 123,
	    .hash = 456,
	    .segment = {.number = 7, .random = 8},
	    .offset = 999,
	    .floor_ms = -5,
	    .chunks = &chunk,
	    .n_chunks = 1,
	    .subscriptions = names,
	    .n_subscriptions = 2};
	struct snap_manifest back;
	struct buf b = {.len = 0};
	struct buf copy = {.len = 0};
	struct fail f;

	(void)state;
	snap_manifest_write(&m, &b);
	for (size_t i = 0; i < b.len; i++) {
		buf_add_sv(&copy, buf_sv(&b));
		copy.data[i] = (char)(copy.data[i] ^ 1);
		assert_int_equal(snap_manifest_read(&back, &copy, &f), -1);
		buf_clear(&copy);
	}
	assert_int_equal(snap_manifest_read(&back, &b, &f), 0);
	assert_true(back.chunks[0].id == 77 && back.offset == 999);
	assert_true(sv_eq(back.subscriptions[1], SV("Sent")));
	snap_manifest_deinit(&back);
	buf_deinit(&copy);
	buf_deinit(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_state_comes_back_from_its_chunks),
	    cmocka_unit_test(what_did_not_change_falls_into_equal_chunks),
	    cmocka_unit_test(damaged_chunks_are_refused_without_harm),
	    cmocka_unit_test(
		a_manifest_comes_back_and_no_octet_of_it_may_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
