#include <jansson.h>

#include "msadm/msadm.h"
#include "msadm/print.h"

/* Each target that follows the address; one that fails ends it, and one that
 * is no address keeps all from being looked at. */
static int
for_targets(struct msadm *m,
    int (*run)(struct directory *d, const struct mailaddr *address,
	const struct mailaddr *target, struct fail *f),
    struct fail *f)
{
	struct mailaddr address, target;

	if (msadm_address(m->args[0], &address, f) != 0) {
		return -1;
	}
	for (int i = 1; i < m->n_args; i++) {
		if (msadm_address(m->args[i], &target, f) != 0) {
			return -1;
		}
	}
	if (msadm_directory(m, false, f) != 0) {
		return -1;
	}
	for (int i = 1; i < m->n_args; i++) {
		if (msadm_address(m->args[i], &target, f) != 0
		    || run(m->directory, &address, &target, f) != 0) {
			return -1;
		}
	}
	return m->n_args > 1 ? 0 : run(m->directory, &address, NULL, f);
}

int
alias_add(struct msadm *m, struct fail *f)
{
	return for_targets(m, directory_alias_add, f);
}

int
alias_remove(struct msadm *m, struct fail *f)
{
	return for_targets(m, directory_alias_remove, f);
}

int
alias_list(struct msadm *m, struct fail *f)
{
	static const struct column columns[] = {
	    {"address", "ALIAS", COLUMN_TEXT},
	    {"targets", "LEADS TO", COLUMN_LIST},
	};
	struct directory_alias *list;
	json_t *rows;
	size_t n;

	if (msadm_directory(m, false, f) != 0
	    || directory_alias_list(
		   m->directory, m->args[0], &m->arena, &list, &n, f)
		   != 0) {
		return -1;
	}
	rows = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *targets = json_array();

		for (size_t t = 0; t < list[i].n_targets; t++) {
			(void)json_array_append_new(
			    targets, json_string(list[i].targets[t].text));
		}
		(void)json_array_append_new(
		    rows, json_pack("{s:s, s:o}", "address",
			      list[i].address.text, "targets", targets));
	}
	print_rows(
	    rows, columns, COUNT_OF(columns), (m->given & OPT_JSON) != 0);
	return 0;
}

static const char *
route_name(enum directory_route route)
{
	switch (route) {
	case ROUTE_LOCAL:
		return "local";
	case ROUTE_MIXED:
		return "mixed";
	case ROUTE_REMOTE:
		return "remote";
	case ROUTE_UNKNOWN:
		return "unknown";
	}
	return "";
}

static json_t *
rcpt_json(const struct directory_rcpt *r)
{
	json_t *row = json_pack("{s:s, s:b}", "address", r->address.text,
	    "local", (int)(r->account != NULL));

	if (r->account != NULL) {
		(void)json_object_set_new(
		    row, "id", json_string(r->account->id));
	}
	if (r->detail.len != 0) {
		(void)json_object_set_new(
		    row, "detail", json_stringn(r->detail.p, r->detail.len));
	}
	return row;
}

/* Where mail to an address goes; 1 when it goes nowhere here. */
int
resolve(struct msadm *m, struct fail *f)
{
	static const struct column columns[] = {
	    {"address", "ADDRESS", COLUMN_TEXT},
	    {"detail", "DETAIL", COLUMN_TEXT},
	    {"local", "LOCAL", COLUMN_BOOL},
	    {"id", "ID", COLUMN_TEXT},
	};
	bool json = (m->given & OPT_JSON) != 0;
	struct directory_rcpt *rcpts;
	enum directory_route route;
	struct mailaddr address;
	json_t *rows;
	size_t n;

	if (msadm_address(m->args[0], &address, f) != 0
	    || msadm_directory(m, false, f) != 0
	    || directory_resolve(
		   m->directory, &address, &m->arena, &route, &rcpts, &n, f)
		   != 0) {
		return -1;
	}
	rows = json_array();
	for (size_t i = 0; i < n; i++) {
		(void)json_array_append_new(rows, rcpt_json(&rcpts[i]));
	}
	directory_rcpts_unref(rcpts, n);
	if (json) {
		rows = json_pack("{s:s, s:s, s:o}", "address", address.text,
		    "route", route_name(route), "recipients", rows);
	} else if (n == 0) {
		print_note(false, "%s is %s", address.text, route_name(route));
	}
	print_rows(rows, columns, COUNT_OF(columns), json);
	return n != 0 ? 0 : 1;
}
