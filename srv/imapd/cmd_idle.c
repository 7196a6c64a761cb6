/* IDLE.  [RFC 2177] */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "imapd/command.h"
#include "imapd/idle.h"
#include "imapd/imapd.h"
#include "imapd/tell.h"

/*
 * Of several sessions that see the same new message one will claim it as
 * \Recent: each waits a random time first, so that mostly one record is
 * written.  The message is told at once.  [docs/store.md]
 */
enum { CLAIM_WAIT_MS = 200, DONE_MAX = 1024 };

static void
wake(void *arg)
{
	struct imap *im = arg;

	park_wake(park_ref_of(&im->s));
}

static void
tell(struct imap *im, unsigned how)
{
	struct fail f;

	if (im->state != STATE_SELECTED) {
		(void)session_usable(im);
		return;
	}
	if (tell_changes(im, how, NULL, &f) != 0) {
		LOG(LOG_ERROR, "refresh.failed", kv_hex("session", im->s.id),
		    kv_fail(&f));
	} else if (im->parting == NULL && tell_unclaimed(im, im->box.mbox)) {
		park_timer(
		    &im->s, clock_mono_ms() + 1
				+ (int64_t)(random_u64() % CLAIM_WAIT_MS));
	}
}

static void
show_state(struct imap *im, bool idle)
{
	struct buf text = {0};

	if (im->state == STATE_SELECTED) {
		buf_add_sv(&text, im->box.mbox->name);
	}
	if (idle) {
		buf_add_str(&text, text.len != 0 ? " idle" : "idle");
	}
	session_state(&im->s, buf_sv(&text));
	buf_deinit(&text);
}

void
run_idle(struct command *cmd)
{
	struct imap *im = cmd->im;

	im->idle_tag = xmalloc(cmd->c.tag.len + 1);
	memcpy(im->idle_tag, cmd->c.tag.p, cmd->c.tag.len);
	/* Watched before the last look, so that no change falls between. */
	if (im->state == STATE_SELECTED) {
		im->watch = account_watch(im->account, wake, im);
	}
	(void)c_write(im->s.c, SV("+ idling\r\n"));
	tell(im, TELL_EXPUNGE);
	show_state(im, true);
}

static void
end(struct imap *im, bool done)
{
	tell(im, TELL_EXPUNGE | TELL_CLAIM);
	park_timer(&im->s, 0);
	account_unwatch(&im->watch);
	if (!im->closing) {
		(void)c_writef(im->s.c, "%s %s\r\n", im->idle_tag,
		    done ? "OK Idle completed" : "BAD Expected DONE");
	}
	session_part(im);
	free(im->idle_tag);
	im->idle_tag = NULL;
	show_state(im, false);
}

enum verdict
idle_run(struct imap *im, unsigned why)
{
	struct sv line;
	int rc;

	if ((why & WHY_TIMER) != 0) {
		tell(im, TELL_EXPUNGE | TELL_CLAIM);
	} else if ((why & WHY_WAKE) != 0) {
		tell(im, TELL_EXPUNGE);
	}
	if ((why & WHY_INPUT) == 0) {
		session_part(im);
	}
	if ((why & WHY_INPUT) != 0 && !im->closing) {
		rc = c_line(im->s.c, DONE_MAX, LINE_CRLF_OR_LF, &line);
		if (rc != 0 && rc != -EMSGSIZE) {
			im->closing = true;
		} else {
			end(im, rc == 0 && sv_eq_nocase(line, SV("DONE")));
		}
	}
	return im->closing ? V_CLOSE : V_PARK;
}
