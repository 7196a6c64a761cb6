#include "net/user.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sv.h"

enum { PW_TEXT_MAX = 4096 };

/* "1000" or "1000:1000".  Root is nobody to become. */
static bool
by_number(struct sv text, struct user *out)
{
	struct sv uid = sv_cut(&text, ':');
	uint32_t numbers[2];

	if (!sv_u32(uid, &numbers[0])) {
		return false;
	}
	numbers[1] = numbers[0];
	if (text.len > 0 && !sv_u32(text, &numbers[1])) {
		return false;
	}
	*out = (struct user){.uid = numbers[0], .gid = numbers[1]};
	return out->uid != 0 && out->uid != (uid_t)-1;
}

static bool
by_name(const char *name, struct user *out)
{
	char text[PW_TEXT_MAX];
	struct passwd pw;
	struct passwd *found = NULL;

	if (name[0] == '\0' || strlen(name) >= USER_NAME_SIZE
	    || getpwnam_r(name, &pw, text, sizeof(text), &found) != 0
	    || found == NULL) {
		return false;
	}
	*out = (struct user){.uid = pw.pw_uid, .gid = pw.pw_gid};
	(void)snprintf(out->name, sizeof(out->name), "%s", name);
	return true;
}

static bool
by_setting(const char *text, struct user *out)
{
	return by_name(text, out) || by_number(sv_cstr(text), out);
}

static bool
by_owner(const char *path, struct user *out)
{
	struct stat st;

	if (stat(path, &st) != 0 || st.st_uid == 0) {
		return false;
	}
	*out = (struct user){.uid = st.st_uid, .gid = st.st_gid};
	return true;
}

bool
user_find(const struct settings *set, bool exposed, struct user *out)
{
	if (geteuid() != 0) {
		return false;
	}
	return (exposed && by_setting(set->process_smtp_user, out))
	       || by_setting(set->process_user, out)
	       || by_owner(set->store_path, out);
}
