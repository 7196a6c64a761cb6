#include "access/backends.h"

#include "auth/auth.h"
#include "directory/directory.h"
#include "store/store.h"

int
backends_open(const struct settings *set, struct backends *out, struct fail *f)
{
	*out = (struct backends){.store = NULL};
	if (directory_open_settings(set, true, &out->directory, f) != 0
	    || auth_open_settings(set, out->directory, &out->auth, f) != 0
	    || store_open_settings(set, STORE_SERVER, &out->store, f) != 0) {
		backends_close(out);
		return -1;
	}
	return 0;
}

void
backends_close(struct backends *b)
{
	auth_close(&b->auth);
	directory_close(&b->directory);
	store_close(&b->store);
}

int
backends_account(const struct backends *b, const char *id, struct account **out,
    struct fail *f)
{
	if (account_open(b->store, id, out, f) == 0) {
		return 0;
	}
	if (f->kind != FAIL_ABSENT || account_create(b->store, id, f) != 0) {
		return -1;
	}
	return account_open(b->store, id, out, f);
}
