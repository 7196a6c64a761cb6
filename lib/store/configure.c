/* The store as a program opens it. */
#include <stdio.h>
#include <unistd.h>

#include "settings/settings.h"
#include "store/store.h"

int
store_open_settings(const struct settings *set, enum store_role role,
    struct store **out, struct fail *f)
{
	struct store_conf conf;
	char hints[4096];

	store_conf_defaults(&conf);
	(void)snprintf(hints, sizeof(hints), "%s/hint", set->tables);
	if (role == STORE_SERVER || access(hints, W_OK | X_OK) == 0) {
		conf.hint_dir = hints;
	}
	conf.retention_ms = (uint64_t)set->store_retention;
	conf.segment_max = (uint64_t)set->store_segment;
	conf.checkpoint_tail = (uint64_t)set->store_checkpoint;
	conf.cache_max = (uint64_t)set->store_cache;
	conf.accounts_max = (unsigned)set->store_accounts;
	conf.flushers_max = (unsigned)set->store_flushers;
	conf.mailboxes_max = (unsigned)set->store_mailboxes;
	conf.maintenance = role == STORE_SERVER && set->store_maintenance;
	return store_open_path(&conf, set->store_path, out, f);
}
