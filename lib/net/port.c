#include "net/port.h"

#include <string.h>

#include "base/mem.h"
#include "net/user.h"

struct port {
	const char *name;
	bool tls;
	size_t setting;	  /* offset of the port number in struct settings */
	const char *path; /* instead, below the home directory */
	unsigned mode;
};

static const struct port ports[] = {
    {"imap", false, offsetof(struct settings, listen_imap), NULL, 0},
    {"imaps", true, offsetof(struct settings, listen_imaps), NULL, 0},
    {"pop3", false, offsetof(struct settings, listen_pop3), NULL, 0},
    {"pop3s", true, offsetof(struct settings, listen_pop3s), NULL, 0},
    {"smtp", false, offsetof(struct settings, listen_smtp), NULL, 0},
    {"submission", false, offsetof(struct settings, listen_submission), NULL,
	0},
    {"submissions", true, offsetof(struct settings, listen_submissions), NULL,
	0},
    {"lmtp", false, offsetof(struct settings, listen_lmtp), NULL, 0},
    {"lmtp-local", false, 0, "run/lmtp", 0660},
    {"handover", false, 0, "run/handover", 0660},
};

/* The group that our users share: who is not root then opens the socket.  0
 * if there is no such user, or it is not ours to give. */
static gid_t
shared_group(const struct settings *set)
{
	struct user user;

	return user_find(set, false, &user) ? user.gid : 0;
}

bool
port_spec(const struct settings *set, const char *name, struct arena *arena,
    struct listen_spec *out)
{
	const struct port *p = ports;
	uint64_t number;

	while (strcmp(p->name, name) != 0) {
		p++;
		ASSERT(p < ports + COUNT_OF(ports));
	}
	*out = (struct listen_spec){
	    .name = p->name, .tls = p->tls, .mode = p->mode};
	if (p->path != NULL) {
		out->path = settings_path(set, p->path, arena);
		out->group = shared_group(set);
		return true;
	}
	memcpy(&number, (const char *)set + p->setting, sizeof(number));
	out->addresses = set->listen_addresses;
	out->port = settings_port(set, number);
	return out->port != 0;
}
