#include "net/keeper.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scratch.h"

enum { NOBODY = 65534 };

struct place {
	char root[SCRATCH_SIZE]; /* root's alone */
	char *keys, *key;	 /* allowed, and a file below */
	char *beside;		 /* begins as an allowed path does */
	char *open_folder;	 /* below it; anybody may make files there */
};

static void
make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(close(fd), 0);
}

static int
set_up(void **state)
{
	static struct place p;

	if (geteuid() != 0) {
		return 0;
	}
	scratch_make(p.root);
	p.keys = xasprintf("%s/keys", p.root);
	p.key = xasprintf("%s/key", p.keys);
	p.beside = xasprintf("%s/keys.old", p.root);
	p.open_folder = xasprintf("%s/open", p.keys);
	assert_int_equal(mkdir(p.keys, 0700), 0);
	assert_int_equal(mkdir(p.open_folder, 0700), 0);
	assert_int_equal(chmod(p.open_folder, 0777), 0);
	make_file(p.key);
	make_file(p.beside);
	*state = &p;
	return 0;
}

static int
tear_down(void **state)
{
	struct place *p = *state;

	if (p != NULL) {
		scratch_remove(p->root);
		free(p->keys);
		free(p->key);
		free(p->beside);
		free(p->open_folder);
	}
	return 0;
}

/* What a program that became another user gets of `path`: 0 or errno. */
static int
ask(const struct place *p, const char *path, int flags)
{
	const struct keeper_conf conf = {.allowed = {p->keys}};
	struct fail f;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (keeper_start(&conf, &f) != 0 || setgroups(0, NULL) != 0
		    || setgid(NOBODY) != 0 || setuid(NOBODY) != 0) {
			_exit(255);
		}
		int fd = keeper_open(path, flags);

		_exit(fd >= 0 ? 0 : errno);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int
ask_below(const struct place *p, const char *name, int flags)
{
	char *path = xasprintf("%s/%s", p->keys, name);
	int rc = ask(p, path, flags);

	free(path);
	return rc;
}

static const struct place *
place_of(void **state)
{
	if (*state == NULL) {
		skip(); /* there are no rights to keep */
	}
	return *state;
}

static void
what_is_allowed_is_opened(void **state)
{
	const struct place *p = place_of(state);

	assert_int_equal(ask(p, p->key, 0), 0);
	assert_int_equal(ask(p, p->keys, O_DIRECTORY), 0);
	assert_int_equal(ask_below(p, "none", 0), ENOENT);
}

static void
nothing_else_is_opened(void **state)
{
	const struct place *p = place_of(state);

	assert_int_equal(ask(p, p->beside, 0), EACCES);
	assert_int_equal(ask(p, p->root, O_DIRECTORY), EACCES);
	assert_int_equal(ask_below(p, "../keys.old", 0), EACCES);
	assert_int_equal(ask_below(p, "..", O_DIRECTORY), EACCES);
	assert_int_equal(ask_below(p, "open/../..", O_DIRECTORY), EACCES);
}

/* A link of somebody else's would lead wherever he likes. */
static void
what_others_could_have_made_is_not_opened(void **state)
{
	const struct place *p = place_of(state);
	char *link = xasprintf("%s/link", p->open_folder);

	assert_int_equal(symlink(p->key, link), 0);
	assert_int_equal(ask(p, link, 0), EACCES);
	free(link);
	link = xasprintf("%s/link", p->keys);
	assert_int_equal(symlink(p->key, link), 0);
	assert_int_equal(ask(p, link, 0), 0);
	assert_int_equal(lchown(link, NOBODY, NOBODY), 0);
	assert_int_equal(ask(p, link, 0), EACCES);
	free(link);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		what_is_allowed_is_opened, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		nothing_else_is_opened, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		what_others_could_have_made_is_not_opened, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
