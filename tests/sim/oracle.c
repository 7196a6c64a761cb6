/*
 * What was told, for ever: it has one meaning.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"
#include "oracle_priv.h"

const char *const oracle_keywords[ORACLE_KEYWORDS] = {
    "$Forwarded", "work", "$junk", "Later"};

/* What was told, for ever: (account, mailbox, UIDVALIDITY, UID) and the like,
 * as octets, to a number. */
struct meanings {
	struct map map;
};

void
oracle_init(struct oracle *o, void (*report)(void *, const char *), void *arg)
{
	*o = (struct oracle){.violation = report, .arg = arg, .clock = 1};
	o->meanings = xmalloc(sizeof(*o->meanings));
	for (unsigned a = 0; a < ORACLE_ACCOUNTS; a++) {
		o->account[a].box =
		    xcalloc(ORACLE_BOXES, sizeof(*o->account[a].box));
	}
}

void
account_clear(struct account_fact *a)
{
	for (unsigned i = 0; i < a->n_box; i++) {
		free(a->box[i].uid);
		free(a->box[i].shown);
	}
	free(a->box);
	free(a->delivery);
}

void
oracle_deinit(struct oracle *o)
{
	for (unsigned a = 0; a < ORACLE_ACCOUNTS; a++) {
		account_clear(&o->account[a]);
	}
	map_deinit(&o->meanings->map);
	free(o->meanings);
}

void
violation(struct oracle *o, const char *fmt, ...)
{
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	o->violation(o->arg, text);
}

uint64_t
meaning(struct oracle *o, const uint64_t *key, size_t n, uint64_t value)
{
	struct sv k = sv_make(key, n * sizeof(*key));
	void *old = map_get(&o->meanings->map, k);

	if (old != NULL) {
		return (uint64_t)(uintptr_t)old - 1;
	}
	(void)map_put(&o->meanings->map, k, (void *)(uintptr_t)(value + 1));
	return value;
}

void
oracle_hash(struct oracle *o, unsigned account, uint64_t segment, place_t place,
    uint64_t hash)
{
	uint64_t key[] = {MEANS_HASH, account, segment, place};

	hash >>= 8; /* room for the one that `meaning` adds */
	if (meaning(o, key, COUNT_OF(key), hash) != hash) {
		violation(o, "(3) account %u: two states at place %llx",
		    account, (unsigned long long)place);
	}
}

void
oracle_box_id(struct oracle *o, unsigned account, uint64_t id, uint64_t what)
{
	uint64_t key[] = {MEANS_BOX, account, id};

	if (meaning(o, key, COUNT_OF(key), what) != what) {
		violation(o, "(2) account %u: mailbox id %llx given twice",
		    account, (unsigned long long)id);
	}
}

void
oracle_tell(struct oracle *o, unsigned account, struct box_fact *b,
    uint32_t uid, uint32_t k)
{
	struct uid_fact *u = oracle_uid(o, b, uid);
	uint64_t key[] = {MEANS_UID, account, b->id, b->uidvalidity, uid};
	uint64_t was = u->told ? u->k : meaning(o, key, COUNT_OF(key), k);

	if (was != k) {
		violation(o,
		    "(2) account %u mailbox %llx UID %u: message %u, was %u",
		    account, (unsigned long long)b->id, uid, k, (unsigned)was);
	}
	u->told = true;
	u->k = k;
}
