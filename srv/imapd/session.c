#include "imapd/session.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "imapd/capability.h"
#include "imapd/command.h"
#include "imapd/idle.h"
#include "imapd/imapd.h"

void
session_bye(struct imap *im, const char *code, const char *text)
{
	if (!im->closing) {
		(void)c_writef(im->s.c, "* BYE %s%s%s%s\r\n",
		    code[0] != '\0' ? "[" : "", code,
		    code[0] != '\0' ? "] " : "", text);
	}
	im->closing = true;
}

int
session_view(struct imap *im, struct view **out, struct fail *f)
{
	return im->condstore ? account_refresh(im->account, out, f)
			     : account_peek(im->account, out, f);
}

void
session_part(struct imap *im)
{
	if (im->parting != NULL) {
		session_bye(im, "", im->parting);
	}
}

bool
session_usable(struct imap *im)
{
	struct fail f;

	if (im->account == NULL || account_usable(im->account, &f) == 0) {
		return true;
	}
	if (im->parting == NULL) {
		im->parting = f.kind == FAIL_PERM ? "The account was closed"
						  : "The account was restored";
	}
	return false;
}

void
session_unselect(struct imap *im)
{
	view_unref(&im->box.view);
	view_unref(&im->box.ahead);
	uidset_deinit(&im->box.recent);
	uidset_deinit(&im->box.saved);
	im->box = (struct selected){0};
	if (im->state == STATE_SELECTED) {
		im->state = STATE_USER;
	}
}

/* The greeting has the capabilities, which saves clients a round trip.
 * [RFC 3501 7.1, 7.2.1] */
static void
greet(struct imap *im)
{
	struct buf *out = c_out(im->s.c);

	im->state = STATE_ANONYMOUS;
	conn_set_deadline(
	    im->s.c, clock_mono_ms() + (int64_t)imapd.set->limits_login);
	buf_add_str(out, "* OK [");
	capability_put(out, im);
	buf_addf(out, "] %s Postroom is ready\r\n", imapd.set->server_hostname);
}

static enum verdict
session_run(struct session *s, unsigned why)
{
	struct imap *im = (struct imap *)s;

	if ((why & WHY_START) != 0) {
		greet(im);
	}
	if ((why & WHY_SHUTDOWN) != 0) {
		session_bye(im, "", "The server is shutting down");
		return V_CLOSE;
	}
	if ((why & WHY_TIMEOUT) != 0) {
		session_bye(im, "", "Autologout, idle for too long");
		return V_CLOSE;
	}
	if (im->idle_tag != NULL) {
		return idle_run(im, why);
	}
	return (why & WHY_INPUT) != 0 ? command_run(im) : V_PARK;
}

static void
session_close(struct session *s)
{
	struct imap *im = (struct imap *)s;

	account_unwatch(&im->watch);
	if (im->who != NULL) {
		LOG(LOG_INFO, "logout", kv_hex("session", s->id),
		    kv_sv("user", sv_cstr(im->who->address.text)),
		    kv_u64("in", conn_bytes_in(s->c)),
		    kv_u64("out", conn_bytes_out(s->c)));
	}
	session_unselect(im);
	account_close(&im->account);
	directory_account_unref(&im->who);
	free(im->idle_tag);
}

struct protocol imap_protocol = {
    .name = "imap",
    .session_size = sizeof(struct imap),
    .run = session_run,
    .close = session_close,
    .busy = {"* BYE [UNAVAILABLE] Too many connections, try again later\r\n",
	59},
};
