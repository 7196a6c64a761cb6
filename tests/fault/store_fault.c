/*
 * The fault sweep of the store: in each scene the 1st, 2nd, 3rd... call on the
 * file system fails, in each way that it can, until a run meets no fault; and
 * the process is killed before each of them.
 *
 * After each run: whatever failed said so, no handle and (under the address
 * sanitizer) no memory is left behind, a new process reads the account, and
 * what was acknowledged is there, even if the power fails behind it.
 */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "sweep.h"

static void
sweep_all(const struct kind *kind)
{
	static const struct scene *const scenes[] = {&scene_everyday,
	    &scene_recipients, &scene_shut, &scene_import, &scene_undelete,
	    &scene_across, &scene_rename, &scene_accounts, &scene_candidates,
	    &scene_packs};

	for (size_t i = 0; i < COUNT_OF(scenes); i++) {
		sweep_scene(scenes[i], kind);
	}
}

static void
eio(void **state)
{
	(void)state;
	sweep_all(&(struct kind){.name = "EIO", .answer = -EIO});
}

static void
enospc(void **state)
{
	(void)state;
	sweep_all(&(struct kind){.name = "ENOSPC", .answer = -ENOSPC});
}

static void
emfile(void **state)
{
	(void)state;
	sweep_all(&(struct kind){.name = "EMFILE", .answer = -EMFILE});
}

static void
short_writes(void **state)
{
	(void)state;
	sweep_all(&(struct kind){.name = "short write", .answer = SIM_SHORT});
}

static void
killed(void **state)
{
	(void)state;
	sweep_all(&(struct kind){.name = "killed", .kill = true});
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(eio),
	    cmocka_unit_test(enospc),
	    cmocka_unit_test(emfile),
	    cmocka_unit_test(short_writes),
	    cmocka_unit_test(killed),
	};

	log_init("store_fault", LOG_PANIC);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
