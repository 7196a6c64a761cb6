#include "lmtpd/pending.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"

enum {
	BUCKETS = 4 * 1024, /* a power of two */
	NONE = PENDING_SLOTS,
	KEY_SIZE = 32,
};

/* Mailers give up after 4 or 5 days. [RFC 5321 4.5.4.1] */
#define KEEP_MS ((uint64_t)7 * 24 * 3600 * 1000)
#define MAGIC UINT64_C(0x676e69646e655032)

struct slot {
	struct fingerprint print;
	uint64_t nonce;
	uint64_t time; /* ms, 0 = free; written last */
};

struct file {
	uint64_t magic;
	unsigned char key[KEY_SIZE];
	uint64_t unused[3];
	struct slot slots[PENDING_SLOTS];
};

static struct {
	struct lock lock;
	EVP_MAC *mac;	   /* owned; immutable */
	int fd;		   /* holds the lock on the file */
	struct file *file; /* GUARDED_BY(lock): its slots */
	uint64_t nonce;	   /* GUARDED_BY(lock): the last one drawn */
	bool *live;	   /* GUARDED_BY(lock): somebody holds this slot */
	uint32_t *next;	   /* GUARDED_BY(lock): in its bucket, or free */
	uint32_t *buckets; /* GUARDED_BY(lock) */
	uint32_t free;	   /* GUARDED_BY(lock) */
} p = {.fd = -1};

static uint32_t *
bucket_of(const struct fingerprint *print)
{
	return &p.buckets[print->h[0] & (BUCKETS - 1)];
}

/* ---- slots; all with the lock held ---- */

static void
link_slot(uint32_t i)
{
	uint32_t *head = bucket_of(&p.file->slots[i].print);

	p.next[i] = *head;
	*head = i;
}

static void
unlink_slot(uint32_t i)
{
	uint32_t *at = bucket_of(&p.file->slots[i].print);

	while (*at != i) {
		at = &p.next[*at];
	}
	*at = p.next[i];
}

static void
release_slot(uint32_t i)
{
	unlink_slot(i);
	p.file->slots[i].time = 0;
	p.live[i] = false;
	p.next[i] = p.free;
	p.free = i;
}

/* The oldest note that nobody holds makes room when all slots are taken. */
static void
evict_oldest(void)
{
	uint32_t oldest = NONE;

	for (uint32_t i = 0; i < PENDING_SLOTS; i++) {
		if (!p.live[i]
		    && (oldest == NONE
			|| p.file->slots[i].time
			       < p.file->slots[oldest].time)) {
			oldest = i;
		}
	}
	if (oldest != NONE) {
		release_slot(oldest);
	}
}

static uint32_t
take_slot(const struct fingerprint *print, uint64_t nonce, uint64_t time)
{
	if (p.free == NONE) {
		evict_oldest();
	}
	uint32_t i = p.free;

	if (i == NONE) {
		return NONE;
	}
	p.free = p.next[i];
	struct slot *slot = &p.file->slots[i];

	slot->print = *print;
	slot->nonce = nonce;
	/* After a kill between these two lines the slot is still free: the
	 * delivery has not begun.  The compiler must keep the order. */
	atomic_signal_fence(memory_order_release);
	slot->time = time;
	link_slot(i);
	return i;
}

/* A note of this fingerprint that nobody holds. */
static uint32_t
find_lost(const struct fingerprint *print)
{
	uint32_t i = *bucket_of(print);

	while (i != NONE
	       && (p.live[i]
		   || memcmp(&p.file->slots[i].print, print, sizeof(*print))
			  != 0)) {
		i = p.next[i];
	}
	return i;
}

/* ---- the file ---- */

static void
index_slots(void)
{
	uint64_t now = (uint64_t)clock_wall_ms();

	for (uint32_t i = 0; i < BUCKETS; i++) {
		p.buckets[i] = NONE;
	}
	p.free = NONE;
	/* Downwards, so that low slots are used first and few pages touched. */
	for (uint32_t i = PENDING_SLOTS; i-- > 0;) {
		struct slot *slot = &p.file->slots[i];

		if (slot->time != 0 && slot->time + KEEP_MS > now) {
			link_slot(i);
		} else {
			slot->time = 0;
			p.next[i] = p.free;
			p.free = i;
		}
	}
}

static int
open_locked(const char *path, struct fail *f)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0) {
		(void)fail_sys(f, "open %s", path);
		return -1;
	}
	/* With blocks of its own: where a full disk has none for a page that
	 * is written to, the process is killed. */
	int err = fcntl(fd, F_OFD_SETLK, &lock) != 0
		      ? errno
		      : posix_fallocate(fd, 0, sizeof(struct file));

	if (err != 0) {
		(void)fail_err(f, err, "%s", path);
		(void)close(fd);
		return -1;
	}
	return fd;
}

int
pending_open(const char *path, struct fail *f)
{
	p.mac = EVP_MAC_fetch(NULL, "POLY1305", NULL);
	if (p.mac == NULL) {
		return fail_set(f, FAIL_PERM, "OpenSSL has no Poly1305");
	}
	p.fd = open_locked(path, f);
	if (p.fd < 0) {
		LOG(LOG_WARN, "pending.memory", kv_fail(f));
		fail_clear(f);
	}
	void *at = mmap(NULL, sizeof(struct file), PROT_READ | PROT_WRITE,
	    p.fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, p.fd, 0);

	if (at == MAP_FAILED) {
		return fail_sys(f, "map %s", path);
	}
	p.file = at;
	if (p.file->magic != MAGIC) {
		memset(p.file, 0, sizeof(*p.file));
		random_bytes(p.file->key, sizeof(p.file->key));
		p.file->magic = MAGIC;
	}
	lock_init(&p.lock, LOCK_LEAF);
	p.nonce = random_u64();
	p.live = xcalloc(PENDING_SLOTS, sizeof(*p.live));
	p.next = xcalloc(PENDING_SLOTS, sizeof(*p.next));
	p.buckets = xcalloc(BUCKETS, sizeof(*p.buckets));
	index_slots();
	return 0;
}

void
pending_close(void)
{
	if (p.file == NULL) {
		return;
	}
	(void)munmap(p.file, sizeof(*p.file));
	if (p.fd >= 0) {
		(void)close(p.fd);
	}
	EVP_MAC_free(p.mac);
	p.mac = NULL;
	free(p.live);
	free(p.next);
	free(p.buckets);
	lock_deinit(&p.lock);
	p.file = NULL;
	p.fd = -1;
}

/* ---- fingerprints ---- */

static const unsigned char *
octets_of(struct sv s)
{
	return (const unsigned char *)s.p;
}

struct fingerprint
pending_print(struct sv sender, struct sv text)
{
	struct fingerprint print = {{0}};
	EVP_MAC_CTX *c = EVP_MAC_CTX_new(p.mac);
	uint64_t size = text.len; /* says where the sender begins */
	size_t n = 0;

	/* It works in memory alone: only the lack of that makes it fail. */
	ASSERT(c != NULL && EVP_MAC_init(c, p.file->key, KEY_SIZE, NULL) == 1
	       && EVP_MAC_update(c, octets_of(text), text.len) == 1
	       && EVP_MAC_update(c, octets_of(sender), sender.len) == 1
	       && EVP_MAC_update(c, (void *)&size, sizeof(size)) == 1
	       && EVP_MAC_final(c, (void *)print.h, &n, sizeof(print.h)) == 1
	       && n == sizeof(print.h));
	EVP_MAC_CTX_free(c);
	return print;
}

/* ---- claims ---- */

struct claim
pending_claim(struct fingerprint print)
{
	struct claim claim;
	uint64_t nonce;

	lock_acquire(&p.lock);
	claim.slot = find_lost(&print);
	if (claim.slot != NONE) {
		nonce = p.file->slots[claim.slot].nonce;
	} else {
		nonce = ++p.nonce;
		claim.slot =
		    take_slot(&print, nonce, (uint64_t)clock_wall_ms());
	}
	if (claim.slot != NONE) {
		p.live[claim.slot] = true;
	}
	lock_release(&p.lock);
	/* The store takes 0 for no key. */
	claim.key[0] = (print.h[0] ^ nonce) | 1;
	claim.key[1] = print.h[1] + nonce;
	return claim;
}

void
pending_settle(const struct claim *claim)
{
	if (claim->slot != NONE) {
		lock_acquire(&p.lock);
		release_slot(claim->slot);
		lock_release(&p.lock);
	}
}

void
pending_lose(const struct claim *claim)
{
	if (claim->slot != NONE) {
		lock_acquire(&p.lock);
		p.live[claim->slot] = false;
		lock_release(&p.lock);
	}
}
