#include "base/hash.h"

#include <pthread.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/random.h"

static inline uint64_t
rotl(uint64_t x, int b)
{
	return (x << b) | (x >> (64 - b));
}

struct sip {
	uint64_t v0, v1, v2, v3;
};

static void
sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v2 = rotl(s->v2, 32);
}

static void
sip_word(struct sip *s, uint64_t m)
{
	s->v3 ^= m;
	sip_round(s);
	sip_round(s);
	s->v0 ^= m;
}

uint64_t
siphash(const uint64_t key[2], const void *p, size_t len)
{
	const unsigned char *in = p;
	struct sip s = {
	    key[0] ^ 0x736f6d6570736575U,
	    key[1] ^ 0x646f72616e646f6dU,
	    key[0] ^ 0x6c7967656e657261U,
	    key[1] ^ 0x7465646279746573U,
	};
	uint64_t last = (uint64_t)len << 56;
	size_t left = len;

	for (; left >= 8; left -= 8, in += 8) {
		uint64_t m;

		memcpy(&m, in, 8);
		sip_word(&s, m);
	}
	for (size_t i = 0; i < left; i++) {
		last |= (uint64_t)in[i] << (8 * i);
	}
	sip_word(&s, last);
	s.v2 ^= 0xff;
	for (int i = 0; i < 4; i++) {
		sip_round(&s);
	}
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

static uint64_t process_key[2];
static pthread_once_t process_key_once = PTHREAD_ONCE_INIT;

static void
draw_process_key(void)
{
	random_bytes(process_key, sizeof(process_key));
}

uint64_t
hash_sv(struct sv s)
{
	(void)pthread_once(&process_key_once, draw_process_key);
	return siphash(process_key, s.p, s.len);
}

static uint32_t crc_table[8][256];
static pthread_once_t crc_once = PTHREAD_ONCE_INIT;

static void
make_crc_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int k = 0; k < 8; k++) {
			c = (c >> 1) ^ ((c & 1) != 0 ? 0x82f63b78U : 0);
		}
		crc_table[0][i] = c;
	}
	for (uint32_t i = 0; i < 256; i++) {
		for (int k = 1; k < 8; k++) {
			uint32_t c = crc_table[k - 1][i];

			crc_table[k][i] = (c >> 8) ^ crc_table[0][c & 0xff];
		}
	}
}

static uint32_t
crc_soft(uint32_t c, const unsigned char *in, size_t len)
{
	(void)pthread_once(&crc_once, make_crc_table);
	for (; len >= 8; len -= 8, in += 8) {
		uint64_t m;

		memcpy(&m, in, 8);
		m ^= c;
		c = 0;
		for (int k = 0; k < 8; k++) {
			c ^= crc_table[7 - k][(m >> (8 * k)) & 0xff];
		}
	}
	for (; len != 0; len--, in++) {
		c = (c >> 8) ^ crc_table[0][(c ^ *in) & 0xff];
	}
	return c;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
crc_hard(uint32_t crc, const unsigned char *in, size_t len)
{
	uint64_t c = crc;

	for (; len >= 8; len -= 8, in += 8) {
		uint64_t m;

		memcpy(&m, in, 8);
		c = __builtin_ia32_crc32di(c, m);
	}
	crc = (uint32_t)c;
	for (; len != 0; len--, in++) {
		crc = __builtin_ia32_crc32qi(crc, *in);
	}
	return crc;
}
#endif

#if defined(__x86_64__)
/*
 * The instruction takes three cycles and can be begun in each: three lanes
 * at once.  Then the first two are moved on over the lanes behind them, which
 * is a multiplication by x^(8 n) modulo the polynomial: of reflected numbers
 * the carry-less product is one x too many, and the instruction multiplies it
 * by x^32 as it reduces it, so the constants are x^(8 n - 33).
 */
enum { LANE = 1024 };
#define LANE_ONE UINT64_C(0x170076fa) /* n = LANE */
#define LANE_TWO UINT64_C(0xa51b6135) /* n = 2 LANE */

__attribute__((target("sse4.2,pclmul"))) static uint32_t
move_on(uint64_t crc, uint64_t by)
{
	__m128i t = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)crc),
	    _mm_cvtsi64_si128((long long)by), 0);

	return (uint32_t)_mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(t));
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t
crc_lanes(uint64_t a, const unsigned char *in)
{
	uint64_t b = 0;
	uint64_t c = 0;

	for (size_t i = 0; i < LANE; i += 8) {
		uint64_t m[3];

		memcpy(&m[0], in + i, 8);
		memcpy(&m[1], in + LANE + i, 8);
		memcpy(&m[2], in + 2 * LANE + i, 8);
		a = _mm_crc32_u64(a, m[0]);
		b = _mm_crc32_u64(b, m[1]);
		c = _mm_crc32_u64(c, m[2]);
	}
	return move_on(a, LANE_TWO) ^ move_on(b, LANE_ONE) ^ (uint32_t)c;
}
#endif

uint32_t
crc32c(uint32_t crc, const void *p, size_t len)
{
	crc = ~crc;
#if defined(__x86_64__)
	if (len >= (size_t)3 * LANE && __builtin_cpu_supports("sse4.2")
	    && __builtin_cpu_supports("pclmul")) {
		const unsigned char *in = p;

		for (; len >= (size_t)3 * LANE; len -= (size_t)3 * LANE) {
			crc = crc_lanes(crc, in);
			in += (size_t)3 * LANE;
		}
		return ~crc_hard(crc, in, len);
	}
	if (__builtin_cpu_supports("sse4.2")) {
		return ~crc_hard(crc, p, len);
	}
#endif
	return ~crc_soft(crc, p, len);
}
