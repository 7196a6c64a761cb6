#include "imapd/incoming.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/spool.h"

struct incoming {
	struct sink sink; /* first */
	struct spool spool;
	bool nul;
	struct fail fail; /* the first */
};

static int
put(struct sink *to, struct sv piece)
{
	struct incoming *in = (struct incoming *)to;

	if (sv_chr(piece, '\0') >= 0) {
		in->nul = true;
		return -1;
	}
	return spool_add(&in->spool, piece, &in->fail);
}

struct incoming *
incoming_new(void)
{
	struct incoming *in = xmalloc(sizeof(*in));

	in->sink.put = put;
	return in;
}

void
incoming_free(struct incoming **in)
{
	if (*in == NULL) {
		return;
	}
	spool_deinit(&(*in)->spool);
	free(*in);
	*in = NULL;
}

struct sink *
incoming_sink(struct incoming *in)
{
	return &in->sink;
}

int
incoming_message(
    struct incoming *in, struct sv *text_out, int *fd_out, struct fail *f)
{
	if (in->nul) {
		return fail_set(f, FAIL_SYNTAX, "NUL in a message");
	}
	if (in->fail.kind != FAIL_NONE) {
		*f = in->fail;
		return -1;
	}
	if (spool_end(&in->spool, f) != 0
	    || spool_text(&in->spool, text_out, f) != 0) {
		return -1;
	}
	*fd_out = spool_in_memory(&in->spool) ? -1 : in->spool.fd;
	return 0;
}
