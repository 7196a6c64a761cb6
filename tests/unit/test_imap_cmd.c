/* Commands as a whole: what they parse to, written back as text. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "proto/imap_cmd.h"
#include "proto/imap_out.h"
#include "unit.h"

#define DATE_TIME_BAD                                                          \
	"BAD expected a date-time such as \" 7-Feb-1994 21:52:25 -0800\""

static void
show_set(struct buf *b, const struct imap_set *s)
{
	if (s->saved) {
		buf_add_char(b, '$');
	}
	for (size_t i = 0; i < s->n; i++) {
		buf_addf(b, "%s%" PRIu32, i == 0 ? "" : ",", s->r[i].lo);
		if (s->r[i].hi != s->r[i].lo) {
			buf_addf(b, ":%" PRIu32, s->r[i].hi);
		}
	}
}

static void
show_flags(struct buf *b, const struct imap_flags *f)
{
	buf_add_str(b, " {");
	imap_put_system_flags(b, f->system);
	for (size_t i = 0; i < f->n_keywords; i++) {
		buf_addf(b, " %.*s", SV_ARG(f->keywords[i]));
	}
	buf_add_char(b, '}');
}

static void
show_search(struct buf *b, const struct imap_search *s)
{
	static const char *const names[] = {"all", "and", "or", "not", "seq",
	    "uid", "flag", "keyword", "before", "on", "since", "sentbefore",
	    "senton", "sentsince", "larger", "smaller", "header", "body",
	    "text", "modseq", "emailid", "threadid"};

	buf_addf(b, "(%s", names[s->kind]);
	switch (s->kind) {
	case SEARCH_ALL:
		break;
	case SEARCH_AND:
	case SEARCH_OR:
	case SEARCH_NOT:
		for (const struct imap_search *c = s->child; c != NULL;
		     c = c->next) {
			buf_add_char(b, ' ');
			show_search(b, c);
		}
		break;
	case SEARCH_SEQ:
	case SEARCH_UID:
		buf_add_char(b, ' ');
		show_set(b, &s->set);
		break;
	case SEARCH_FLAG:
		buf_add_char(b, ' ');
		imap_put_system_flags(b, s->flag);
		break;
	case SEARCH_BEFORE:
	case SEARCH_ON:
	case SEARCH_SINCE:
	case SEARCH_SENTBEFORE:
	case SEARCH_SENTON:
	case SEARCH_SENTSINCE:
		buf_addf(b, " %" PRId32, s->day);
		break;
	case SEARCH_LARGER:
	case SEARCH_SMALLER:
	case SEARCH_MODSEQ:
		buf_addf(b, " %" PRIu64, s->number);
		break;
	case SEARCH_HEADER:
		buf_addf(b, " %.*s", SV_ARG(s->field));
		buf_addf(b, " \"%.*s\"", SV_ARG(s->text));
		break;
	case SEARCH_KEYWORD:
	case SEARCH_BODY:
	case SEARCH_TEXT:
	case SEARCH_EMAILID:
	case SEARCH_THREADID:
		buf_addf(b, " \"%.*s\"", SV_ARG(s->text));
		break;
	}
	buf_add_char(b, ')');
}

static void
show_fetch(struct buf *b, const struct imap_fetch_args *f)
{
	show_set(b, &f->set);
	buf_addf(b, " atts=%" PRIx32, f->atts);
	for (size_t i = 0; i < f->n_sections; i++) {
		const struct imap_section *s = &f->sections[i];

		buf_addf(b, " %.*s%s", SV_ARG(s->label), s->peek ? "!" : "");
		if (s->partial) {
			buf_addf(b, "+%" PRIu64, s->count);
		}
	}
	if (f->changed) {
		buf_addf(b, " changed=%" PRIu64, f->changed_since);
	}
	buf_add_str(b, f->vanished ? " vanished" : "");
}

static void
show_list(struct buf *b, const struct imap_list_args *l)
{
	buf_addf(b, "%s<%.*s>", l->extended ? "x" : "", SV_ARG(l->reference));
	for (size_t i = 0; i < l->n_patterns; i++) {
		buf_addf(b, " <%.*s>", SV_ARG(l->patterns[i]));
	}
	buf_addf(b, " %x %x %x", l->select, l->returns, l->status);
}

static void
show_select(struct buf *b, const struct imap_select_args *s)
{
	buf_addf(b, "<%.*s>%s", SV_ARG(s->mailbox),
	    s->condstore ? " condstore" : "");
	if (s->qresync) {
		buf_addf(b, " qresync %" PRIu32 " %" PRIu64 " ", s->uidvalidity,
		    s->modseq);
		show_set(b, &s->known);
		buf_add_char(b, ' ');
		show_set(b, &s->match_seqs);
		buf_add_char(b, ' ');
		show_set(b, &s->match_uids);
	}
}

static void
show_store(struct buf *b, const struct imap_store_args *s)
{
	static const char how[] = {'=', '+', '-'};

	show_set(b, &s->set);
	buf_addf(b, " %c%s", how[s->how], s->silent ? "s" : "");
	if (s->conditional) {
		buf_addf(b, " unless %" PRIu64, s->unchanged_since);
	}
	show_flags(b, &s->flags);
}

static void
show_append(struct buf *b, const struct imap_append_args *a)
{
	buf_addf(b, "<%.*s>", SV_ARG(a->mailbox));
	show_flags(b, &a->flags);
	if (a->dated) {
		buf_addf(b, " %" PRId64 "%+d", a->date_ms, a->zone_min);
	}
	buf_addf(b, " %" PRIu64, a->size);
}

static void
show_cmd(struct buf *b, const struct imap_cmd *c)
{
	buf_addf(b, "%s%s ", c->uid ? "UID " : "", imap_verb_name(c->verb));
	switch (c->verb) {
	case IMAP_APPEND:
		show_append(b, &c->append);
		break;
	case IMAP_AUTHENTICATE:
		buf_addf(b, "<%.*s>", SV_ARG(c->authenticate.mechanism));
		if (c->authenticate.has_initial) {
			buf_addf(b, " <%.*s>", SV_ARG(c->authenticate.initial));
		}
		break;
	case IMAP_COPY:
	case IMAP_MOVE:
		show_set(b, &c->copy.set);
		buf_addf(b, " <%.*s>", SV_ARG(c->copy.mailbox));
		break;
	case IMAP_CREATE:
		buf_addf(
		    b, "<%.*s> %x", SV_ARG(c->create.mailbox), c->create.use);
		break;
	case IMAP_DELETE:
	case IMAP_SUBSCRIBE:
	case IMAP_UNSUBSCRIBE:
		buf_addf(b, "<%.*s>", SV_ARG(c->mailbox));
		break;
	case IMAP_ENABLE:
		for (size_t i = 0; i < c->enable.n; i++) {
			buf_addf(b, "<%.*s>", SV_ARG(c->enable.names[i]));
		}
		break;
	case IMAP_EXPUNGE:
		show_set(b, &c->expunge);
		break;
	case IMAP_FETCH:
		show_fetch(b, &c->fetch);
		break;
	case IMAP_ID:
		for (size_t i = 0; i < c->id.n; i++) {
			const struct imap_id_pair *p = &c->id.pairs[i];

			buf_addf(b, "<%.*s>=", SV_ARG(p->field));
			if (p->nil) {
				buf_add_str(b, "NIL");
			} else {
				imap_put_string(b, p->value);
			}
		}
		break;
	case IMAP_LIST:
	case IMAP_LSUB:
		show_list(b, &c->list);
		break;
	case IMAP_LOGIN:
		buf_addf(b, "<%.*s>", SV_ARG(c->login.user));
		buf_addf(b, " <%.*s>", SV_ARG(c->login.password));
		break;
	case IMAP_RENAME:
		buf_addf(b, "<%.*s>", SV_ARG(c->rename.from));
		buf_addf(b, " <%.*s>", SV_ARG(c->rename.to));
		break;
	case IMAP_SEARCH:
		buf_addf(b, "%s%x <%.*s> ", c->search.extended ? "x" : "",
		    c->search.returns, SV_ARG(c->search.charset));
		show_search(b, c->search.tree);
		break;
	case IMAP_SELECT:
	case IMAP_EXAMINE:
		show_select(b, &c->select);
		break;
	case IMAP_STATUS:
		buf_addf(
		    b, "<%.*s> %x", SV_ARG(c->status.mailbox), c->status.items);
		break;
	case IMAP_STORE:
		show_store(b, &c->store);
		break;
	case IMAP_CAPABILITY:
	case IMAP_CHECK:
	case IMAP_CLOSE:
	case IMAP_IDLE:
	case IMAP_LOGOUT:
	case IMAP_NAMESPACE:
	case IMAP_NOOP:
	case IMAP_STARTTLS:
	case IMAP_UNSELECT:
	case IMAP_VERBS:
		break;
	}
}

/* "A <command>" gives that text, or its error's. */
struct row {
	const char *command, *want;
};

static void
check_row(const struct row *row)
{
	struct arena arena = {0};
	struct buf text = {0}, got = {0};
	struct imap_cmd cmd;
	struct imap_error error;

	buf_addf(&text, "A %s", row->command);
	if (imap_cmd_parse(buf_sv(&text), &arena, &cmd, &error) == 0) {
		show_cmd(&got, &cmd);
	} else {
		static const char *const kinds[] = {"", "BAD", "NO", "NO"};

		assert_true(error.kind != IMAP_ERR_NONE);
		assert_true(error.at <= text.len);
		buf_addf(&got, "%s %s", kinds[error.kind], error.text);
	}
	assert_true(sv_eq(cmd.tag, SV("A")));
	assert_string_equal(buf_cstr(&got), row->want);
	buf_deinit(&text);
	buf_deinit(&got);
	arena_deinit(&arena);
}

static void
check_rows(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		check_row(&rows[i]);
	}
}

static void
rfc3501_9_commands_of_any_state(void **state)
{
	static const struct row rows[] = {
	    {"NOOP", "NOOP "},
	    {"nOoP", "NOOP "},
	    {"CAPABILITY", "CAPABILITY "},
	    {"LOGOUT", "LOGOUT "},
	    {"NOOP ", "BAD more than this command takes"},
	    {"NOOPS", "BAD unknown command"},
	    {"XYZZY", "BAD unknown command"},
	    {"UID NOOP", "BAD unknown command"},
	    {"UID", "BAD an argument is missing"},
	    {"", "BAD expected a keyword"},
	    {" NOOP", "BAD expected a keyword"},
	    {"ID NIL", "ID "},
	    {"ID ()", "ID "},
	    {"ID (\"name\" \"x\" \"os\" NIL)", "ID <name>=\"x\"<os>=NIL"},
	    {"ID (\"name\")", "BAD expected one space"},
	    {"ID (\"name-that-is-longer-than-thirty-octets\" NIL)",
		"BAD an ID field is too long"},
	};

	(void)state;
	check_rows(rows, COUNT_OF(rows));
}

static void
rfc3501_9_login_and_authenticate(void **state)
{
	static const struct row rows[] = {
	    {"LOGIN joe secret", "LOGIN <joe> <secret>"},
	    {"LOGIN \"j oe\" \"se\\\"c\\\\ret\"", "LOGIN <j oe> <se\"c\\ret>"},
	    {"LOGIN {3}\r\njoe {6}\r\nse cr}", "LOGIN <joe> <se cr}>"},
	    {"LOGIN {3+}\r\njoe {0+}\r\n", "LOGIN <joe> <>"},
	    {"LOGIN \"\" \"\"", "LOGIN <> <>"},
	    {"LOGIN joe", "BAD an argument is missing"},
	    {"LOGIN joe  x", "BAD expected a string"},
	    {"LOGIN joe x y", "BAD more than this command takes"},
	    {"LOGIN joe \"x", "BAD a quoted string does not end"},
	    {"LOGIN joe \"x\\y\"", "BAD wrong escape in a quoted string"},
	    {"LOGIN joe \"x\r\"", "BAD CR, LF or NUL in a quoted string"},
	    {"LOGIN joe {5}\r\nabc", "BAD a literal does not end"},
	    {"LOGIN joe {5}", "BAD malformed literal"},
	    {"LOGIN joe {18446744073709551617}\r\nabc",
		"BAD a literal does not end"},
	    {"LOGIN joe ~{3}\r\nabc", "BAD more than this command takes"},
	    {"LOGIN joe x(y", "BAD more than this command takes"},
	    {"LOGIN joe@example.org p%ss", "BAD more than this command takes"},
	    {"LOGIN joe a]b", "LOGIN <joe> <a]b>"},
	    {"AUTHENTICATE PLAIN", "AUTHENTICATE <PLAIN>"},
	    {"AUTHENTICATE plain =", "AUTHENTICATE <plain> <=>"},
	    {"AUTHENTICATE PLAIN AGEAYg==", "AUTHENTICATE <PLAIN> <AGEAYg==>"},
	    {"AUTHENTICATE", "BAD an argument is missing"},
	    {"AUTHENTICATE PLAIN ", "BAD expected an atom"},
	    {"STARTTLS", "STARTTLS "},
	    {"STARTTLS x", "BAD more than this command takes"},
	};

	(void)state;
	check_rows(rows, COUNT_OF(rows));
}

static void
rfc3501_9_mailbox_commands(void **state)
{
	static const struct row rows[] = {
	    {"SELECT INBOX", "SELECT <INBOX>"},
	    {"EXAMINE \"a b\" (CONDSTORE)", "EXAMINE <a b> condstore"},
	    {"SELECT x (QRESYNC (67890007 20050715194045000))",
		"SELECT <x> qresync 67890007 20050715194045000   "},
	    {"SELECT x (QRESYNC (1 2 41,43:211))",
		"SELECT <x> qresync 1 2 41,43:211  "},
	    {"SELECT x (QRESYNC (1 2 1:5 (1,3 4,7)) CONDSTORE)",
		"SELECT <x> condstore qresync 1 2 1:5 1,3 4,7"},
	    {"SELECT x (QRESYNC (1 2 (1,3 4,7)))",
		"SELECT <x> qresync 1 2  1,3 4,7"},
	    {"SELECT x (QRESYNC (1 2 1:*))", "BAD expected a number"},
	    {"SELECT x (XYZ)", "BAD unknown parameter"},
	    {"SELECT x ()", "BAD unknown parameter"},
	    {"SELECT a*b", "BAD expected one space"},
	    {"CREATE a/b/", "CREATE <a/b/> 0"},
	    {"CREATE a (USE (\\Drafts \\sent))", "CREATE <a> 24"},
	    {"CREATE a (USE (\\XYZ))", "CREATE <a> 100"},
	    {"CREATE a (USE ())", "CREATE <a> 0"},
	    {"CREATE a (USE (Drafts))", "BAD unexpected character"},
	    {"DELETE {1}\r\na", "DELETE <a>"},
	    {"RENAME a \"b c\"", "RENAME <a> <b c>"},
	    {"SUBSCRIBE &AOQ-", "SUBSCRIBE <&AOQ->"},
	    {"UNSUBSCRIBE x", "UNSUBSCRIBE <x>"},
	    {"STATUS x (MESSAGES unseen)", "STATUS <x> 11"},
	    {"STATUS x (SIZE HIGHESTMODSEQ MAILBOXID APPENDLIMIT)",
		"STATUS <x> 1e0"},
	    {"STATUS x ()", "BAD unknown status item"},
	    {"STATUS x MESSAGES", "BAD expected ("},
	    {"ENABLE CONDSTORE x", "ENABLE <CONDSTORE><x>"},
	    {"ENABLE", "BAD an argument is missing"},
	    {"NAMESPACE", "NAMESPACE "},
	    {"IDLE", "IDLE "},
	};

	(void)state;
	check_rows(rows, COUNT_OF(rows));
}

static void
rfc5258_list_in_both_forms(void **state)
{
	static const struct row rows[] = {
	    {"LIST \"\" *", "LIST <> <*> 0 0 0"},
	    {"LIST x/ %", "LIST <x/> <%> 0 0 0"},
	    {"LIST \"\" \"\"", "LIST <> <> 0 0 0"},
	    {"LSUB \"\" \"a%b*\"", "LSUB <> <a%b*> 0 0 0"},
	    {"LSUB \"\" (a b)", "BAD expected one pattern"},
	    {"LIST () \"\" (a \"b c\")", "LIST x<> <a> <b c> 0 0 0"},
	    {"LIST (SUBSCRIBED remote) \"\" %", "LIST x<> <%> 3 0 0"},
	    {"LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %", "LIST x<> <%> 5 0 0"},
	    {"LIST (RECURSIVEMATCH) \"\" %",
		"BAD RECURSIVEMATCH needs another selection option"},
	    {"LIST (RECURSIVEMATCH REMOTE) \"\" %",
		"BAD RECURSIVEMATCH needs another selection option"},
	    {"LIST (SPECIAL-USE) \"\" % RETURN (CHILDREN SUBSCRIBED)",
		"LIST x<> <%> 8 11 0"},
	    {"LIST \"\" % RETURN ()", "LIST x<> <%> 0 0 0"},
	    {"LIST \"\" % RETURN (STATUS (MESSAGES UNSEEN) SPECIAL-USE)",
		"LIST x<> <%> 0 28 11"},
	    {"LIST \"\" % RETURN (STATUS)", "BAD expected one space"},
	    {"LIST \"\" % RETURN (XYZ)", "BAD unknown return option"},
	    {"LIST (XYZ) \"\" %", "BAD unknown selection option"},
	    {"LIST \"\"", "BAD an argument is missing"},
	    {"LIST \"\" ()", "BAD expected a string"},
	};

	(void)state;
	check_rows(rows, COUNT_OF(rows));
}

static void
rfc3501_6_3_11_append(void **state)
{
	static const struct row rows[] = {
	    {"APPEND x {310}\r\n", "APPEND <x> {} 310"},
	    {"APPEND x (\\Seen $MDNSent) {3+}\r\n",
		"APPEND <x> {\\Seen $MDNSent} 3"},
	    {"APPEND x (\\Recent \\Foo) {3}\r\n", "APPEND <x> {} 3"},
	    {"APPEND x \" 7-Feb-1994 21:52:25 -0800\" {3}\r\n",
		"APPEND <x> {} 760686745000-480 3"},
	    {"APPEND x () \"17-Jul-1996 02:44:25 +0130\" {3}\r\n",
		"APPEND <x> {} 837566065000+90 3"},
	    {"APPEND {1}\r\nx {3}\r\n", "APPEND <x> {} 3"},
	    {"APPEND x ~{3}\r\n", "BAD literal8 is not supported"},
	    {"APPEND x \"31-Feb-1994 21:52:25 -0800\" {3}\r\n", DATE_TIME_BAD},
	    {"APPEND x \"7-Feb-1994 21:52:25 -0800\" {3}\r\n", DATE_TIME_BAD},
	    {"APPEND x \"07-Feb-1994 24:52:25 -0800\" {3}\r\n", DATE_TIME_BAD},
	    {"APPEND x \"07-Fox-1994 24:52:25 -0800\" {3}\r\n", DATE_TIME_BAD},
	    {"APPEND x \"hello\"", DATE_TIME_BAD},
	    {"APPEND x {3}\r\n {4}\r\n", "BAD more than this command takes"},
	};

	(void)state;
	check_rows(rows, COUNT_OF(rows));
}

static void
rfc3501_6_4_5_fetch(void **state)
{
	static const struct row rows[] = {
	    {"FETCH 1 FLAGS", "FETCH 1 atts=2"},
	    {"FETCH 1:* ALL", "FETCH 1:0 atts=3a"},
	    {"FETCH *:4,5:7 fast", "FETCH 0:4,5:7 atts=1a"},
	    {"FETCH 1 FULL", "FETCH 1 atts=7a"},
	    {"FETCH 1 (ALL)", "BAD unknown fetch item"},
	    {"UID FETCH 1 (FLAGS)", "UID FETCH 1 atts=3"},
	    {"FETCH $ (UID MODSEQ BODY BODYSTRUCTURE ENVELOPE)",
		"FETCH $ atts=e5"},
	    {"FETCH 1 (RFC822 RFC822.HEADER RFC822.TEXT RFC822.SIZE)",
		"FETCH 1 atts=10 RFC822 RFC822.HEADER! RFC822.TEXT"},
	    {"FETCH 1 BODY[]", "FETCH 1 atts=0 BODY[]"},
	    {"FETCH 1 body.peek[]<0.2048>", "FETCH 1 atts=0 BODY[]<0>!+2048"},
	    {"FETCH 1 BODY[1.2.MIME]", "FETCH 1 atts=0 BODY[1.2.MIME]"},
	    {"FETCH 1 BODY[4.2.2.HEADER.FIELDS.NOT (a \"b\")]<7.1>",
		"FETCH 1 atts=0 BODY[4.2.2.HEADER.FIELDS.NOT (a b)]<7>+1"},
	    {"FETCH 1 (BODY.PEEK[HEADER.FIELDS (DATE From)] UID)",
		"FETCH 1 atts=1 BODY[HEADER.FIELDS (DATE From)]!"},
	    {"FETCH 1 BODY[1.2]", "FETCH 1 atts=0 BODY[1.2]"},
	    {"FETCH 1 BODY[TEXT]", "FETCH 1 atts=0 BODY[TEXT]"},
	    {"FETCH 1 BODY[MIME]", "BAD MIME needs a part number"},
	    {"FETCH 1 BODY[1.]", "BAD expected a keyword"},
	    {"FETCH 1 BODY[0]", "BAD expected a number above 0"},
	    {"FETCH 1 BODY[1.2X]", "BAD unexpected character"},
	    {"FETCH 1 BODY[HEADER.FIELDS ()]", "BAD expected a string"},
	    {"FETCH 1 BODY[HEADER.FIELDS (\"a b\")]",
		"BAD no header field has a name like that"},
	    {"FETCH 1 BODY[HEADER.FIELDS (\"\")]",
		"BAD no header field has a name like that"},
	    {"FETCH 1 BODY[]<0.0>", "BAD a partial range out of bounds"},
	    {"FETCH 1 BODY[]<0>", "BAD unexpected character"},
	    {"FETCH 1 BODY[", "BAD expected a keyword"},
	    {"FETCH 1 BODYSTRUCTURE[1]", "BAD unknown fetch item"},
	    {"FETCH 1 ()", "BAD expected a keyword"},
	    {"FETCH 0 FLAGS", "BAD expected a number above 0"},
	    {"FETCH 4294967296 FLAGS", "BAD a number over 4294967295"},
	    {"FETCH 1,,2 FLAGS", "BAD expected a number"},
	    {"FETCH 1:2:3 FLAGS", "BAD expected one space"},
	    {"FETCH 1 (EMAILID THREADID INTERNALDATE)", "FETCH 1 atts=308"},
	};

	(void)state;
	check_rows(rows, COUNT_OF(rows));
}

static void
rfc7162_3_1_fetch_and_store_modifiers(void **state)
{
	static const struct row rows[] = {
	    {"FETCH 1:* FLAGS (CHANGEDSINCE 12345)",
		"FETCH 1:0 atts=6 changed=12345"},
	    {"UID FETCH 300:500 (FLAGS) (CHANGEDSINCE 12345 VANISHED)",
		"UID FETCH 300:500 atts=7 changed=12345 vanished"},
	    {"FETCH 300:500 FLAGS (CHANGEDSINCE 12345 VANISHED)",
		"BAD VANISHED needs UID FETCH and CHANGEDSINCE"},
	    {"UID FETCH 1 FLAGS (VANISHED)",
		"BAD VANISHED needs UID FETCH and CHANGEDSINCE"},
	    {"FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)",
		"BAD a mod-sequence over 63 bits"},
	    {"FETCH 1 FLAGS ()", "BAD unknown fetch modifier"},
	    {"STORE 1 FLAGS (\\Deleted)", "STORE 1 = {\\Deleted}"},
	    {"STORE 1 +FLAGS.SILENT \\Seen $x", "STORE 1 +s {\\Seen $x}"},
	    {"STORE 1 -flags ()", "STORE 1 - {}"},
	    {"UID STORE 6,4,8 (UNCHANGEDSINCE 12121230045) +FLAGS.SILENT "
	     "(\\Deleted)",
		"UID STORE 6,4,8 +s unless 12121230045 {\\Deleted}"},
	    {"STORE 1 (X 1) FLAGS ()", "BAD unknown store modifier"},
	    {"STORE 1 FLAGS (\\*)", "BAD expected an atom"},
	    {"STORE 1 FLAGS", "BAD an argument is missing"},
	    {"STORE 1 FLAG ()", "BAD expected FLAGS or FLAGS.SILENT"},
	    {"STORE 1 FLAGS ($a $A)", "STORE 1 = { $a}"},
	};

	(void)state;
	check_rows(rows, COUNT_OF(rows));
}

static void
rfc3501_6_4_selected_commands(void **state)
{
	static const struct row rows[] = {
	    {"COPY 2:4 MEETING", "COPY 2:4 <MEETING>"},
	    {"UID MOVE 42:69 foo", "UID MOVE 42:69 <foo>"},
	    {"MOVE $ foo", "MOVE $ <foo>"},
	    {"EXPUNGE", "EXPUNGE "},
	    {"UID EXPUNGE 3000:3002", "UID EXPUNGE 3000:3002"},
	    {"EXPUNGE 1", "BAD more than this command takes"},
	    {"UID EXPUNGE", "BAD an argument is missing"},
	    {"CHECK", "CHECK "},
	    {"CLOSE", "CLOSE "},
	    {"UNSELECT", "UNSELECT "},
	};

	(void)state;
	check_rows(rows, COUNT_OF(rows));
}

static void
rfc3501_6_4_4_search(void **state)
{
	static const struct row rows[] = {
	    {"SEARCH ALL", "SEARCH 0 <> (all)"},
	    {"SEARCH FLAGGED SINCE 1-Feb-1994 NOT FROM \"Smith\"",
		"SEARCH 0 <> (and (flag \\Flagged) (since 8797) "
		"(not (header From \"Smith\")))"},
	    {"SEARCH CHARSET UTF-8 TEXT {6}\r\n\xd0\xb0\xd0\xb1\xd0\xb2",
		"SEARCH 0 <UTF-8> (text \"\xd0\xb0\xd0\xb1\xd0\xb2\")"},
	    {"SEARCH NEW", "SEARCH 0 <> (and (flag \\Recent) "
			   "(not (flag \\Seen)))"},
	    {"SEARCH OLD", "SEARCH 0 <> (not (flag \\Recent))"},
	    {"SEARCH UNKEYWORD $Junk", "SEARCH 0 <> (not (keyword \"$Junk\"))"},
	    {"SEARCH OR (1,3:5 SEEN) (NOT UID 7:*)",
		"SEARCH 0 <> (or (and (seq 1,3:5) (flag \\Seen)) "
		"(not (uid 7:0)))"},
	    {"SEARCH HEADER X-Y \"\" LARGER 10 SMALLER 20",
		"SEARCH 0 <> (and (header X-Y \"\") (larger 10) "
		"(smaller 20))"},
	    {"SEARCH ON \"29-Feb-2000\" SENTON 1-jan-1970 SENTBEFORE "
	     "01-Jan-1970",
		"SEARCH 0 <> (and (on 11016) (senton 0) (sentbefore 0))"},
	    {"UID SEARCH RETURN (MIN COUNT) $", "UID SEARCH x9 <> (seq $)"},
	    {"SEARCH RETURN () ALL", "SEARCH x4 <> (all)"},
	    {"SEARCH RETURN (SAVE ALL) CHARSET x ALL", "SEARCH x14 <x> (all)"},
	    {"SEARCH RETURN (XYZ) ALL", "BAD unknown search return option"},
	    {"SEARCH MODSEQ 620162338", "SEARCH 0 <> (modseq 620162338)"},
	    {"SEARCH MODSEQ \"/flags/\\\\draft\" all 620162338",
		"SEARCH 0 <> (modseq 620162338)"},
	    {"SEARCH MODSEQ \"/x/y\" all 1", "BAD expected \"/flags/...\""},
	    {"SEARCH EMAILID M0a", "SEARCH 0 <> (emailid \"M0a\")"},
	    {"SEARCH", "BAD an argument is missing"},
	    {"SEARCH ()", "BAD expected a keyword"},
	    {"SEARCH (ALL", "BAD expected )"},
	    {"SEARCH ALL)", "BAD more than this command takes"},
	    {"SEARCH OR ALL", "BAD an argument is missing"},
	    {"SEARCH NOT", "BAD an argument is missing"},
	    {"SEARCH XYZZY", "BAD unknown search key"},
	    {"SEARCH SINCE 30-Feb-2000",
		"BAD expected a date such as 1-Feb-1994"},
	    {"SEARCH ALL ALL ALL", "SEARCH 0 <> (and (all) (all) (all))"},
	};

	(void)state;
	check_rows(rows, COUNT_OF(rows));
}

/* A command made of `n` times `piece`. */
static void
expect_of_many(const char *before, const char *piece, size_t n,
    const char *after, const char *want)
{
	struct buf b = {0};

	buf_add_str(&b, before);
	for (size_t i = 0; i < n; i++) {
		buf_add_str(&b, piece);
	}
	buf_add_str(&b, after);
	check_row(&(struct row){buf_cstr(&b), want});
	buf_deinit(&b);
}

static void
bombs_meet_limits(void **state)
{
	(void)state;
	expect_of_many(
	    "SEARCH ", "(", 100000, "", "NO search keys nested too deeply");
	expect_of_many("SEARCH ", "NOT ", 100000, "ALL",
	    "NO search keys nested too deeply");
	expect_of_many("SEARCH ", "OR ALL ", 100000, "ALL",
	    "NO search keys nested too "
	    "deeply");
	expect_of_many(
	    "SEARCH ALL", " ALL", 100000, "", "NO too many search keys");
	expect_of_many(
	    "FETCH 1", ",1", 100000, " FLAGS", "NO too many ranges in a set");
	expect_of_many("FETCH 1 BODY[1", ".1", 100000, "]",
	    "NO a part number is too deep");
	expect_of_many("FETCH 1 (BODY[]", " BODY[]", 100000, ")",
	    "NO too many body sections");
	expect_of_many("FETCH 1 BODY[HEADER.FIELDS (a", " a", 100000, ")]",
	    "NO too many header field names");
	expect_of_many(
	    "LIST \"\" (", "a ", 100000, "a)", "NO too many patterns");
	expect_of_many("ENABLE", " a", 100000, "", "NO too many capabilities");
	expect_of_many("ID (\"a\" \"b\"", " \"a\" \"b\"", 100000, ")",
	    "BAD more than 30 ID fields");
}

static void
keywords_are_counted_once_each_up_to_a_limit(void **state)
{
	struct buf b = {0};

	(void)state;
	buf_add_str(&b, "STORE 1 FLAGS (");
	for (int i = 0; i < 1000; i++) {
		buf_addf(&b, "%sk%d", i == 0 ? "" : " ", i);
	}
	buf_add_str(&b, ")");
	check_row(&(struct row){buf_cstr(&b), "NO too many keywords"});
	buf_deinit(&b);
	expect_of_many("STORE 1 FLAGS (k", " K", 1000, ")", "STORE 1 = { k}");
}

static void
a_tag_is_known_even_if_the_rest_is_wrong(void **state)
{
	static const struct {
		const char *text;
		const char *tag;
	} rows[] = {
	    {"a1 XYZZY", "a1"},
	    {"a1", "a1"},
	    {"", ""},
	    {" NOOP", ""},
	    {"a+b NOOP", ""},
	    {"a*b NOOP", ""},
	    {"a]b NOOP", "a]b"},
	    {"* OK", ""},
	};
	struct arena arena = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct imap_cmd cmd;
		struct imap_error error;

		(void)!imap_cmd_parse(
		    sv_cstr(rows[i].text), &arena, &cmd, &error);
		assert_true(sv_eq(cmd.tag, sv_cstr(rows[i].tag)));
	}
	arena_deinit(&arena);
}

static void
every_prefix_of_a_command_is_answered(void **state)
{
	static const char *const commands[] = {
	    "A UID FETCH 1:*,4 (FLAGS BODY.PEEK[1.2.HEADER.FIELDS (A \"B\")]"
	    "<0.10> RFC822.SIZE) (CHANGEDSINCE 12 VANISHED)",
	    "A SEARCH RETURN (MIN ALL) CHARSET UTF-8 OR (SEEN UID 1:3) NOT "
	    "SINCE \"1-Feb-1994\" HEADER X \"a\\\"b\" TEXT {3}\r\nabc",
	    "A APPEND {3}\r\nbox (\\Seen) \"01-Jan-2020 00:00:00 +0000\" "
	    "{10}\r\n",
	    "A LIST (SUBSCRIBED) \"\" (a %) RETURN (STATUS (UNSEEN))",
	    "A STORE 1 (UNCHANGEDSINCE 5) +FLAGS.SILENT (\\Seen $a)",
	    "A SELECT x (QRESYNC (1 2 3:4 (1:2 3:4)))",
	};
	struct arena arena = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		struct sv all = sv_cstr(commands[i]);
		struct imap_cmd cmd;
		struct imap_error error;

		for (size_t n = 0; n < all.len; n++) {
			/* A copy of its own lets a sanitizer see overreads. */
			struct arena copy = {0};
			struct sv part = arena_sv(&copy, sv_sub(all, 0, n));

			(void)!imap_cmd_parse(part, &arena, &cmd, &error);
			arena_deinit(&copy);
		}
		assert_int_equal(imap_cmd_parse(all, &arena, &cmd, &error), 0);
	}
	arena_deinit(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rfc3501_9_commands_of_any_state),
	    cmocka_unit_test(rfc3501_9_login_and_authenticate),
	    cmocka_unit_test(rfc3501_9_mailbox_commands),
	    cmocka_unit_test(rfc5258_list_in_both_forms),
	    cmocka_unit_test(rfc3501_6_3_11_append),
	    cmocka_unit_test(rfc3501_6_4_5_fetch),
	    cmocka_unit_test(rfc7162_3_1_fetch_and_store_modifiers),
	    cmocka_unit_test(rfc3501_6_4_selected_commands),
	    cmocka_unit_test(rfc3501_6_4_4_search),
	    cmocka_unit_test(bombs_meet_limits),
	    cmocka_unit_test(keywords_are_counted_once_each_up_to_a_limit),
	    cmocka_unit_test(a_tag_is_known_even_if_the_rest_is_wrong),
	    cmocka_unit_test(every_prefix_of_a_command_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
