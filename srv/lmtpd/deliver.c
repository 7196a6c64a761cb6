#include "lmtpd/deliver.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "lmtpd/lmtpd.h"
#include "mail/digest.h"
#include "mail/header.h"
#include "mail/received.h"

static const struct smtp_reply looping = {
    554, "5.4.6", "Too many hops: the message goes in circles"};
/* Of a removed account the next RCPT will say so; others are mended. */
static const struct smtp_reply closed = {
    450, "4.2.1", "Mailbox is closed; try again later"};

const struct smtp_reply *
trouble_reply(enum fail_kind kind)
{
	switch (kind) {
	case FAIL_LIMIT:
	case FAIL_CANCELLED:
	case FAIL_UNKNOWN:
		return smtp_reply_for(kind);
	case FAIL_PERM:
		return &closed;
	case FAIL_NONE:
	case FAIL_TEMP:
	case FAIL_ABSENT:
	case FAIL_EXISTS:
	case FAIL_DENIED:
	case FAIL_SYNTAX:
	case FAIL_CORRUPT:
		break;
	}
	return smtp_reply_for(FAIL_TEMP);
}

int
content_map(
    int fd, uint64_t size, uint64_t prefix, struct content *out, struct fail *f)
{
	*out = (struct content){.fd = fd, .prefix = prefix};
	if (size == 0) {
		return 0;
	}
	void *at = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED) {
		return fail_sys(f, "map the message");
	}
	out->text = sv_make(at, size);
	return 0;
}

void
content_unmap(struct content *c)
{
	if (c->text.len > 0) {
		/* munmap() takes what mmap() gave, which was not const. */
		(void)munmap((void *)(uintptr_t)c->text.p, c->text.len);
	}
	c->text = SV_EMPTY;
}

/* ---- keys ---- */

/* What a client repeats when it tries again: sender and content.  The trace
 * fields in front are of this attempt. */
static struct fingerprint
content_print(const struct content *content, struct sv sender)
{
	return pending_print(sender, sv_from(content->text, content->prefix));
}

/* The same for one of its targets. */
static struct fingerprint
target_print(const struct fingerprint *content, const struct target *t)
{
	struct fingerprint print;
	uint64_t seed[2] = {content->h[0], content->h[1]};

	print.h[0] = siphash(seed, t->account_id, DIRECTORY_ID_LEN);
	seed[1] ^= print.h[0];
	print.h[1] = siphash(seed, t->mailbox.p, t->mailbox.len);
	return print;
}

/* ---- storing ---- */

struct job {
	struct envelope *e;
	const struct content *content;
	struct sv sender;
	struct sv message_id; /* for the log */
	const char *id;
	struct arena *arena;
	struct msg_source source;
	struct delivery *deliveries; /* of the targets without `bad` */
	size_t *target_of;	     /* by delivery */
	struct room *rooms;	     /* the same */
	size_t n;
	struct outcome *out;
};

static void
prepare(struct job *j)
{
	struct envelope *e = j->e;
	struct fingerprint print = content_print(j->content, j->sender);

	j->deliveries =
	    arena_array(j->arena, e->n_targets, sizeof(*j->deliveries));
	j->target_of =
	    arena_array(j->arena, e->n_targets, sizeof(*j->target_of));
	j->rooms = arena_array(j->arena, e->n_targets, sizeof(*j->rooms));
	j->out->claims = xcalloc(e->n_targets, sizeof(*j->out->claims));
	for (size_t i = 0; i < e->n_targets; i++) {
		struct target *t = &e->targets[i];

		if (t->bad == NULL) {
			t->bad = target_room(
			    t, j->content->text.len, &j->rooms[j->n]);
		}
		if (t->bad != NULL) {
			continue;
		}
		struct claim claim = pending_claim(target_print(&print, t));

		j->out->claims[j->n] = claim;
		j->target_of[j->n] = i;
		j->deliveries[j->n++] = (struct delivery){
		    .account_id = t->account_id,
		    .mailbox = t->mailbox,
		    .key = {claim.key[0], claim.key[1]},
		};
	}
	j->out->n_claims = j->n;
}

/* What the store found no tree of gets one: the directory knows it. */
static bool
make_absent(struct job *j)
{
	bool made = false;

	for (size_t i = 0; i < j->n; i++) {
		struct delivery *d = &j->deliveries[i];

		if (d->rc != 0 && d->fail.kind == FAIL_ABSENT) {
			d->rc = account_create(
			    lmtpd.back.store, d->account_id, &d->fail);
			made = made || d->rc == 0;
			d->rc = -1;
		}
	}
	return made;
}

static void
store(struct job *j, struct delivery *to, size_t n)
{
	struct fail ignored; /* each delivery has its own */

	(void)!store_deliver(lmtpd.back.store, &j->source, to, n, &ignored);
}

/* Try again those whose tree has just been made, one by one: it is rare. */
static void
store_again(struct job *j)
{
	for (size_t i = 0; i < j->n; i++) {
		if (j->deliveries[i].rc != 0
		    && j->deliveries[i].fail.kind == FAIL_ABSENT) {
			store(j, &j->deliveries[i], 1);
		}
	}
}

static void
release_rooms(struct job *j)
{
	for (size_t i = 0; i < j->n; i++) {
		room_release(&j->rooms[i]);
	}
}

static const struct smtp_reply *
reply_of(const struct delivery *d)
{
	return d->rc == 0 ? NULL : trouble_reply(d->fail.kind);
}

static void
note_outcomes(struct job *j)
{
	for (size_t i = 0; i < j->n; i++) {
		const struct delivery *d = &j->deliveries[i];
		struct target *t = &j->e->targets[j->target_of[i]];

		t->bad = reply_of(d);
		if (d->rc != 0) {
			LOG(LOG_ERROR, "delivery.failed", kv_str("id", j->id),
			    kv_sv("account", t->address),
			    kv_sv("recipient", t->recipient),
			    kv_fail(&d->fail));
			continue;
		}
		stat_add(&lmtpd.duplicates, d->duplicate ? 1 : 0);
		LOG(LOG_INFO, "delivered", kv_str("id", j->id),
		    kv_sv("account", t->address),
		    kv_sv("mailbox",
			t->mailbox.len > 0 ? t->mailbox : SV("INBOX")),
		    kv_sv("recipient", t->recipient),
		    kv_sv("sender", j->sender),
		    kv_sv("message_id", j->message_id),
		    kv_u64("size", j->content->text.len),
		    kv_u64("duplicate", d->duplicate));
	}
}

/* ---- answers ---- */

/*
 * A recipient that leads to several accounts gets one answer: that of a
 * failure that may pass, so that the client tries again (those who have it
 * will not get it twice); else success if anybody has it.
 */
static const struct smtp_reply *
combine(const struct envelope *e, const struct recipient *rcpt,
    const struct smtp_reply *delivered)
{
	const struct smtp_reply *perm = NULL;
	bool any = false;

	for (size_t i = 0; i < rcpt->n_targets; i++) {
		const struct smtp_reply *bad = e->targets[rcpt->targets[i]].bad;

		if (bad != NULL && bad->code < 500) {
			return bad;
		}
		perm = bad != NULL ? bad : perm;
		any = any || bad == NULL;
	}
	return any ? delivered : perm;
}

static void
note_reply(const struct job *j, const struct recipient *rcpt,
    const struct smtp_reply *reply)
{
	struct stat_counter *c = reply->code < 300   ? &lmtpd.delivered
				 : reply->code < 500 ? &lmtpd.deferred
						     : &lmtpd.refused;

	stat_add(c, 1);
	if (reply->code >= 300) {
		LOG(LOG_INFO, "delivery.refused", kv_str("id", j->id),
		    kv_sv("recipient", rcpt->address),
		    kv_sv("sender", j->sender),
		    kv_sv("message_id", j->message_id),
		    kv_u64("code", reply->code),
		    kv_str("status", reply->status));
	}
}

static bool
goes_in_circles(struct sv head)
{
	unsigned max = (unsigned)lmtpd.set->lmtp_hops;

	return received_count(head, max + 1) > max;
}

static struct sv
message_id(struct sv head)
{
	struct header_field field;

	return header_find(head, SV("Message-ID"), &field) ? sv_trim(field.body)
							   : SV_EMPTY;
}

void
deliver(struct envelope *e, const struct content *content, struct sv sender,
    const char *id, struct arena *arena, struct outcome *out)
{
	struct sv head = sv_sub(content->text, 0, header_size(content->text));
	/* Whoever sent it can tell us later which one it was. */
	struct smtp_reply *good = arena_alloc(arena, sizeof(*good));
	struct buf digest = {0};
	struct job j = {
	    .e = e,
	    .content = content,
	    .sender = sender,
	    .message_id = message_id(head),
	    .id = id,
	    .arena = arena,
	    .out = out,
	};
	bool loop = goes_in_circles(head);

	*good = (struct smtp_reply){
	    250, "2.0.0", arena_printf(arena, "Delivered as %s", id)};
	*out = (struct outcome){
	    .replies = arena_array(arena, e->n_rcpts, sizeof(*out->replies))};
	stat_add(&lmtpd.messages, 1);
	if (!loop) {
		prepare(&j);
	}
	if (j.n > 0) {
		(void)digest_build(content->text, &digest);
		j.source = (struct msg_source){
		    .body = content->text,
		    .fd = content->fd,
		    .own = content->fd >= 0,
		    .digest = buf_sv(&digest),
		};
		store(&j, j.deliveries, j.n);
		if (make_absent(&j)) {
			store_again(&j);
		}
		release_rooms(&j);
		note_outcomes(&j);
		buf_deinit(&digest);
	}
	for (size_t i = 0; i < e->n_rcpts; i++) {
		out->replies[i] =
		    loop ? &looping : combine(e, &e->rcpts[i], good);
		note_reply(&j, &e->rcpts[i], out->replies[i]);
	}
}
