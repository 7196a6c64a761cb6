#include "proto/foreign.h"

#include "base/mem.h"

bool
foreign_is_http(struct sv line)
{
	/* PRI begins a connection of HTTP/2.  [RFC 9113 3.4] */
	static const char *const methods[] = {"GET", "POST", "PUT", "HEAD",
	    "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PRI"};
	struct sv word = sv_cut(&line, ' ');

	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		if (sv_eq(word, sv_cstr(methods[i]))) {
			return true;
		}
	}
	return false;
}
