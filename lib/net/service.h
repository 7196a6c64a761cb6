/*
 * service: what every server's main() does, in one place.
 *
 *	int
 *	main(int argc, char **argv)
 *	{
 *		return service_main(&imapd, argc, argv);
 *	}
 *
 * In order: options and settings; log; listening sockets (inherited, or
 * opened from the settings); rights dropped; start(); sessions; statistics;
 * READY=1 to NOTIFY_SOCKET.  SIGTERM and SIGINT stop in order, within
 * process.stop_time; SIGHUP reads the certificate again and calls reload().
 *
 * Rights: started as root the process becomes the user that net/user.h finds.
 * Always: no capabilities, no new privileges, no core files, and where the
 * kernel has Landlock no TCP beyond the listeners there are, and only the
 * certificates, DIR/run, store and directory (unless `exposed`), and what
 * `paths` names can be opened.
 *
 * Options are those of options_settings() in settings/options.h.
 *
 * Threads: the hooks run on the main thread, not on coroutines.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attr.h"
#include "base/fail.h"
#include "net/listen.h"
#include "net/session.h"
#include "net/stat.h"
#include "settings/settings.h"

struct service_listener {
	const char *name; /* imap imaps pop3 pop3s smtp submission submissions
			   * lmtp handover: says port, path and TLS */
	const struct protocol *proto;
};

/* What the file-system restriction leaves open. */
struct service_path {
	const char *path; /* absolute; one that does not exist is skipped */
	bool write;
};

enum { SERVICE_PATHS_MAX = 16 };

struct service {
	const char *name; /* "imapd" */
	const struct service_listener *listeners;
	size_t n_listeners;
	struct stat_counter *const *counters; /* for msstat; NULL-ended */
	bool needs_tls; /* the certificate is loaded before start() */
	/* Strangers talk to it: it becomes process.smtp_user instead of
	 * process.user, and reaches neither store.path nor directory.path. */
	bool exposed;

	/* Further paths than those, the certificate and DIR/run; returns their
	 * number.  Strings borrowed for the call.  May be NULL. */
	size_t (*paths)(const struct settings *set,
	    struct service_path out[SERVICE_PATHS_MAX]);
	/* Open store, directory and so on.  `set` lives as long as the
	 * process.  May fill in the `limits` of its protocols. */
	int (*start)(const struct settings *set, struct fail *f);
	void (*reload)(void); /* SIGHUP; may be NULL */
	void (*stop)(void);   /* when the last session has ended; may be NULL */
};

/* The exit status of the process. */
int service_main(const struct service *service, int argc, char **argv);

/* Tell NOTIFY_SOCKET, if there is one, "READY=1" and the like.  Failures are
 * logged. */
void service_notify(const char *state);
