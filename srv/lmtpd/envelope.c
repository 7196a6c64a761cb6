#include "lmtpd/envelope.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "lmtpd/lmtpd.h"

static const struct smtp_reply good = {250, "2.1.5", "OK"};
static const struct smtp_reply unknown = {550, "5.1.1", "No such mailbox here"};
static const struct smtp_reply disabled = {550, "5.2.1", "Mailbox is disabled"};
static const struct smtp_reply elsewhere = {
    550, "5.7.1", "Mail for other places is not relayed"};
static const struct smtp_reply too_many = {452, "4.5.3", "Too many recipients"};
static const struct smtp_reply full_temp = {452, "4.2.2", "Mailbox is full"};
static const struct smtp_reply full_perm = {552, "5.2.2", "Mailbox is full"};

/* ---- quota ---- */

const struct smtp_reply *
target_room(const struct target *target, uint64_t size, struct room *out)
{
	const struct usage limit = {
	    target->quota_octets, target->quota_messages};
	const struct usage more = {size, 1};
	enum room_answer answer;
	struct fail f;

	if (store_room(lmtpd.back.store, target->account_id, &limit, &more, out,
		&answer, &f)
	    != 0) {
		LOG(LOG_ERROR, "quota.failed",
		    kv_sv("account", target->address), kv_fail(&f));
		return smtp_reply_for(FAIL_TEMP);
	}
	switch (answer) {
	case ROOM_THERE:
		return NULL;
	case ROOM_LATER:
		return &full_temp; /* others may come to nothing */
	case ROOM_NONE:
		break;
	}
	return lmtpd.set->lmtp_quota_temporary ? &full_temp : &full_perm;
}

/* ---- recipients ---- */

/* The mailbox that a subaddress names, if the settings let it. */
static struct sv
mailbox_of(const struct directory_rcpt *place)
{
	return lmtpd.set->lmtp_detail_mailbox ? place->detail : SV_EMPTY;
}

static bool
target_is(const struct target *t, const struct directory_rcpt *place,
    struct sv mailbox)
{
	return memcmp(t->account_id, place->account->id, DIRECTORY_ID_LEN) == 0
	       && sv_eq(t->mailbox, mailbox);
}

static uint32_t
target_index(struct envelope *e, struct sv address,
    const struct directory_rcpt *place, uint64_t size, struct arena *arena)
{
	struct sv mailbox = mailbox_of(place);

	for (size_t i = 0; i < e->n_targets; i++) {
		if (target_is(&e->targets[i], place, mailbox)) {
			return (uint32_t)i;
		}
	}
	e->targets = arena_grow(arena, e->targets, e->n_targets,
	    &e->cap_targets, sizeof(*e->targets));
	struct target *t = &e->targets[e->n_targets];

	*t = (struct target){
	    .address = arena_sv(arena, mailaddr_sv(&place->address)),
	    .recipient = address,
	    .mailbox = mailbox,
	    .quota_octets = place->account->quota_octets,
	    .quota_messages = place->account->quota_messages,
	};
	memcpy(t->account_id, place->account->id, sizeof(t->account_id));
	t->bad =
	    place->account->enabled ? target_room(t, size, NULL) : &disabled;
	return (uint32_t)e->n_targets++;
}

/*
 * Take the places that an address leads to.  One that can take mail is
 * enough: of the members of an alias that cannot, the log tells.
 */
static const struct smtp_reply *
add_places(struct envelope *e, struct sv address,
    const struct directory_rcpt *places, size_t n, uint64_t size,
    const char *id, struct arena *arena)
{
	const struct smtp_reply *bad = NULL;
	struct recipient rcpt = {
	    .address = address,
	    .targets = arena_array(arena, n, sizeof(*rcpt.targets)),
	};

	if (e->n_targets + n > ENVELOPE_TARGETS_MAX) {
		return &too_many;
	}
	for (size_t i = 0; i < n; i++) {
		uint32_t at = target_index(e, address, &places[i], size, arena);

		if (e->targets[at].bad == NULL) {
			rcpt.targets[rcpt.n_targets++] = at;
			continue;
		}
		bad = e->targets[at].bad;
		LOG(LOG_INFO, "account.refused", kv_str("id", id),
		    kv_sv("recipient", address),
		    kv_sv("account", e->targets[at].address),
		    kv_u64("code", bad->code), kv_str("status", bad->status));
	}
	if (rcpt.n_targets == 0) {
		return bad;
	}
	e->rcpts = arena_grow(
	    arena, e->rcpts, e->n_rcpts, &e->cap_rcpts, sizeof(*e->rcpts));
	e->rcpts[e->n_rcpts++] = rcpt;
	return &good;
}

/* As the directory knows it; FAIL_SYNTAX, FAIL_LIMIT: nobody's address. */
static int
resolve(const struct smtp_path *path, struct sv text, struct arena *arena,
    enum directory_route *route, struct directory_rcpt **places, size_t *n,
    struct fail *f)
{
	struct mailaddr address;

	if (path->kind == SMTP_PATH_POSTMASTER) {
		return directory_resolve_postmaster(
		    lmtpd.back.directory, arena, route, places, n, f);
	}
	if (mailaddr_parse(text, &address, f) != 0) {
		*route = ROUTE_UNKNOWN;
		*places = NULL;
		*n = 0;
		return 0;
	}
	return directory_resolve(
	    lmtpd.back.directory, &address, arena, route, places, n, f);
}

const struct smtp_reply *
envelope_add(struct envelope *e, const struct smtp_rcpt *rcpt, uint64_t size,
    const char *id, struct arena *arena)
{
	struct directory_rcpt *places = NULL;
	const struct smtp_reply *reply = &unknown;
	enum directory_route route;
	struct buf text = {0};
	struct fail f;
	size_t n = 0;

	smtp_path_write(&rcpt->path, &text);
	struct sv address = arena_sv(arena, buf_sv(&text));

	buf_deinit(&text);
	if (resolve(&rcpt->path, address, arena, &route, &places, &n, &f)
	    != 0) {
		LOG(LOG_ERROR, "directory.failed", kv_str("id", id),
		    kv_sv("recipient", address), kv_fail(&f));
		return f.kind == FAIL_LIMIT ? &too_many
					    : smtp_reply_for(FAIL_TEMP);
	}
	switch (route) {
	case ROUTE_LOCAL:
		reply = add_places(e, address, places, n, size, id, arena);
		break;
	case ROUTE_MIXED:
	case ROUTE_REMOTE:
		reply = &elsewhere;
		break;
	case ROUTE_UNKNOWN:
		break;
	}
	directory_rcpts_unref(places, n);
	return reply;
}
