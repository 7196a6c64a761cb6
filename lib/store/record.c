#include "store/record_priv.h"

#include <endian.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

static void
poke32(char *at, uint32_t v)
{
	v = htole32(v);
	memcpy(at, &v, sizeof(v));
}

static void
poke64(char *at, uint64_t v)
{
	v = htole64(v);
	memcpy(at, &v, sizeof(v));
}

static uint32_t
peek32(const char *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return le32toh(v);
}

static uint64_t
peek64(const char *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	return le64toh(v);
}

void
record_write(
    struct buf *to, const struct record_key *key, const struct record *r)
{
	uint32_t len = (uint32_t)(RECORD_MIN + r->body.len);
	char *at;

	ASSERT(r->body.len <= RECORD_BODY_MAX);
	at = buf_reserve(to, len);
	ASSERT(at != NULL);
	memset(at, 0, RECORD_HEAD);
	poke64(at, key->mark);
	poke32(at + 8, len);
	at[12] = (char)r->type;
	at[13] = (char)((r->more ? RECORD_MORE : 0)
			| (r->continues ? RECORD_CONTINUES : 0));
	poke64(at + 16, (uint64_t)r->time_ms);
	poke64(at + 24, r->actor);
	if (r->body.len != 0) {
		memcpy(at + RECORD_HEAD, r->body.p, r->body.len);
	}
	poke64(at + len - 17, r->id.process);
	poke32(at + len - 9, r->id.counter);
	poke32(at + len - 5, crc32c(key->crc, at, len - 5));
	at[len - 1] = (char)RECORD_END;
	to->len += len;
}

/* Could a record begin in these few octets, cut before its length? */
static enum record_found
read_start(struct sv s, const struct record_key *key)
{
	char mark[8];

	poke64(mark, key->mark);
	return memcmp(s.p, mark, s.len < 8 ? s.len : 8) == 0 ? RECORD_SHORT
							     : RECORD_INVALID;
}

enum record_found
record_read(struct sv s, const struct record_key *key, struct record *out)
{
	if (s.len < 12) {
		return s.len == 0 ? RECORD_SHORT : read_start(s, key);
	}
	uint32_t len = peek32(s.p + 8);

	if (peek64(s.p) != key->mark || len < RECORD_MIN || len > RECORD_MAX) {
		return RECORD_INVALID;
	}
	if (s.len < len) {
		return RECORD_SHORT;
	}
	unsigned type = (unsigned char)s.p[12];

	if ((unsigned char)s.p[len - 1] != RECORD_END
	    || peek32(s.p + len - 5) != crc32c(key->crc, s.p, len - 5)
	    || type < RECORD_ADD || type > RECORD_FILL) {
		return RECORD_INVALID;
	}
	*out = (struct record){
	    .len = len,
	    .type = (enum record_type)type,
	    .more = (s.p[13] & RECORD_MORE) != 0,
	    .continues = (s.p[13] & RECORD_CONTINUES) != 0,
	    .time_ms = (int64_t)peek64(s.p + 16),
	    .actor = peek64(s.p + 24),
	    .id = {peek64(s.p + len - 17), peek32(s.p + len - 9)},
	    .body = sv_make(s.p + RECORD_HEAD, len - RECORD_MIN),
	};
	return RECORD_WHOLE;
}

size_t
record_seek(struct sv s, size_t from, const struct record_key *key)
{
	char mark[8];
	const char *at;

	if (from >= s.len) {
		return s.len;
	}
	poke64(mark, key->mark);
	at = memmem(s.p + from, s.len - from, mark, sizeof(mark));
	return at != NULL ? (size_t)(at - s.p) : s.len;
}
