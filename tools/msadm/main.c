/*
 * msadm: accounts, domains, aliases and upkeep of a Postroom server.
 *
 *	msadm --home DIR COMMAND [ARGUMENT...] [OPTION...]
 *
 * `commands` below is the list.  Everything works while the servers run; they
 * see each change at once.  msadm(8) says what each command does.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "msadm/msadm.h"
#include "net/confine.h"
#include "net/user.h"
#include "settings/options.h"

enum { PAGE = 500 }; /* accounts of one look into the directory */

struct command {
	const char *words; /* one or two */
	int min, max;	   /* arguments; max -1: any number */
	unsigned options;
	const char *usage; /* of arguments and options */
	int (*run)(struct msadm *m, struct fail *f);
};

static const struct command commands[] = {
    {"account add", 1, 1,
	OPT_NAME | OPT_QUOTA | OPT_QUOTA_MESSAGES | OPT_CRYPT | OPT_JSON,
	"ADDRESS [--name NAME] [--quota SIZE] [--quota-messages N] [--crypt]",
	account_add},
    {"account list", 0, 1, OPT_JSON, "[DOMAIN]", account_list},
    {"account show", 1, 1, OPT_JSON, "ADDRESS", account_show},
    {"account passwd", 1, 1, OPT_CRYPT, "ADDRESS [--crypt]", account_passwd},
    {"account rename", 2, 2, OPT_KEEP_OLD, "ADDRESS NEW [--keep-old]",
	account_rename},
    {"account set", 1, 1, OPT_NAME | OPT_QUOTA | OPT_QUOTA_MESSAGES | OPT_SOME,
	"ADDRESS [--name NAME] [--quota SIZE] [--quota-messages N]",
	account_set},
    {"account enable", 1, 1, 0, "ADDRESS", account_enable},
    {"account disable", 1, 1, 0, "ADDRESS", account_disable},
    {"account remove", 1, 1, OPT_PURGE, "ADDRESS [--purge]", account_remove},
    {"account check", 1, 1, OPT_ALL | OPT_OCTETS | OPT_REPAIR | OPT_JSON,
	"ADDRESS|--all [--octets] [--repair]", account_check_one},
    {"mailbox list", 1, 1, OPT_JSON, "ADDRESS", mailbox_list},
    {"undelete", 1, 1, OPT_MAILBOX | OPT_SINCE | OPT_JSON,
	"ADDRESS [--mailbox NAME] [--since TIME]", undelete},
    {"store list", 0, 0, OPT_JSON, "", store_accounts},
    {"store check", 0, 0, OPT_OCTETS | OPT_REPAIR | OPT_JSON,
	"[--octets] [--repair]", store_check},
    {"store purge", 1, 1, 0, "ID", store_purge},
    {"store resume", 0, 0, 0, "", store_resume},
    {"domain add", 1, 1, 0, "DOMAIN", domain_add},
    {"domain list", 0, 0, OPT_JSON, "", domain_list},
    {"domain remove", 1, 1, 0, "DOMAIN", domain_remove},
    {"alias add", 2, -1, 0, "ADDRESS TARGET...", alias_add},
    {"alias list", 0, 1, OPT_JSON, "[DOMAIN]", alias_list},
    {"alias remove", 1, -1, 0, "ADDRESS [TARGET...]", alias_remove},
    {"resolve", 1, 1, OPT_JSON, "ADDRESS", resolve},
    {"directory backup", 1, 1, 0, "FILE", backup},
};

/* ---- what commands share ---- */

int
msadm_address(const char *arg, struct mailaddr *out, struct fail *f)
{
	if (mailaddr_parse(sv_cstr(arg), out, f) != 0) {
		return fail_wrap(f, "%s", arg);
	}
	return 0;
}

/* Made by root, the folder belongs to the user that the servers become. */
static int
make_folder(
    const char *path, const struct user *user, mode_t mode, struct fail *f)
{
	if (mkdir(path, mode) != 0) {
		return errno == EEXIST ? 0 : fail_sys(f, "make %s", path);
	}
	if (user != NULL && chown(path, user->uid, user->gid) != 0) {
		return fail_sys(f, "chown %s", path);
	}
	return 0;
}

static int
make_folders(struct msadm *m, struct fail *f)
{
	struct user found;
	const struct user *user =
	    user_find(&m->set, false, &found) ? &found : NULL;

	if (make_folder(m->set.home, NULL, 0755, f) != 0
	    || make_folder(m->set.directory_path, user, 0700, f) != 0) {
		return -1;
	}
	return make_folder(m->set.store_path, user, 0700, f);
}

/* What is made from here on belongs to the servers' user. */
static int
become_user(const struct msadm *m, struct fail *f)
{
	struct user user;

	return user_find(&m->set, false, &user) ? confine_user(&user, f) : 0;
}

int
msadm_directory(struct msadm *m, bool create, struct fail *f)
{
	if (m->directory != NULL) {
		return 0;
	}
	if (create && make_folders(m, f) != 0) {
		return -1;
	}
	if (become_user(m, f) != 0) {
		return -1;
	}
	return directory_open_settings(&m->set, create, &m->directory, f);
}

int
msadm_store(struct msadm *m, struct fail *f)
{
	if (m->store != NULL) {
		return 0;
	}
	if (become_user(m, f) != 0) {
		return -1;
	}
	return store_open_settings(&m->set, STORE_TOOL, &m->store, f);
}

int
msadm_account(struct msadm *m, const char *arg, struct directory_account **out,
    struct fail *f)
{
	struct mailaddr address;
	int rc;

	if (msadm_directory(m, false, f) != 0) {
		return -1;
	}
	if (strlen(arg) == DIRECTORY_ID_LEN && strchr(arg, '@') == NULL) {
		rc =
		    directory_account_by_id(m->directory, sv_cstr(arg), out, f);
	} else {
		if (msadm_address(arg, &address, f) != 0) {
			return -1;
		}
		rc = directory_account_by_address(
		    m->directory, &address, out, f);
	}
	return rc == 0 ? 0 : fail_wrap(f, "%s", arg);
}

static int
each_of_page(struct directory_account **page, size_t n,
    int (*each)(void *arg, const struct directory_account *a, struct fail *f),
    void *arg, struct fail *f)
{
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		if (rc == 0) {
			rc = each(arg, page[i], f);
		}
		directory_account_unref(&page[i]);
	}
	return rc;
}

int
msadm_each_account(struct msadm *m, const char *domain,
    int (*each)(void *arg, const struct directory_account *a, struct fail *f),
    void *arg, struct fail *f)
{
	struct directory_account **page;
	struct mailaddr last;
	size_t n = PAGE;
	int rc = msadm_directory(m, false, f);

	memset(&last, 0, sizeof(last));
	while (rc == 0 && n == PAGE) {
		struct arena arena = {.head = NULL};

		rc = directory_account_list(m->directory, domain,
		    last.text[0] != '\0' ? &last : NULL, PAGE, &arena, &page,
		    &n, f);
		if (rc == 0 && n != 0) {
			last = page[n - 1]->address;
			rc = each_of_page(page, n, each, arg, f);
		}
		arena_deinit(&arena);
	}
	return rc;
}

/* ---- the command line ---- */

static void
print_usage(FILE *to)
{
	(void)fputs("usage: msadm --home DIR [--port-offset N] "
		    "[--set KEY=VALUE]... COMMAND\n\n",
	    to);
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		const struct command *c = &commands[i];

		(void)fprintf(to, "    %s%s%s%s\n", c->words,
		    c->usage[0] != '\0' ? " " : "", c->usage,
		    (c->options & OPT_JSON) != 0 ? " [--json]" : "");
	}
}

static const struct option long_options[] = {
    {"json", no_argument, NULL, OPT_JSON},
    {"name", required_argument, NULL, OPT_NAME},
    {"quota", required_argument, NULL, OPT_QUOTA},
    {"quota-messages", required_argument, NULL, OPT_QUOTA_MESSAGES},
    {"crypt", no_argument, NULL, OPT_CRYPT},
    {"keep-old", no_argument, NULL, OPT_KEEP_OLD},
    {"purge", no_argument, NULL, OPT_PURGE},
    {"mailbox", required_argument, NULL, OPT_MAILBOX},
    {"since", required_argument, NULL, OPT_SINCE},
    {"all", no_argument, NULL, OPT_ALL},
    {"octets", no_argument, NULL, OPT_OCTETS},
    {"repair", no_argument, NULL, OPT_REPAIR},
    {NULL, 0, NULL, 0},
};

/* "2d" ago, or a local date with or without a time. */
static bool
parse_since(const char *text, int64_t *ms_out)
{
	static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%d %H:%M",
	    "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"};
	uint64_t ago;

	if (conf_parse_duration(text, &ago) && ago <= INT64_MAX) {
		*ms_out = clock_wall_ms() - (int64_t)ago;
		return *ms_out > 0;
	}
	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		struct tm tm = {.tm_isdst = -1};
		const char *end = strptime(text, forms[i], &tm);

		if (end != NULL && *end == '\0') {
			int day = tm.tm_mday;

			*ms_out = (int64_t)mktime(&tm) * 1000;
			/* The 31st of February is no day. */
			return *ms_out > 0 && tm.tm_mday == day;
		}
	}
	return false;
}

static int
take_option(struct msadm *m, int opt, const char *value, struct fail *f)
{
	switch (opt) {
	case OPT_NAME:
		m->name = value;
		break;
	case OPT_QUOTA:
		if (!conf_parse_size(value, &m->quota)) {
			return fail_set(f, FAIL_SYNTAX,
			    "--quota %s: a size as in 500M expected", value);
		}
		break;
	case OPT_QUOTA_MESSAGES:
		if (!sv_u64(sv_cstr(value), &m->quota_messages)) {
			return fail_set(f, FAIL_SYNTAX,
			    "--quota-messages %s: a number expected", value);
		}
		break;
	case OPT_MAILBOX:
		m->mailbox = value;
		break;
	case OPT_SINCE:
		if (!parse_since(value, &m->since_ms)) {
			return fail_set(f, FAIL_SYNTAX,
			    "--since %s: a date as in 2026-01-31, with a time "
			    "behind it or not, or a duration as in 2d expected",
			    value);
		}
		break;
	default: /* a flag */
		break;
	}
	m->given |= (unsigned)opt;
	return 0;
}

/* Options to `m`, words and arguments to argv[optind..argc). */
static int
take_options(struct msadm *m, int argc, char **argv, struct fail *f)
{
	int opt;

	opterr = 0;
	// NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
	while ((opt = getopt_long(argc, argv, ":", long_options, NULL)) != -1) {
		if (opt == ':') {
			return fail_set(f, FAIL_SYNTAX, "%s needs a value",
			    argv[optind - 1]);
		}
		if (opt == '?') {
			return fail_set(f, FAIL_SYNTAX,
			    "%s: no such option, or it takes no value",
			    argv[optind - 1]);
		}
		if (take_option(m, opt, optarg, f) != 0) {
			return -1;
		}
	}
	return 0;
}

/* How many of the words at `argv` are those of `c`; 0 if they are not. */
static int
match_words(const struct command *c, int argc, char **argv)
{
	struct sv words = sv_cstr(c->words);
	int n = 0;

	while (words.len != 0) {
		struct sv word = sv_cut(&words, ' ');

		if (n >= argc || !sv_eq(word, sv_cstr(argv[n]))) {
			return 0;
		}
		n++;
	}
	return n;
}

static bool
takes_arguments(const struct msadm *m, const struct command *c)
{
	if ((m->given & c->options & OPT_ALL) != 0) {
		return m->n_args == 0;
	}
	if ((c->options & OPT_SOME) != 0 && m->given == 0) {
		return false;
	}
	return m->n_args >= c->min && (c->max < 0 || m->n_args <= c->max);
}

static const char *
option_name(unsigned any_of)
{
	const struct option *o = long_options;

	while (((unsigned)o->val & any_of) == 0) {
		o++;
		ASSERT(o->name != NULL);
	}
	return o->name;
}

static const struct command *
find_command(struct msadm *m, int argc, char **argv, struct fail *f)
{
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		const struct command *c = &commands[i];
		int n = match_words(c, argc, argv);

		if (n == 0) {
			continue;
		}
		m->args = argv + n;
		m->n_args = argc - n;
		if (!takes_arguments(m, c)) {
			(void)fail_set(f, FAIL_SYNTAX, "usage: msadm %s %s",
			    c->words, c->usage);
			return NULL;
		}
		if ((m->given & ~c->options) != 0) {
			(void)fail_set(f, FAIL_SYNTAX, "%s takes no --%s",
			    c->words, option_name(m->given & ~c->options));
			return NULL;
		}
		return c;
	}
	(void)fail_set(
	    f, FAIL_SYNTAX, "no such command: msadm --help lists them");
	return NULL;
}

static int
exit_status(const struct fail *f)
{
	switch (f->kind) {
	case FAIL_TEMP:
	case FAIL_CANCELLED:
	case FAIL_UNKNOWN:
		return EX_TEMPFAIL;
	case FAIL_ABSENT:
		return EX_NOUSER;
	case FAIL_EXISTS:
		return EX_CANTCREAT;
	case FAIL_DENIED:
		return EX_NOPERM;
	case FAIL_SYNTAX:
	case FAIL_LIMIT:
		return EX_DATAERR;
	case FAIL_CORRUPT:
		return EX_IOERR;
	case FAIL_NONE:
	case FAIL_PERM:
		return EX_UNAVAILABLE;
	}
	return EX_SOFTWARE;
}

/* Output that could not be written is a failure too. */
static int
finish(int rc, const struct fail *f)
{
	if (rc < 0) {
		(void)fprintf(stderr, "msadm: %s\n", f->text);
		return exit_status(f);
	}
	if (fflush(stdout) != 0 || ferror(stdout) != 0) {
		(void)fputs(
		    "msadm: standard output cannot be written\n", stderr);
		return EX_IOERR;
	}
	return rc;
}

static int
run(struct msadm *m, int argc, char **argv)
{
	const struct command *c;
	struct fail f = {.kind = FAIL_NONE};
	int status;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			print_usage(stdout);
			return 0;
		}
	}
	status = options_settings(
	    &argc, argv, "msadm", "COMMAND", &m->set, &m->arena, &f);
	if (status != OPTIONS_GO_ON) {
		return finish(status == EX_OK ? 0 : -1, &f) == 0 ? 0 : status;
	}
	if (take_options(m, argc, argv, &f) != 0
	    || (c = find_command(m, argc - optind, argv + optind, &f))
		   == NULL) {
		(void)finish(-1, &f);
		return EX_USAGE;
	}
	return finish(c->run(m, &f), &f);
}

int
main(int argc, char **argv)
{
	struct msadm m = {.name = NULL};
	int status;

	log_init("msadm", LOG_WARN);
	status = run(&m, argc, argv);
	store_close(&m.store);
	directory_close(&m.directory);
	arena_deinit(&m.arena);
	return status;
}
