/*
 * session.c: the life of a session, turn by turn.
 */
#include "net/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "net/conn.h"
#include "net/conn_priv.h"
#include "net/listen_priv.h"
#include "net/park_priv.h"
#include "net/proxy.h"
#include "net/session_priv.h"
#include "net/slot.h"
#include "net/stat_priv.h"
#include "net/tls.h"
#include "net/wheel.h"

enum { NS_PER_MS = 1000000 };

/* ---- making and freeing ---- */

/*
 * A log is read across programs and restarts: what no other session has ever
 * had.  40 random bits are the process's, drawn once (who draws last loses);
 * the rest counts.
 */
static uint64_t
new_id(void)
{
	static _Atomic uint64_t last;
	uint64_t none = 0;

	if (atomic_load(&last) == 0) {
		(void)atomic_compare_exchange_strong(&last, &none,
		    (random_u64() | UINT64_C(1) << 63) & ~(uint64_t)0xffffff);
	}
	return atomic_fetch_add(&last, 1) + 1;
}

struct session *
session_new(const struct protocol *proto, int fd, const struct addr *peer,
    const struct addr *local)
{
	struct session *s;

	ASSERT(proto->session_size >= sizeof(*s));
	s = xmalloc(proto->session_size);
	if (!slot_open(s)) {
		free(s);
		(void)close(fd);
		return NULL;
	}
	s->proto = proto;
	s->id = new_id();
	s->peer = *peer;
	s->local = *local;
	s->idle_from = clock_mono_ms();
	s->stage = STAGE_START;
	s->c = conn_new(fd, s, proto->limits);
	stat_session_add(s);
	return s;
}

void
session_stage(struct session *s, enum stage stage)
{
	s->stage = (uint8_t)stage;
}

static void
log_end(const struct session *s)
{
	char peer[ADDR_TEXT_SIZE];

	LOG(LOG_INFO, "session.end", kv_hex("session", s->id),
	    kv_str("protocol", s->proto->name),
	    kv_str("peer", addr_text(&s->peer, peer)),
	    kv_str("user", s->user != NULL ? s->user : ""),
	    kv_u64("in", conn_bytes_in(s->c)),
	    kv_u64("out", conn_bytes_out(s->c)),
	    kv_i64("ms", clock_wall_ms() - s->since));
}

void
session_free(struct session *s)
{
	log_end(s);
	stat_session_remove(s);
	listen_release(s);
	conn_free(&s->c);
	park_forget(s);
	free(s);
}

/* The protocol's last word; waits are possible only if on a coroutine, and
 * then bounded. */
static void
close_session(struct session *s)
{
	(void)c_flush(s->c);
	if (s->proto->close != NULL && s->stage == STAGE_RUN) {
		s->proto->close(s);
	}
	conn_shut(s->c);
	s->closing = true;
}

void
session_give_up(struct session *s)
{
	(void)conn_broken(s->c, CONN_WRITES, -ENOMEM);
	close_session(s);
	session_free(s);
}

/* ---- before the protocol's first turn ---- */

/* Log why a connection is dropped before it became a session. */
static bool
refuse(struct session *s, const char *why)
{
	char peer[ADDR_TEXT_SIZE];

	LOG(LOG_INFO, "session.refused", kv_hex("session", s->id),
	    kv_str("protocol", s->proto->name),
	    kv_str("peer", addr_text(&s->peer, peer)), kv_str("why", why));
	return false;
}

/* Exactly the header's octets are read, as TLS may follow them. */
static enum proxy_found
receive_proxy_header(struct conn *c, struct addr *peer, struct addr *local)
{
	char octets[PROXY_MAX];
	size_t len = PROXY_HEAD;
	enum proxy_found found;

	if (conn_read_direct(c, octets, len) != 0) {
		return PROXY_BAD;
	}
	found = proxy_read(sv_make(octets, len), &len, peer, local);
	if (found != PROXY_MORE) {
		return found;
	}
	if (conn_read_direct(c, octets + PROXY_HEAD, len - PROXY_HEAD) != 0) {
		return PROXY_BAD;
	}
	return proxy_read(sv_make(octets, len), &len, peer, local);
}

static bool
read_proxy_header(struct session *s)
{
	struct addr peer;
	struct addr local;

	switch (receive_proxy_header(s->c, &peer, &local)) {
	case PROXY_WHOLE:
		stat_session_peer(s, &peer, &local);
		break;
	case PROXY_LOCAL:
		break;
	case PROXY_MORE:
	case PROXY_BAD:
		return refuse(s, "no PROXY header");
	}
	if (!listen_admit(s)) {
		return refuse(s, "too many connections of this peer");
	}
	return true;
}

/* The stages before the protocol's; false to drop the connection, and
 * *ready_out if the protocol may begin. */
static bool
prepare(struct session *s, unsigned events, bool *ready_out)
{
	bool waits = (events & EV_FD) == 0;

	*ready_out = false;
	if ((events & EV_SHUTDOWN) != 0) {
		return false;
	}
	if (waits && (events & EV_TIMER) != 0
	    && clock_mono_ms() >= s->idle_from + conn_input_ms(s->c)) {
		return refuse(s, "nothing was sent");
	}
	if (s->stage == STAGE_PROXY || s->stage == STAGE_PROXY_TLS) {
		if (waits) {
			return true;
		}
		if (!read_proxy_header(s)) {
			return false;
		}
		s->stage =
		    s->stage == STAGE_PROXY_TLS ? STAGE_TLS : STAGE_START;
	}
	if (s->stage == STAGE_TLS) {
		if (waits) {
			return true;
		}
		if (tls_accept(s->c) != 0) {
			return refuse(s, "TLS handshake failed");
		}
		s->stage = STAGE_START;
	}
	*ready_out = true;
	return true;
}

/* ---- turns ---- */

static int64_t
earliest(int64_t a, int64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* When a resting session must be looked at, whatever the peer does. */
static int64_t
next_deadline(const struct session *s)
{
	int64_t idle =
	    s->stage == STAGE_RUN ? conn_idle_ms(s->c) : conn_input_ms(s->c);

	return earliest(
	    earliest(s->idle_from + idle, s->timer), s->c->deadline);
}

static unsigned
due(struct session *s)
{
	int64_t now = clock_mono_ms();
	unsigned why = 0;

	if (s->timer != 0 && now >= s->timer) {
		s->timer = 0;
		why |= WHY_TIMER;
	}
	if (now >= s->idle_from + conn_idle_ms(s->c)
	    || (s->c->deadline != 0 && now >= s->c->deadline)) {
		why |= WHY_TIMEOUT;
	}
	return why;
}

/*
 * Is there anything to read?  What was written is sent before looking at the
 * socket, but not while commands are buffered: so the answers to pipelined
 * commands go out together.
 */
static bool
input(struct session *s)
{
	uint32_t events;

	if (conn_buffered(s->c).len != 0) {
		return true;
	}
	return c_flush(s->c) != 0 || conn_try(s->c, &events) != 0;
}

/* Why run() must be called now; 0 to rest. */
static unsigned
reasons(struct session *s, unsigned events)
{
	unsigned why = 0;

	if ((events & EV_SHUTDOWN) != 0 || park_cancelled()) {
		why |= WHY_SHUTDOWN;
	}
	if (s->stage == STAGE_START) {
		s->stage = STAGE_RUN;
		return why | WHY_START;
	}
	if ((events & EV_WAKE) != 0) {
		why |= WHY_WAKE;
	}
	if ((events & EV_TIMER) != 0) {
		why |= due(s);
	}
	return input(s) ? why | WHY_INPUT : why;
}

/* One call of run(); false if the session is to end. */
static bool
run(struct session *s, unsigned why)
{
	enum verdict verdict = s->proto->run(s, why);
	int64_t now = clock_mono_ns();

	/* Without a connection, or when time is up, no answer but one. */
	if (verdict == V_CLOSE || conn_error(s->c) != 0 || park_cancelled()) {
		return false;
	}
	if ((why & (WHY_START | WHY_INPUT | WHY_TIMEOUT)) != 0) {
		s->idle_from = now / NS_PER_MS;
	}
	park_burst_next(s, now);
	return true;
}

/* Run until there is nothing to do; false if the session is to end. */
static bool
run_all(struct session *s)
{
	unsigned why;

	for (;;) {
		why = reasons(s, slot_take(s, EV_IDLE));
		if (why == 0) {
			return true;
		}
		if (!run(s, why)) {
			return false;
		}
	}
}

void
session_turn(void *arg)
{
	struct session *s = arg;
	bool ready = true;
	bool goes_on = true;

	park_burst_begin(s, clock_mono_ns());
	if (s->stage < STAGE_START) {
		goes_on = prepare(s, slot_take(s, EV_IDLE), &ready);
	}
	if (goes_on && ready) {
		goes_on = run_all(s);
	}
	if (goes_on) {
		wheel_set(s, next_deadline(s));
		goes_on = conn_rest(s->c) == 0;
	}
	if (!goes_on) {
		close_session(s);
	}
}
