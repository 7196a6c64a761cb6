/*
 * port: our listening sockets by name, and what the settings say of each.
 *
 * The names are those in LISTEN_FDNAMES: imap imaps pop3 pop3s smtp submission
 * submissions lmtp, and two Unix-domain sockets: lmtp-local, LMTP for a mailer
 * on this machine, and handover, between smtpd and lmtpd.
 *
 * Threads: safe from any thread.
 */
#pragma once

#include "base/arena.h"
#include "net/listen.h"
#include "settings/settings.h"

/*
 * Fill in name, tls, addresses, port, path, mode and group.  Strings live in `arena`
 * or with `set`.  True if the socket is wanted, false if the settings turn it
 * off (its port is 0).  The name must be one of those above.
 */
bool port_spec(const struct settings *set, const char *name,
    struct arena *arena, struct listen_spec *out);
