#include "imapd/capability.h"

#include "imapd/imapd.h"
#include "net/tls.h"

_Static_assert(
    sizeof(((struct capability_bindings *)0)->unique) >= TLS_BINDING_MAX,
    "room for any channel binding");

void
capability_peer(const struct imap *im, struct capability_bindings *bindings,
    struct auth_peer *out)
{
	static const uint8_t mapped[12] = {
	    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	const struct addr *a = &im->s.peer;
	const struct conn *c = im->s.c;

	*out = (struct auth_peer){
	    .service = SV("imap"),
	    .has_ip = a->family == AF_INET || a->family == AF_INET6,
	    .loopback = addr_is_loopback(a),
	    .tls = c_is_tls(c),
	};
	if (a->family == AF_INET) {
		(void)mempcpy(
		    mempcpy(out->ip, mapped, sizeof(mapped)), a->ip, 4);
	} else {
		memcpy(out->ip, a->ip, sizeof(out->ip));
	}
	if (out->tls) {
		out->tls_unique = sv_make(bindings->unique,
		    tls_channel_binding(c, TLS_UNIQUE, bindings->unique));
		out->tls_exporter = sv_make(bindings->exporter,
		    tls_channel_binding(c, TLS_EXPORTER, bindings->exporter));
	}
}

static void
put_anonymous(struct buf *to, const struct imap *im)
{
	const char *mechs[AUTH_MECHS];
	struct capability_bindings bindings;
	struct auth_peer peer;
	size_t n;

	capability_peer(im, &bindings, &peer);
	if (!c_is_tls(im->s.c) && tls_available()) {
		buf_add_str(to, " STARTTLS");
	}
	if (!auth_cleartext_ok(imapd.auth, &peer)) {
		buf_add_str(to, " LOGINDISABLED");
	}
	n = auth_mechs(imapd.auth, &peer, mechs);
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
	    " CREATE-SPECIAL-USE ESEARCH SEARCHRES CONDSTORE STATUS=SIZE"
	    " LIST-EXTENDED LIST-STATUS OBJECTID APPENDLIMIT=");
	buf_add_u64(to, imapd.set->limits_message);
}
