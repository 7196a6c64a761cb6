/*
 * oracle: what must be true of the store, from what its clients were told.
 *
 * It keeps facts, not a second store: which UIDs were shown or acknowledged
 * and what they stand for, which are known to be there or gone, flags that
 * are known for sure.  An operation that may change a fact opens an attempt
 * on it; while one is open the fact is unsure.  A view that was asked for
 * after the last attempt had ended settles it again.
 *
 * What a client was told stays true for ever, after crashes too: meanings are
 * never dropped.  The rest can be saved with the tree and restored with it.
 *
 * Every contradiction is a violation: a line of text with the number of the
 * check of docs/simulation.md.
 *
 * Threads: one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "content.h"
#include "store/store.h"

enum {
	ORACLE_ACCOUNTS = 2,
	ORACLE_BOXES = 96,   /* per account, with deleted ones */
	ORACLE_UIDS = 16384, /* per mailbox and UIDVALIDITY */
	ORACLE_KEYWORDS = 4,
};

enum fact_state {
	FACT_UNKNOWN,
	FACT_THERE, /* in every view asked for from `since` on */
	FACT_UNSURE,
	FACT_GONE, /* in none */
};

struct fact {
	enum fact_state state;
	unsigned active;  /* attempts open on it */
	uint64_t since;	  /* clock of the oracle when the state was set */
	uint64_t touched; /* clock when the last attempt began or ended */
};

struct uid_fact {
	struct fact f; /* that it is there */
	struct fact g; /* its flags */
	uint32_t k;
	uint64_t visit; /* last look that showed it */
	bool told;	/* k is known */
	bool claimed;	/* Recent to a session, since the machine started */
	bool flags_ok;	/* the next three are known for sure */
	bool soft;	/* ... but a power loss may undo them */
	uint32_t flags;
	uint32_t keywords; /* bits of the simulation's keywords */
	place_t modseq;	   /* 0: not known */
};

struct shown {
	uint32_t uid;
	uint32_t flags;
	place_t modseq;
};

struct box_fact {
	struct fact f;
	uint64_t id;
	uint32_t uidvalidity;
	char name[64];
	bool name_ok;
	unsigned wide;	      /* attempts on all of it that are open */
	uint64_t renewed;     /* clock of the present UIDVALIDITY */
	uint64_t named;	      /* clock when the name was known */
	uint64_t visit;	      /* last look that showed it */
	struct uid_fact *uid; /* [uid], cap */
	uint32_t cap;
	/* The highest view shown to anyone. */
	place_t place, highest;
	uint32_t uidnext;
	struct shown *shown;
	uint32_t n_shown;
};

struct delivery_fact {
	uint64_t key[2];
	uint32_t k;
	unsigned account;
	bool seen;
	bool swept; /* it may have gone before it was seen */
	unsigned tries;
	struct fact f;
};

struct account_fact {
	struct box_fact *box;
	unsigned n_box;
	struct fact names; /* all that says which mailboxes there are */
	uint16_t most[CONTENT_MAX];   /* copies there may be at most */
	uint16_t flying[CONTENT_MAX]; /* deliveries under way */
	struct fact sweeps; /* attempts that take what nobody has seen */
	struct delivery_fact *delivery;
	unsigned n_delivery, cap_delivery;
	struct fact subscriptions; /* THERE: the last change holds */
	char subscribed[64];
	bool subscribed_on;
};

struct meanings; /* private: what was told for ever */

struct oracle {
	uint64_t clock;
	uint64_t looks;
	struct account_fact account[ORACLE_ACCOUNTS];
	struct meanings *meanings;
	void (*violation)(void *arg, const char *text);
	void *arg;
	unsigned epoch[ORACLE_ACCOUNTS]; /* trees put back so far */
	uint64_t created;		 /* mailboxes */
	/* A flush has failed: what is shown may be lost, and settles nothing;
	 * what is acknowledged still holds. */
	bool sick;
	bool resumed;		  /* ... and was mended once */
	bool harmed[CONTENT_MAX]; /* messages of which a file was, on purpose */
};

void oracle_init(
    struct oracle *o, void (*violation)(void *, const char *), void *arg);
void oracle_deinit(struct oracle *o);

void violation(struct oracle *o, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ---- attempts ---- */

void attempt_begin(struct oracle *o, struct fact *f);
void attempt_end(struct oracle *o, struct fact *f);
/* Only this attempt touched it since `clock`, when it began. */
bool attempt_alone(const struct fact *f, uint64_t clock);
/* None since `clock`, and none open. */
bool fact_settled(const struct fact *f, uint64_t clock);
void fact_set(struct oracle *o, struct fact *f, enum fact_state state);

/* An attempt on all of a mailbox's messages, those to come included. */
void wide_begin(struct oracle *o, struct box_fact *b);
void wide_end(struct oracle *o, struct box_fact *b);
/* A delivery of message k is under way, until its outcome was told: it opens
 * the account itself, and so a tree that is put back meanwhile may get it. */
void delivery_begin(struct oracle *o, unsigned account, uint32_t k);
void delivery_end(struct oracle *o, unsigned account, uint32_t k);
/* Deliveries not seen yet may be swept away with what surrounds them. */
void sweep_begin(struct oracle *o, unsigned account);
void sweep_end(struct oracle *o, unsigned account);

/* ---- facts ---- */

struct box_fact *oracle_box(struct oracle *o, unsigned account, uint64_t id);
/* The delivery of message k, made if it is new. */
struct delivery_fact *oracle_delivery(struct account_fact *a, uint32_t k);
/* The same, made if it is new. */
struct box_fact *oracle_box_make(
    struct oracle *o, unsigned account, uint64_t id, uint32_t uidvalidity);
struct uid_fact *oracle_uid(struct oracle *o, struct box_fact *b, uint32_t uid);

/* May its mailboxes have a new UIDVALIDITY?  Only a tree that was put back,
 * and what was mended. */
bool oracle_may_renew(const struct oracle *o, unsigned account);
/* They have. */
void oracle_renew(struct oracle *o, unsigned account, struct box_fact *b,
    uint32_t uidvalidity);

/* A client learns that (account, mailbox, UID) is message k. */
void oracle_tell(struct oracle *o, unsigned account, struct box_fact *b,
    uint32_t uid, uint32_t k);

/* A client is shown this view, asked for at `clock`; check all it holds. */
void oracle_view(
    struct oracle *o, unsigned account, struct view *view, uint64_t clock);

/* Two states at one place are the same. */
void oracle_hash(struct oracle *o, unsigned account, uint64_t segment,
    place_t place, uint64_t hash);
/* A mailbox was made: its id was never given before. */
void oracle_box_id(
    struct oracle *o, unsigned account, uint64_t id, uint64_t what);

/* Messages whose files were harmed are going to be expunged. */
void oracle_repair(struct oracle *o, unsigned account);

/* What a power loss makes unsure. */
void oracle_power_loss(struct oracle *o);

/* Facts as they were when a tree was saved; restoring takes them. */
struct account_fact *oracle_save(struct oracle *o, unsigned account);
void oracle_restore(
    struct oracle *o, unsigned account, struct account_fact **saved);
void oracle_saved_free(struct account_fact **saved);

extern const char *const oracle_keywords[ORACLE_KEYWORDS];
