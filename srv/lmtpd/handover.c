/*
 * handover: what smtpd asks and hands over.  proto/handover.h has the
 * language.
 *
 * smtpd talks to strangers and is not trusted with more than it needs: it is
 * told who may receive and whether a password was right, hands messages over,
 * and can make nobody's mail appear here.  What it says of its peer is
 * believed, since nobody else knows.
 *
 * Threads: session-owned.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/block.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "lmtpd/session.h"
#include "net/conn.h"
#include "net/park.h"
#include "proto/handover.h"

static const struct smtp_reply ok = {250, "2.0.0", "OK"};

/* ---- the peer ---- */

static void
forget_remote(struct lmtp_session *s)
{
	directory_account_unref(&s->remote.account);
	s->remote = (struct remote){0};
}

static struct auth_peer
auth_peer_of(const struct remote *remote)
{
	struct auth_peer peer = {
	    .service = SV("smtp"),
	    .has_ip = remote->addr.family != AF_UNIX,
	    .loopback = remote->loopback,
	    .tls = remote->tls,
	    .tls_unique = sv_make(remote->unique, remote->unique_len),
	    .tls_exporter = sv_make(remote->exporter, remote->exporter_len),
	};

	addr_to_ip6(&remote->addr, peer.ip);
	return peer;
}

/* 250 and, for a submission, the mechanisms to offer. */
static void
answer_session(struct lmtp_session *s)
{
	struct auth_peer peer = auth_peer_of(&s->remote);
	const char *mechs[AUTH_MECHS];
	size_t n = s->remote.submission
		       ? auth_mechs(lmtpd.back.auth, &peer, mechs)
		       : 0;
	struct buf text = {0};

	for (size_t i = 0; i < n; i++) {
		buf_addf(&text, "%s%s", i > 0 ? " " : "", mechs[i]);
	}
	smtp_reply_write(&ok, buf_sv(&text), c_out(s->r.s.c));
	buf_deinit(&text);
}

static void
do_session(struct lmtp_session *s, const struct handover_session *session)
{
	struct remote *remote = &s->remote;
	struct fail f;

	receiver_reset(&s->r);
	session_settle(s, false);
	forget_remote(s);
	if (addr_parse(session->peer, &remote->addr, &f) != 0) {
		remote->addr.family = AF_UNIX;
	}
	remote->submission = session->submission;
	remote->tls = session->tls;
	remote->loopback = session->loopback;
	remote->unique_len = session->unique.len;
	memcpy(remote->unique, session->unique.p, session->unique.len);
	remote->exporter_len = session->exporter.len;
	memcpy(remote->exporter, session->exporter.p, session->exporter.len);
	(void)snprintf(remote->id, sizeof(remote->id), "%.*s",
	    SV_ARG(sv_sub(session->id, 0, sizeof(remote->id) - 1)));
	answer_session(s);
}

/* ---- signing in ---- */

static const struct smtp_reply *
auth_reply(const struct fail *f)
{
	static const struct smtp_reply wrong = {
	    535, "5.7.8", "Authentication credentials invalid"};
	static const struct smtp_reply malformed = {
	    501, "5.5.2", "Malformed authentication response"};
	static const struct smtp_reply away = {
	    454, "4.7.0", "Temporary authentication failure"};

	switch (f->kind) {
	case FAIL_SYNTAX:
	case FAIL_LIMIT:
		return &malformed;
	case FAIL_TEMP:
	case FAIL_CORRUPT:
	case FAIL_CANCELLED:
	case FAIL_UNKNOWN:
		return &away;
	case FAIL_NONE:
	case FAIL_PERM:
	case FAIL_ABSENT:
	case FAIL_EXISTS:
	case FAIL_DENIED:
		break;
	}
	return &wrong;
}

static const struct smtp_reply *
begin_reply(const struct fail *f)
{
	static const struct smtp_reply no_mech = {
	    504, "5.5.4", "No such authentication mechanism"};
	static const struct smtp_reply no_tls = {
	    538, "5.7.11", "This mechanism needs TLS"};

	return f->kind == FAIL_ABSENT	? &no_mech
	       : f->kind == FAIL_DENIED ? &no_tls
					: auth_reply(f);
}

static void
log_auth(const struct lmtp_session *s, const struct auth_session *auth,
    bool good, const char *why)
{
	char addr[ADDR_TEXT_SIZE];

	LOG(LOG_INFO, good ? "login" : "login.failed",
	    kv_str("service", "smtp"),
	    kv_str("peer", addr_text(&s->remote.addr, addr)),
	    kv_str("session", s->remote.id),
	    kv_str("mech", auth_session_mech(auth)),
	    kv_sv("user", auth_session_user(auth)), kv_str("why", why));
}

static void
came_in(struct lmtp_session *s, const struct auth_session *auth)
{
	static const struct smtp_reply in = {235, "2.7.0", ""};

	s->remote.account = directory_account_ref(auth_session_account(auth));
	log_auth(s, auth, true, "");
	session_user(&s->r.s, mailaddr_sv(&s->remote.account->address));
	smtp_reply_write(
	    &in, mailaddr_sv(&s->remote.account->address), c_out(s->r.s.c));
}

/* Send a challenge and read the response to it; NULL or a refusal. */
static const struct smtp_reply *
ask(struct lmtp_session *s, const struct buf *challenge, struct sv *response)
{
	static const struct smtp_reply cancelled = {
	    501, "5.7.0", "Authentication cancelled"};
	static const struct smtp_reply gone = {421, "4.4.2", "Gone"};

	/* Not by smtp_reply_write(): a challenge may be a long line. */
	buf_add_str(c_out(s->r.s.c), "334 ");
	buf_add_sv(c_out(s->r.s.c), buf_sv(challenge));
	buf_add_str(c_out(s->r.s.c), "\r\n");
	if (c_flush(s->r.s.c) != 0
	    || c_line(s->r.s.c, HANDOVER_LINE_MAX, LINE_CRLF, response) != 0) {
		s->r.closing = true;
		return &gone;
	}
	return sv_eq(*response, SV("*")) ? &cancelled : NULL;
}

/* The exchange up to its end: NULL if that was good. */
static const struct smtp_reply *
exchange(struct lmtp_session *s, struct auth_session *auth, bool has_in,
    struct sv in)
{
	const struct smtp_reply *bad = NULL;
	struct buf challenge = {0};
	struct fail f;
	enum auth_status status;

	while ((status = auth_session_step64(auth, has_in, in, &challenge, &f))
	       == AUTH_CONTINUE) {
		bad = ask(s, &challenge, &in);
		has_in = true;
		if (bad != NULL) {
			goto out;
		}
	}
	if (park_sleep(&s->r.s, (int64_t)auth_session_delay_ms(auth)) != 0) {
		s->r.closing = true;
	}
	if (status == AUTH_FAILED) {
		log_auth(s, auth, false, f.text);
		bad = auth_reply(&f);
	} else {
		came_in(s, auth);
	}
out:
	buf_wipe(&challenge);
	return bad;
}

static const struct smtp_reply *
do_auth(struct lmtp_session *s, const struct handover_auth *cmd)
{
	struct auth_peer peer = auth_peer_of(&s->remote);
	struct auth_session *auth = NULL;
	struct fail f;

	if (!s->remote.submission || s->remote.account != NULL
	    || s->r.has_mail) {
		return &smtp_bad_sequence;
	}
	if (auth_session_new(lmtpd.back.auth, cmd->mech, &peer, &auth, &f)
	    != 0) {
		return begin_reply(&f);
	}
	const struct smtp_reply *bad =
	    exchange(s, auth, cmd->has_initial, cmd->initial);

	auth_session_free(&auth);
	return bad;
}

/* ---- envelope ---- */

/* Is it one of the addresses that lead to this account? */
static int
may_send_as(const struct directory_account *account, struct sv sender,
    struct arena *arena, bool *out, struct fail *f)
{
	struct directory_rcpt *places = NULL;
	enum directory_route route;
	struct mailaddr address;
	size_t n = 0;

	*out = false;
	if (mailaddr_parse(sender, &address, f) != 0) {
		return 0;
	}
	if (directory_resolve(
		lmtpd.back.directory, &address, arena, &route, &places, &n, f)
	    != 0) {
		return f->kind == FAIL_LIMIT ? 0 : -1;
	}
	for (size_t i = 0; i < n; i++) {
		const struct directory_account *a = places[i].account;

		*out = *out || (a != NULL && strcmp(a->id, account->id) == 0);
	}
	directory_rcpts_unref(places, n);
	return 0;
}

static const struct smtp_reply *
handover_mail(struct receiver *r, const struct smtp_mail *mail)
{
	static const struct smtp_reply good = {250, "2.1.0", "OK"};
	static const struct smtp_reply sign_in = {
	    530, "5.7.0", "Authentication required"};
	static const struct smtp_reply not_yours = {
	    553, "5.7.1", "Not one of your addresses"};
	const struct remote *remote = &lmtp_session_of(r)->remote;
	struct buf sender = {0};
	struct fail f;
	bool yours;

	if (!remote->submission) {
		return &good;
	}
	if (remote->account == NULL) {
		return &sign_in;
	}
	/* Notices are sent from nobody. [RFC 3798 2.1] */
	if (!lmtpd.set->smtp_sender_check
	    || mail->path.kind == SMTP_PATH_NULL) {
		return &good;
	}
	smtp_path_write(&mail->path, &sender);
	int rc = may_send_as(
	    remote->account, buf_sv(&sender), &r->arena, &yours, &f);

	buf_deinit(&sender);
	if (rc != 0) {
		LOG(LOG_ERROR, "directory.failed",
		    kv_str("session", remote->id), kv_fail(&f));
		return smtp_reply_for(FAIL_TEMP);
	}
	return yours ? &good : &not_yours;
}

static const struct smtp_reply *
handover_rcpt(struct receiver *r, const struct smtp_rcpt *rcpt)
{
	struct lmtp_session *s = lmtp_session_of(r);

	return envelope_add(
	    &s->envelope, rcpt, r->mail.params.size, s->remote.id, &r->arena);
}

static void
handover_reset(struct receiver *r)
{
	lmtp_session_of(r)->envelope = (struct envelope){0};
}

/* ---- the message ---- */

/* A memfd that nobody, smtpd included, can change any more. */
static bool
is_sealed(int fd)
{
	const int want =
	    F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & want) == want;
}

static int
check_file(int fd, uint64_t size, struct fail *f)
{
	struct stat st;

	if (fd < 0) {
		return fail_set(f, FAIL_SYNTAX, "no descriptor came with it");
	}
	if (fstat(fd, &st) != 0) {
		return fail_sys(f, "look at the message");
	}
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != size) {
		return fail_set(f, FAIL_SYNTAX, "not a file of %llu octets",
		    (unsigned long long)size);
	}
	if (size > lmtpd.handover.size_max) {
		return fail_set(f, FAIL_LIMIT, "message is too large");
	}
	return 0;
}

/* A file that smtpd could still change is copied into one that it cannot. */
static int
copy_file(int from, uint64_t size, int *out, struct fail *f)
{
	off_t at = 0;
	int rc = 0;

	block_begin();
	*out =
	    open(lmtpd.set->lmtp_spool, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (*out < 0) {
		rc = fail_sys(f, "file in %s", lmtpd.set->lmtp_spool);
	}
	while (rc == 0 && (uint64_t)at < size) {
		ssize_t n = copy_file_range(
		    from, &at, *out, NULL, size - (uint64_t)at, 0);

		if (n < 0 && (errno == EXDEV || errno == EINVAL)) {
			n = sendfile(*out, from, &at, size - (uint64_t)at);
		}
		if (n < 0) {
			rc = fail_sys(f, "copy the message");
		} else if (n == 0) {
			rc = fail_set(f, FAIL_SYNTAX, "the file has shrunk");
		}
	}
	block_end();
	return rc;
}

static void
hand_on(struct lmtp_session *s, int fd, uint64_t size, uint64_t prefix,
    bool sealed, struct fail *f)
{
	struct content content;

	if (content_map(fd, size, prefix, &content, f) != 0) {
		receiver_answer(&s->r, trouble_reply(f->kind));
		return;
	}
	if (sealed) {
		content.fd = -1; /* mapped memory is as good as any */
	}
	session_deliver(s, &content);
	content_unmap(&content);
}

static void
do_hand(struct lmtp_session *s, uint64_t size, uint64_t prefix, struct sv id)
{
	struct receiver *r = &s->r;
	int fd = c_take_fd(r->s.c);
	int copy = -1;
	bool sealed = fd >= 0 && is_sealed(fd);
	struct fail f;

	(void)snprintf(r->id, sizeof(r->id), "%.*s", SV_ARG(id));
	if (r->n_rcpts == 0) {
		receiver_reply(r, &smtp_bad_sequence);
	} else if (check_file(fd, size, &f) != 0
		   || (!sealed && copy_file(fd, size, &copy, &f) != 0)) {
		LOG(LOG_ERROR, "handover.refused", kv_str("id", r->id),
		    kv_fail(&f));
		receiver_answer(r, trouble_reply(f.kind));
	} else {
		hand_on(s, sealed ? fd : copy, size, prefix, sealed, &f);
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	if (copy >= 0) {
		(void)close(copy);
	}
	receiver_reset(r);
}

/* ---- the session ---- */

static const struct receiver_ops handover_ops = {
    .mail = handover_mail,
    .rcpt = handover_rcpt,
    .reset = handover_reset,
};

static const struct smtp_reply *
do_smtp(struct lmtp_session *s, const struct smtp_cmd *cmd)
{
	switch (cmd->verb) {
	case SMTP_MAIL:
	case SMTP_RCPT:
	case SMTP_RSET:
	case SMTP_NOOP:
	case SMTP_QUIT:
		receiver_do(&s->r, cmd);
		return NULL;
	case SMTP_EHLO:
	case SMTP_HELO:
	case SMTP_LHLO:
	case SMTP_DATA:
	case SMTP_BDAT:
	case SMTP_VRFY:
	case SMTP_EXPN:
	case SMTP_HELP:
	case SMTP_STARTTLS:
	case SMTP_AUTH:
	case SMTP_VERBS:
		break;
	}
	return &smtp_bad_sequence;
}

static const struct smtp_reply *
do_command(struct lmtp_session *s, const struct handover_cmd *cmd)
{
	switch (cmd->verb) {
	case HANDOVER_SMTP:
		return do_smtp(s, &cmd->smtp);
	case HANDOVER_SESSION:
		do_session(s, &cmd->session);
		return NULL;
	case HANDOVER_AUTH:
		return do_auth(s, &cmd->auth);
	case HANDOVER_HAND:
		do_hand(s, cmd->hand.size, cmd->hand.prefix, cmd->hand.id);
		return NULL;
	case HANDOVER_DONE:
		session_settle(s, cmd->kept);
		return NULL;
	}
	return &smtp_bad_sequence;
}

static enum verdict
read_command(struct lmtp_session *s)
{
	struct arena scratch = {0};
	struct handover_cmd cmd;
	struct sv line;
	int err = c_line(s->r.s.c, HANDOVER_LINE_MAX - 2, LINE_CRLF, &line);
	const struct smtp_reply *bad;

	if (err != 0) {
		return V_CLOSE;
	}
	/* What the line says must outlast other lines, as in XAUTH. */
	line = arena_sv(&scratch, line);
	bad = handover_parse(line, &scratch, &cmd);
	if (bad == NULL) {
		bad = do_command(s, &cmd);
	}
	if (bad != NULL) {
		receiver_reply(&s->r, bad);
	}
	arena_deinit(&scratch);
	return s->r.closing ? V_CLOSE : V_PARK;
}

static enum verdict
handover_run(struct session *session, unsigned why)
{
	struct lmtp_session *s = (struct lmtp_session *)session;

	if ((why & WHY_START) != 0) {
		s->r.conf = &lmtpd.handover;
		s->r.ops = &handover_ops;
		s->r.ext = handover_grammar.ext;
		s->r.helo = xstrdup("smtpd");
		c_accept_fds(session->c);
	}
	if ((why & (WHY_TIMEOUT | WHY_SHUTDOWN)) != 0) {
		return V_CLOSE;
	}
	return (why & WHY_INPUT) != 0 ? read_command(s) : V_PARK;
}

static void
handover_close(struct session *session)
{
	struct lmtp_session *s = (struct lmtp_session *)session;

	session_settle(s, false);
	forget_remote(s);
	receiver_deinit(&s->r);
}

struct protocol handover_protocol = {
    .name = "handover",
    .session_size = sizeof(struct lmtp_session),
    .run = handover_run,
    .close = handover_close,
};
