/*
 * Several processes at work on one account, and processes that are killed:
 * what was acknowledged is there, once, with its octets; all see the same.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "store_fixture.h"

enum {
	WRITERS = 4,
	EACH = 60,
	KILLS = 25,
};

/* Acknowledged messages by content, kept in memory shared by processes. */
struct ledger {
	_Atomic unsigned n;
	char line[32768][24]; /* empty: killed before it was written */
};

static struct ledger *
ledger_new(void)
{
	void *p = mmap(NULL, sizeof(struct ledger), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static void
ledger_add(struct ledger *l, const char *text)
{
	unsigned i = atomic_fetch_add(&l->n, 1);

	if (i < COUNT_OF(l->line)) {
		/* The first octet last: a writer killed here leaves no line,
		 * not half of one. */
		(void)snprintf(
		    l->line[i] + 1, sizeof(l->line[i]) - 1, "%s", text + 1);
		atomic_thread_fence(memory_order_release);
		l->line[i][0] = text[0];
	}
}

/* In a child: nothing of cmocka may run here. */
static void
require(bool ok, const char *what, const struct fail *f)
{
	if (!ok) {
		(void)fprintf(stderr, "%s: %s\n", what, f->text);
		_exit(1);
	}
}

/* Deliver cold, or append warm, by turns. */
static void
write_some(const struct fixture *x, struct ledger *l, unsigned who, unsigned n,
    bool warm)
{
	struct store *store = NULL;
	struct account *a = NULL;
	struct fail f = {0};

	require(
	    store_open_path(&x->conf, x->root, &store, &f) == 0, "open", &f);
	if (warm) {
		require(account_open(store, ALICE, &a, &f) == 0, "account", &f);
	}
	for (unsigned i = 0; i < n; i++) {
		char text[24];

		(void)snprintf(
		    text, sizeof(text), "%u.%u.%d", who, i, (int)getpid());
		struct msg_source source = source_of(text);

		if (warm) {
			struct msg_attrs attrs = {0};
			struct appended out;

			require(
			    account_append(a, 1, &source, &attrs, 1, &out, &f)
				== 0,
			    "append", &f);
			require(uidset_count(&out.uids) == 1, "uids", &f);
			uidset_deinit(&out.uids);
		} else {
			struct delivery d = {.account_id = ALICE};

			require(store_deliver(store, &source, &d, 1, &f) == 0,
			    "deliver", &f);
		}
		ledger_add(l, text);
	}
	account_close(&a);
	store_close(&store);
	_exit(0);
}

static pid_t
start_writer(
    const struct fixture *x, struct ledger *l, unsigned who, unsigned n)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		write_some(x, l, who, n, who % 2 == 1);
	}
	return pid;
}

static void
expect_exit(pid_t pid, bool killed)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(
	    (WIFEXITED(status) && WEXITSTATUS(status) == 0)
	    || (killed && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
}

struct found {
	char text[24];
	bool known;
};

static int
compare_texts(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void
read_text(struct account *a, const struct msg *m, char out[24])
{
	struct fail f = {0};
	int fd;

	OK(msg_open(a, m, &fd, &f));
	ssize_t n = read(fd, out, 23);

	assert_int_equal(n, m->size);
	out[n] = '\0';
	msg_close(a, &fd);
}

/* Every line of the ledger is in INBOX once, UIDs rise, and nothing is there
 * twice. */
static void
check_ledger(struct fixture *x, const struct ledger *l)
{
	fixture_reopen(x);
	struct account *a = fixture_account(x, ALICE);
	struct view *v = fixture_view(a);
	const struct mbox *m = view_mbox_at(v, 0);
	char(*texts)[24] = xcalloc(m->exists + 1, sizeof(*texts));

	for (uint32_t i = 0; i < m->exists; i++) {
		assert_true(
		    i == 0 || mbox_msg(m, i - 1)->uid < mbox_msg(m, i)->uid);
		read_text(a, mbox_msg(m, i), texts[i]);
	}
	qsort(texts, m->exists, sizeof(*texts), compare_texts);
	for (uint32_t i = 1; i < m->exists; i++) {
		assert_string_not_equal(texts[i - 1], texts[i]);
	}
	assert_true(l->n <= COUNT_OF(l->line));
	for (unsigned i = 0; i < l->n; i++) {
		if (l->line[i][0] != '\0'
		    && bsearch(l->line[i], texts, m->exists, sizeof(*texts),
			   compare_texts)
			   == NULL) {
			fail_msg(
			    "%s was acknowledged and is not there", l->line[i]);
		}
	}
	free(texts);
	view_unref(&v);
	account_close(&a);
}

static void
writers_of_all_kinds_share_an_account(void **state)
{
	struct fixture *x = *state;
	struct ledger *l = ledger_new();
	pid_t pid[WRITERS];

	x->conf.segment_max = 16 * 1024; /* many SEALs */
	store_close(&x->store);
	for (unsigned i = 0; i < WRITERS; i++) {
		pid[i] = start_writer(x, l, i, EACH);
	}
	for (unsigned i = 0; i < WRITERS; i++) {
		expect_exit(pid[i], false);
	}
	assert_int_equal(l->n, WRITERS * EACH);
	check_ledger(x, l);
	assert_int_equal(munmap(l, sizeof(*l)), 0);
}

static void
sleep_us(long us)
{
	struct timespec t = {0, us * 1000};

	(void)nanosleep(&t, NULL);
}

static void
kill_9_loses_nothing_that_was_acknowledged(void **state)
{
	struct fixture *x = *state;
	struct ledger *l = ledger_new();
	uint32_t seed = 42;

	x->conf.segment_max = 16 * 1024;
	store_close(&x->store);
	for (unsigned i = 0; i < KILLS; i++) {
		pid_t a = start_writer(x, l, i * 2, 1000);
		pid_t b = start_writer(x, l, i * 2 + 1, 20);

		seed = seed * 1664525u + 1013904223u;
		sleep_us(2000 + (long)(seed >> 16) % 20000);
		assert_int_equal(kill(a, SIGKILL), 0);
		expect_exit(a, true);
		expect_exit(b, false);
	}
	check_ledger(x, l);
	assert_int_equal(munmap(l, sizeof(*l)), 0);
}

#define T(name)                                                                \
	cmocka_unit_test_setup_teardown(name, fixture_begin, fixture_end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    T(writers_of_all_kinds_share_an_account),
	    T(kill_9_loses_nothing_that_was_acknowledged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
