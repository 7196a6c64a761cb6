#include "imapd/capability.h"

#include "access/peer.h"
#include "imapd/imapd.h"
#include "net/tls.h"

static void
put_anonymous(struct buf *to, const struct imap *im)
{
	const char *mechs[AUTH_MECHS];
	struct peer_binding binding;
	struct auth_peer peer = peer_of_session(&im->s, SV("imap"), &binding);
	size_t n;

	if (!c_is_tls(im->s.c) && tls_available()) {
		buf_add_str(to, " STARTTLS");
	}
	if (!auth_cleartext_ok(imapd.back.auth, &peer)) {
		buf_add_str(to, " LOGINDISABLED");
	}
	n = auth_mechs(imapd.back.auth, &peer, mechs);
	for (size_t i = 0; i < n; i++) {
		buf_add_str(to, " AUTH=");
		buf_add_str(to, mechs[i]);
	}
}

void
capability_put(struct buf *to, const struct imap *im)
{
	buf_add_str(to, "CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE");
	if (im->state == STATE_ANONYMOUS) {
		put_anonymous(to, im);
		return;
	}
	buf_add_str(to,
	    " NAMESPACE CHILDREN UNSELECT UIDPLUS MOVE SPECIAL-USE"
	    " CREATE-SPECIAL-USE ESEARCH SEARCHRES CONDSTORE QRESYNC"
	    " STATUS=SIZE LIST-EXTENDED LIST-STATUS OBJECTID APPENDLIMIT=");
	buf_add_u64(to, imapd.set->limits_message);
}
