/*
 * A journal segment of any octets: no crash, no hang, and two ways through it
 * give the same state.
 *
 * The input is a list of (type, flags, length, body): each becomes a record
 * with a right mark and checksum, so that the rules of replay are reached;
 * type 0 puts its body into the segment as it is.  The segment is then
 * scanned in one go and replayed, and replayed again with a view kept after
 * each record, so that every change has to copy what it touches.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/fs.h"
#include "store/replay_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	INPUT_MAX = 64 * 1024,
	KEPT = 64,
	MESSAGES_MAX = 5000, /* a COPY can double them: stop in time */
};

/* A file system with one file, in memory. */
struct mem_fs {
	struct fs fs;
	struct buf file;
};

static ssize_t
mem_pread(struct fs *fs, int fd, void *to, size_t len, uint64_t at)
{
	const struct mem_fs *m = (const struct mem_fs *)fs;

	(void)fd;
	if (at >= m->file.len) {
		return 0;
	}
	if (len > m->file.len - at) {
		len = m->file.len - (size_t)at;
	}
	memcpy(to, m->file.data + at, len);
	return (ssize_t)len;
}

static int
mem_close(struct fs *fs, int fd)
{
	(void)fs;
	(void)fd;
	return 0;
}

static const struct fs_ops mem_ops = {
    .pread = mem_pread,
    .close = mem_close,
};

/* The input as the octets of a segment. */
static void
build(struct buf *file, const struct seg_header *h, struct sv in)
{
	struct record_key key = seg_record_key(h);
	uint32_t counter = 0;

	while (in.len >= 4) {
		unsigned type = (unsigned char)in.p[0] % (RECORD_FILL + 1);
		bool more = (in.p[1] & 1) != 0;
		bool continues = (in.p[1] & 2) != 0;
		size_t len = (unsigned char)in.p[2]
			     | (size_t)(unsigned char)in.p[3] << 8;
		struct sv body = sv_sub(in, 4, len);

		in = sv_from(in, 4 + len);
		if (type == 0) {
			buf_add_sv(file, body);
			continue;
		}
		if (body.len > RECORD_BODY_MAX) {
			body.len = RECORD_BODY_MAX;
		}
		struct record r = {
		    .type = (enum record_type)type,
		    .more = more,
		    .continues = continues,
		    .time_ms = 1600000000000 + counter,
		    .id = {1, counter},
		    .body = body,
		};

		counter++;
		record_write(file, &key, &r);
	}
}

static uint64_t
replay_all(struct segment *seg, bool keep)
{
	struct view *kept[KEPT] = {NULL};
	struct replay r;
	struct scan scan;
	struct fail f = {0};
	unsigned n = 0;

	replay_init(&r, &seg->header);
	scan_init(&scan, seg, SEG_HEADER);
	do {
		ASSERT(scan_next(&scan, &f) == 0);
		for (size_t i = 0; i < scan.n; i++) {
			struct outcome o = {0};

			if (r.view->usage.messages > MESSAGES_MAX) {
				break;
			}
			if (keep) {
				view_unref(&kept[n % KEPT]);
				kept[n++ % KEPT] = view_ref(r.view);
			}
			replay_apply(&r, &scan.rec[i], keep ? &o : NULL);
			outcome_deinit(&o);
		}
	} while (scan.end == SCAN_MORE);
	uint64_t hash = replay_hash(&r);

	scan_deinit(&scan);
	for (unsigned i = 0; i < KEPT; i++) {
		view_unref(&kept[i]);
	}
	/* A purge must be total as well. */
	struct seg_header next = seg->header;

	next.purge = UINT64_MAX >> 8;
	replay_enter(&r, &next);
	(void)replay_hash(&r);
	replay_deinit(&r);
	return hash;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mem_fs m = {.fs = {.ops = &mem_ops}};
	struct segment seg = {
	    .fs = &m.fs,
	    .refs = 1,
	    .header =
		{
		    .semantics = SEG_SEMANTICS,
		    .name = {1, 2},
		    .key = {0x1122334455667788, 99},
		    .created_ms = 1600000000000,
		},
	};

	if (size > INPUT_MAX) {
		return 0;
	}
	seg.key = seg_record_key(&seg.header);
	(void)buf_reserve(&m.file, SEG_HEADER);
	memset(m.file.data, 0, SEG_HEADER);
	m.file.len = SEG_HEADER;
	build(&m.file, &seg.header, sv_make(data, size));
	ASSERT(replay_all(&seg, false) == replay_all(&seg, true));
	buf_deinit(&m.file);
	return 0;
}
