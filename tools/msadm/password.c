#include "msadm/password.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "auth/verifier.h"
#include "base/mem.h"

/* Octet by octet: what follows the line is left to whoever reads on. */
static int
read_line(struct buf *out, struct fail *f)
{
	char c = '\0';
	ssize_t n;

	buf_clear(out);
	while ((n = read(STDIN_FILENO, &c, 1)) == 1 && c != '\n') {
		if (out->len > VERIFIER_TEXT_MAX) {
			return fail_set(f, FAIL_LIMIT, "line over %d octets",
			    VERIFIER_TEXT_MAX);
		}
		buf_add_char(out, c);
	}
	if (n < 0) {
		return fail_sys(f, "standard input");
	}
	if (out->len != 0 && out->data[out->len - 1] == '\r') {
		out->len--;
	}
	if (out->len == 0) {
		return fail_set(
		    f, FAIL_SYNTAX, "no password on standard input");
	}
	return 0;
}

/* Who gives up at the prompt gets a terminal that shows what is typed. */
static struct termios before;

static void
give_up(int sig)
{
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	(void)raise(sig); /* SA_RESETHAND: as if it had not been caught */
}

static int
hide_input(struct fail *f)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
	struct sigaction sa = {
	    .sa_handler = give_up,
	    .sa_flags = (int)SA_RESETHAND,
	};
	struct termios quiet;

	if (tcgetattr(STDIN_FILENO, &before) != 0) {
		return fail_sys(f, "terminal");
	}
	for (size_t i = 0; i < COUNT_OF(signals); i++) {
		(void)sigaction(signals[i], &sa, NULL);
	}
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) != 0) {
		return fail_sys(f, "terminal");
	}
	return 0;
}

static int
ask(const char *prompt, const char *what, struct buf *out, struct fail *f)
{
	int rc;

	(void)fprintf(stderr, "%s%s: ", prompt, what);
	rc = read_line(out, f);
	(void)fputc('\n', stderr);
	return rc;
}

static int
ask_twice(const char *what, struct buf *out, struct fail *f)
{
	struct buf again = {.data = NULL};
	int rc;

	if (hide_input(f) != 0) {
		return -1;
	}
	rc = ask("New ", what, out, f);
	if (rc == 0) {
		rc = ask("Again the new ", what, &again, f);
	}
	if (rc == 0 && !sv_eq(buf_sv(out), buf_sv(&again))) {
		rc = fail_set(f, FAIL_SYNTAX, "the two differ");
	}
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	buf_wipe(&again);
	return rc;
}

int
password_read(const char *what, struct buf *out, struct fail *f)
{
	return isatty(STDIN_FILENO) ? ask_twice(what, out, f)
				    : read_line(out, f);
}
