#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "directory/directory_priv.h"

/* An account as it is allocated: what the public part points to behind it. */
struct account_block {
	struct directory_account account; /* first: the two are one address */
	_Atomic unsigned refs;
	char octets[];
};

static struct account_block *
block_of(struct directory_account *a)
{
	return (struct account_block *)(void *)a;
}

struct directory_account *
account_new(struct sv name, struct sv auth)
{
	struct account_block *b = xmalloc(sizeof(*b) + name.len + auth.len);

	if (name.len != 0) {
		memcpy(b->octets, name.p, name.len);
	}
	if (auth.len != 0) {
		memcpy(b->octets + name.len, auth.p, auth.len);
	}
	b->account.name = sv_make(b->octets, name.len);
	b->account.auth = sv_make(b->octets + name.len, auth.len);
	atomic_init(&b->refs, 1);
	return &b->account;
}

struct directory_account *
directory_account_ref(struct directory_account *a)
{
	/* Relaxed: whoever refs holds one already. */
	atomic_fetch_add_explicit(&block_of(a)->refs, 1, memory_order_relaxed);
	return a;
}

void
directory_account_unref(struct directory_account **a)
{
	struct account_block *b;

	if (*a == NULL) {
		return;
	}
	b = block_of(*a);
	*a = NULL;
	/* Acquire and release: the last one sees all use by the others. */
	if (atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1) {
		mem_wipe(b->octets, b->account.name.len + b->account.auth.len);
		free(b);
	}
}

struct entry *
entry_new(enum entry_kind kind)
{
	struct entry *e = xmalloc(sizeof(*e));

	atomic_init(&e->refs, 1);
	e->kind = kind;
	return e;
}

struct entry *
entry_ref(struct entry *e)
{
	atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
	return e;
}

void
entry_unref(struct entry **e)
{
	struct entry *gone = *e;

	*e = NULL;
	if (gone != NULL
	    && atomic_fetch_sub_explicit(&gone->refs, 1, memory_order_acq_rel)
		   == 1) {
		directory_account_unref(&gone->account);
		free(gone->targets);
		free(gone);
	}
}
