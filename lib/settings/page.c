/*
 * page: writes postroom.conf(5) from the table of settings, at build time, so
 * that the manual page and the parser cannot differ.
 */
#include <stdio.h>

#include "base/sv.h"
#include "settings/settings.h"

static const char head[] =
    ".Dd November 22, 2026\n"
    ".Dt POSTROOM.CONF 5\n"
    ".Os Postroom\n"
    ".Sh NAME\n"
    ".Nm postroom.conf\n"
    ".Nd configuration of the Postroom mail server\n"
    ".Sh DESCRIPTION\n"
    "All programs of a server read\n"
    ".Pa DIR/postroom.conf ,\n"
    "where\n"
    ".Pa DIR\n"
    "is given to them with\n"
    ".Fl -home .\n"
    "A setting that is not there has its default.\n"
    "On the command line\n"
    ".Fl -set Ar section.key Ns = Ns Ar value\n"
    "overrides the file.\n"
    "The programs read it when they start.\n"
    ".Pp\n"
    "The file has sections in braces; a comment runs from # to the end of\n"
    "its line:\n"
    ".Bd -literal -offset indent\n"
    "limits {\n"
    "    message = 25M      # no film in the mail\n"
    "    idle = 30m\n"
    "}\n"
    ".Ed\n"
    ".Pp\n"
    "Values with blanks or special characters stand in double quotes.\n"
    "Sizes take K, M, G and T (powers of 1024), durations ms, s, m, h and\n"
    "d; switches are yes or no.\n"
    "Paths are taken below the home directory unless absolute.\n"
    "A mistake is reported with its file, line and what was expected, and\n"
    "the program does not start.\n"
    ".Sh SETTINGS\n";

static const char tail[] =
    ".Sh FILES\n"
    ".Bl -tag -width Ds\n"
    ".It Pa DIR/postroom.conf\n"
    "At first all comments, with the defaults of the version that made it.\n"
    ".El\n"
    ".Sh EXAMPLES\n"
    "Everything as the programs see it:\n"
    ".Dl $ postroom --home DIR --show-config\n"
    ".Sh SEE ALSO\n"
    ".Xr msadm 8 ,\n"
    ".Xr postroom 8\n"
    ".Sh SECURITY\n"
    "The file holds no secrets and may be read by all.\n";

enum { TEXT_WIDTH = 72 };

/* Filled lines, as mdoc likes them; a backslash would begin an escape. */
static void
put_text(const char *s)
{
	for (unsigned column = 0; *s != '\0'; s++, column++) {
		if (*s == '\\') {
			(void)fputs("\\e", stdout);
		} else if (*s == ' ' && column >= TEXT_WIDTH) {
			(void)putchar('\n');
			column = 0;
		} else {
			(void)putchar(*s);
		}
	}
}

static void
put_range(const struct conf_item *item)
{
	if (item->type == CONF_STRING || item->type == CONF_BOOL
	    || item->type == CONF_CHOICE) {
		return;
	}
	(void)fputs("It may be\n", stdout);
	conf_show_number(item, item->min, stdout);
	(void)fputs(" to ", stdout);
	conf_show_number(item, item->max, stdout);
	(void)fputs(".\n", stdout);
}

static void
put_item(const struct conf_item *item)
{
	(void)printf(".It Va %s\n", item->name);
	put_text(item->text);
	(void)fputs(".\nDefault:\n.Ql \"", stdout);
	put_text(item->fallback);
	(void)fputs("\" .\n", stdout);
	put_range(item);
}

int
main(void)
{
	size_t n;
	const struct conf_item *items = settings_items(&n);
	struct sv section = SV_EMPTY;

	(void)fputs(head, stdout);
	for (size_t i = 0; i < n; i++) {
		struct sv rest = sv_cstr(items[i].name);
		struct sv own = sv_cut(&rest, '.');

		if (!sv_eq(own, section)) {
			(void)printf("%s.Ss %.*s\n.Bl -tag -width Ds\n",
			    i != 0 ? ".El\n" : "", SV_ARG(own));
			section = own;
		}
		put_item(&items[i]);
	}
	(void)fputs(".El\n", stdout);
	(void)fputs(tail, stdout);
	return fflush(stdout) == 0 ? 0 : 1;
}
