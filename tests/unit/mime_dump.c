/*
 * mime_dump: the tree of a message, for comparison with other parsers.
 *
 *	mime_dump FILE...
 *
 * For each file one line of JSON: a list of parts, each
 * [parent, kind, "type/subtype", header_at, body_at, end], parent -1 for the
 * message, kind 0 leaf, 1 multipart, 2 message.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "mail/mime.h"

static struct sv
read_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *p;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) != 0) {
		perror(path);
		exit(1); // NOLINT(concurrency-mt-unsafe): one thread
	}
	p = xmalloc((size_t)st.st_size + 1);
	n = read(fd, p, (size_t)st.st_size);
	(void)close(fd);
	return sv_make(p, n > 0 ? (size_t)n : 0);
}

static void
dump(const struct mime *m)
{
	for (uint32_t i = 0; i < m->n_parts; i++) {
		const struct mime_part *p = &m->parts[i];
		int parent = i == 0 ? -1 : (int)p->span.parent;

		/* Types are tokens, without quotes and backslashes. */
		(void)printf("%s[%d, %d, \"%.*s/%.*s\", %" PRIu64 ", %" PRIu64
			     ", %" PRIu64 "]",
		    i == 0 ? "[" : ", ", parent, (int)p->span.kind,
		    SV_ARG(p->type), SV_ARG(p->subtype), p->span.header_at,
		    p->span.body_at, p->span.end);
	}
	(void)printf("]\n");
}

int
main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct arena arena = {.head = NULL};
		struct sv message = read_file(argv[i]);
		struct mime m;

		mime_parse(message, NULL, &arena, &m);
		dump(&m);
		arena_deinit(&arena);
		free((char *)(uintptr_t)message.p);
	}
	return 0;
}
