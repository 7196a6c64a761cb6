#include <jansson.h>

#include "msadm/msadm.h"
#include "msadm/print.h"

int
domain_add(struct msadm *m, struct fail *f)
{
	if (msadm_directory(m, true, f) != 0) {
		return -1;
	}
	if (directory_domain_add(m->directory, sv_cstr(m->args[0]), f) != 0) {
		return f->kind == FAIL_SYNTAX ? fail_wrap(f, "%s", m->args[0])
					      : -1;
	}
	return 0;
}

int
domain_list(struct msadm *m, struct fail *f)
{
	static const struct column columns[] = {
	    {"name", "DOMAIN", COLUMN_TEXT},
	    {"accounts", "ACCOUNTS", COLUMN_NUMBER},
	    {"aliases", "ALIASES", COLUMN_NUMBER},
	    {"created", "CREATED", COLUMN_TIME},
	};
	struct directory_domain *list;
	json_t *rows;
	size_t n;

	if (msadm_directory(m, false, f) != 0
	    || directory_domain_list(m->directory, &m->arena, &list, &n, f)
		   != 0) {
		return -1;
	}
	rows = json_array();
	for (size_t i = 0; i < n; i++) {
		(void)json_array_append_new(rows,
		    json_pack("{s:s, s:I, s:I, s:I}", "name", list[i].name,
			"accounts", (json_int_t)list[i].accounts, "aliases",
			(json_int_t)list[i].aliases, "created",
			(json_int_t)list[i].created));
	}
	print_rows(
	    rows, columns, COUNT_OF(columns), (m->given & OPT_JSON) != 0);
	return 0;
}

int
domain_remove(struct msadm *m, struct fail *f)
{
	const char *name = m->args[0];

	if (msadm_directory(m, false, f) != 0) {
		return -1;
	}
	if (directory_domain_remove(m->directory, sv_cstr(name), f) != 0) {
		return f->kind == FAIL_ABSENT || f->kind == FAIL_SYNTAX
			   ? fail_wrap(f, "%s", name)
			   : -1;
	}
	return 0;
}

int
backup(struct msadm *m, struct fail *f)
{
	if (msadm_directory(m, false, f) != 0) {
		return -1;
	}
	return directory_backup(m->directory, m->args[0], f);
}
