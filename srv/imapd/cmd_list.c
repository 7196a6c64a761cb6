/* LIST, LSUB, NAMESPACE.
 * [RFC 3501 6.3.8, 6.3.9; RFC 2342, 3348, 5258, 5819, 6154] */
#include "base/map.h"
#include "imapd/command.h"
#include "imapd/status.h"
#include "proto/imap_match.h"
#include "proto/imap_name.h"

enum { YIELD_EVERY = 64 }; /* names */

/* A name that may be answered: a mailbox, a subscription, or a parent of one
 * of these that is neither. */
struct entry {
	struct sv name;
	const struct mbox *mbox; /* NULL: there is none of that name */
	bool subscribed;
};

struct listing {
	struct command *cmd;
	const struct imap_list_args *args;
	struct view *view;	   /* owned */
	struct imap_match **match; /* one a pattern */
	struct buf wire;	   /* the name in hand, as clients see it */
	struct map parents;	   /* names answered by LSUB for a child */
	bool lsub;
	unsigned n; /* names looked at */
};

/* ---- what is known of a name ---- */

static bool
is_below(struct sv name, struct sv parent)
{
	return name.len > parent.len && name.p[parent.len] == '/'
	       && sv_starts(name, parent);
}

/* Compare a name with `parent` and "/" behind it. */
static int
cmp_with_children(struct sv name, struct sv parent)
{
	struct sv head = sv_sub(name, 0, parent.len);
	int rc = sv_cmp(head, parent);

	if (rc != 0) {
		return rc;
	}
	return name.len == parent.len ? -1
				      : (unsigned char)name.p[parent.len] - '/';
}

static struct sv
mailbox_at(const struct view *view, size_t i)
{
	return view_mbox_at(view, i)->name;
}

/* Of names from `lo` up to `hi` that are in order the first that is not
 * before "parent/". */
static size_t
first_below(const struct view *view, struct sv parent, size_t lo, size_t hi,
    struct sv (*name_at)(const struct view *view, size_t i))
{
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (cmp_with_children(name_at(view, mid), parent) < 0) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo;
}

/* INBOX is the first of the mailboxes, whatever comes behind. */
static size_t
first_child(const struct view *view, struct sv parent)
{
	return first_below(view, parent, view_mboxes(view) != 0 ? 1 : 0,
	    view_mboxes(view), mailbox_at);
}

static size_t
first_subscribed_child(const struct view *view, struct sv parent)
{
	return first_below(
	    view, parent, 0, view_subscriptions(view), view_subscription_at);
}

static bool
has_children(const struct view *view, struct sv name)
{
	size_t i = first_child(view, name);

	return i < view_mboxes(view)
	       && is_below(view_mbox_at(view, i)->name, name);
}

/* Whether the selection options choose it.  [RFC 5258 3] */
static bool
is_selected(const struct listing *l, const struct entry *e)
{
	unsigned select = l->args->select;

	if ((select & LIST_SUBSCRIBED) != 0 && !e->subscribed) {
		return false;
	}
	if ((select & LIST_SPECIAL_USE) != 0
	    && (e->mbox == NULL || e->mbox->special_use == 0)) {
		return false;
	}
	return (select & LIST_SUBSCRIBED) != 0 || e->mbox != NULL;
}

static struct entry
entry_of(const struct listing *l, struct sv name)
{
	return (struct entry){
	    name, view_mbox(l->view, name), view_subscribed(l->view, name)};
}

/* ---- patterns ---- */

static void
compile(struct listing *l)
{
	const struct imap_list_args *a = l->args;
	struct sv reference = command_pattern(l->cmd, a->reference);

	l->match = arena_array(
	    &l->cmd->arena, a->n_patterns, sizeof(struct imap_match *));
	for (size_t i = 0; i < a->n_patterns; i++) {
		l->match[i] = imap_match_new(&l->cmd->arena, reference,
		    command_pattern(l->cmd, a->patterns[i]), '/');
	}
}

/* Patterns are compared with names as they are on the wire. */
static bool
matches(struct listing *l, struct sv name)
{
	buf_clear(&l->wire);
	imap_name_to_utf7(name, &l->wire);
	for (size_t i = 0; i < l->args->n_patterns; i++) {
		/* Of several patterns the empty one counts for nothing.
		 * [RFC 5258 3] */
		if (l->args->patterns[i].len != 0
		    && imap_match(l->match[i], buf_sv(&l->wire))) {
			return true;
		}
	}
	return false;
}

/*
 * Whether something below the name is chosen, for CHILDINFO; of a name that
 * is not chosen itself only what is not answered too: the rest would say it
 * twice.  [RFC 5258 3.5]
 */
static bool
has_selected_child(struct listing *l, struct sv name, bool hidden)
{
	for (size_t i = first_child(l->view, name); i < view_mboxes(l->view);
	     i++) {
		struct entry e = entry_of(l, view_mbox_at(l->view, i)->name);

		if (!is_below(e.name, name)) {
			break;
		}
		if (is_selected(l, &e) && !(hidden && matches(l, e.name))) {
			return true;
		}
	}
	if ((l->args->select & LIST_SUBSCRIBED) == 0) {
		return false;
	}
	for (size_t i = first_subscribed_child(l->view, name);
	     i < view_subscriptions(l->view); i++) {
		struct entry e = entry_of(l, view_subscription_at(l->view, i));

		if (!is_below(e.name, name)) {
			break;
		}
		if (is_selected(l, &e) && !(hidden && matches(l, e.name))) {
			return true;
		}
	}
	return false;
}

/* ---- writing ---- */

static void
put_attributes(struct buf *to, const struct listing *l, const struct entry *e)
{
	static const struct {
		unsigned bit;
		const char *name;
	} uses[] = {
	    {USE_ALL, " \\All"},
	    {USE_ARCHIVE, " \\Archive"},
	    {USE_DRAFTS, " \\Drafts"},
	    {USE_FLAGGED, " \\Flagged"},
	    {USE_JUNK, " \\Junk"},
	    {USE_SENT, " \\Sent"},
	    {USE_TRASH, " \\Trash"},
	    {USE_IMPORTANT, " \\Important"},
	};
	unsigned wanted = l->args->select | l->args->returns;

	buf_add_str(to, has_children(l->view, e->name) ? "(\\HasChildren"
						       : "(\\HasNoChildren");
	if (e->mbox == NULL) {
		buf_add_str(to, l->lsub ? " \\Noselect" : " \\NonExistent");
	} else if (e->mbox->noselect) {
		buf_add_str(to, " \\Noselect");
	}
	for (size_t i = 0; e->mbox != NULL && i < COUNT_OF(uses); i++) {
		if ((e->mbox->special_use & uses[i].bit) != 0) {
			buf_add_str(to, uses[i].name);
		}
	}
	if ((wanted & LIST_SUBSCRIBED) != 0 && e->subscribed) {
		buf_add_str(to, " \\Subscribed");
	}
	buf_add_char(to, ')');
}

/* "(CHILDINFO ("SUBSCRIBED"))".  [RFC 5258 3.5] */
static void
put_childinfo(struct buf *to, unsigned select)
{
	const char *before = "";

	buf_add_str(to, " (CHILDINFO (");
	if ((select & LIST_SUBSCRIBED) != 0) {
		buf_add_str(to, "\"SUBSCRIBED\"");
		before = " ";
	}
	if ((select & LIST_SPECIAL_USE) != 0) {
		buf_add_str(to, before);
		buf_add_str(to, "\"SPECIAL-USE\"");
	}
	buf_add_str(to, "))");
}

static void
put_entry(struct listing *l, const struct entry *e, bool childinfo)
{
	const struct imap_list_args *a = l->args;
	struct session *s = &l->cmd->im->s;
	struct buf *out = c_out(s->c);

	buf_add_str(out, l->lsub ? "* LSUB " : "* LIST ");
	put_attributes(out, l, e);
	buf_add_str(out, " \"/\" ");
	imap_put_name(out, e->name, false);
	if (childinfo) {
		put_childinfo(out, a->select);
	}
	buf_add_str(out, "\r\n");
	if ((a->returns & LIST_STATUS) != 0 && e->mbox != NULL
	    && !e->mbox->noselect && is_selected(l, e)) {
		status_put(out, e->mbox, a->status);
	}
	(void)c_drain(s->c);
}

static void
pause_sometimes(struct listing *l)
{
	if (++l->n % YIELD_EVERY == 0) {
		park_yield(&l->cmd->im->s);
	}
}

static void
consider(struct listing *l, const struct entry *e)
{
	bool childinfo, selected;

	pause_sometimes(l);
	if (!matches(l, e->name)) {
		return;
	}
	selected = is_selected(l, e);
	childinfo = (l->args->select & LIST_RECURSIVEMATCH) != 0
		    && has_selected_child(l, e->name, !selected);
	if (childinfo || selected) {
		put_entry(l, e, childinfo);
	}
}

/* ---- LIST ---- */

/* Call `each` once with every parent of `name` that is no mailbox. */
static void
each_missing_parent(struct listing *l, struct sv name,
    void (*each)(struct listing *l, const struct entry *e))
{
	for (size_t i = 0; i < name.len; i++) {
		struct entry e;

		if (name.p[i] != '/') {
			continue;
		}
		e = entry_of(l, sv_sub(name, 0, i));
		if (e.mbox == NULL && !e.subscribed
		    && map_put(&l->parents, e.name, l) == NULL) {
			each(l, &e);
		}
	}
}

static void
list_mailboxes(struct listing *l)
{
	for (size_t i = 0; i < view_mboxes(l->view); i++) {
		struct entry e = entry_of(l, view_mbox_at(l->view, i)->name);

		consider(l, &e);
	}
}

/* Subscribed names that are no mailboxes, and parents that are neither. */
static void
list_subscriptions(struct listing *l)
{
	for (size_t i = 0; i < view_subscriptions(l->view); i++) {
		struct entry e = entry_of(l, view_subscription_at(l->view, i));

		if (e.mbox == NULL) {
			consider(l, &e);
			each_missing_parent(l, e.name, consider);
		}
	}
}

static void
listing_begin(struct listing *l, struct command *cmd)
{
	*l = (struct listing){
	    .cmd = cmd, .args = &cmd->c.list, .lsub = cmd->c.verb == IMAP_LSUB};
	compile(l);
}

static void
listing_end(struct listing *l)
{
	view_unref(&l->view);
	buf_deinit(&l->wire);
	map_deinit(&l->parents);
}

void
run_list(struct command *cmd)
{
	const struct imap_list_args *a = &cmd->c.list;
	struct listing l;
	struct fail f;

	if (!a->extended && a->patterns[0].len == 0) {
		/* What is the delimiter?  [RFC 3501 6.3.8] */
		(void)c_write(
		    cmd->im->s.c, SV("* LIST (\\Noselect) \"/\" \"\"\r\n"));
		reply_ok(cmd, NULL, "List completed");
		return;
	}
	if ((a->status & STATUS_HIGHESTMODSEQ) != 0
	    && command_condstore(cmd) != 0) {
		return;
	}
	listing_begin(&l, cmd);
	if (session_view(cmd->im, &l.view, &f) != 0) {
		reply_fail(cmd, &f);
	} else {
		list_mailboxes(&l);
		if ((a->select & LIST_SUBSCRIBED) != 0) {
			list_subscriptions(&l);
		}
		reply_ok(cmd, NULL, "List completed");
	}
	listing_end(&l);
}

/* ---- LSUB ---- */

/* "foo/bar" is subscribed, "foo" is not, and "%" matches only "foo": then
 * that is answered, as \Noselect.  [RFC 3501 6.3.9] */
static void
put_parents(struct listing *l, struct sv name)
{
	for (size_t i = 0; i < name.len; i++) {
		struct sv parent = sv_sub(name, 0, i);
		struct entry e = {parent, NULL, false};

		if (name.p[i] == '/' && !view_subscribed(l->view, parent)
		    && matches(l, parent)
		    && map_put(&l->parents, parent, l) == NULL) {
			put_entry(l, &e, false);
		}
	}
}

void
run_lsub(struct command *cmd)
{
	struct listing l;
	bool percent;
	struct fail f;

	listing_begin(&l, cmd);
	percent = sv_chr(l.args->reference, '%') >= 0
		  || sv_chr(l.args->patterns[0], '%') >= 0;
	if (session_view(cmd->im, &l.view, &f) != 0) {
		reply_fail(cmd, &f);
		listing_end(&l);
		return;
	}
	for (size_t i = 0; i < view_subscriptions(l.view); i++) {
		struct entry e = entry_of(&l, view_subscription_at(l.view, i));

		pause_sometimes(&l);
		if (matches(&l, e.name)) {
			put_entry(&l, &e, false);
		} else if (percent) {
			put_parents(&l, e.name);
		}
	}
	listing_end(&l);
	reply_ok(cmd, NULL, "Lsub completed");
}

void
run_namespace(struct command *cmd)
{
	(void)c_write(
	    cmd->im->s.c, SV("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"));
	reply_ok(cmd, NULL, "Namespace completed");
}
