/*
 * handover_message: the message that smtpd passes on, as a descriptor.
 *
 * Threads: session-owned.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/block.h"
#include "base/log.h"
#include "lmtpd/handover.h"
#include "net/conn.h"

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

void
handover_message(
    struct lmtp_session *s, uint64_t size, uint64_t prefix, struct sv id)
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
