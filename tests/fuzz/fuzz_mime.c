/*
 * Any octets as a message: the tree, what is rendered from it, its digest and
 * a search through it.
 */
#include "base/mem.h"
#include "mail/search.h"
#include "mail/section.h"
#include "mail_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Either answer is right. */
static void
any(bool answer)
{
	(void)answer;
}

/* Small limits, so that a fuzzer meets them. */
static const struct mime_limits tight = {
    .parts = 6, .depth = 3, .params = 3, .header_max = 200};

static void
find_sections(const struct mime *m)
{
	static const uint32_t path[] = {1, 2, 1, 1};
	struct section_range range;

	for (size_t depth = 0; depth <= COUNT_OF(path); depth++) {
		for (int what = SECTION_ALL; what <= SECTION_MIME; what++) {
			struct section s = {.what = (enum section_what)what,
			    .path = path,
			    .depth = depth};

			if (section_find(section_spans_of(m), &s, &range)) {
				ASSERT(range.at <= m->message.len);
				ASSERT(range.len <= m->message.len - range.at);
				ASSERT(range.part < m->n_parts);
			}
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sv message = sv_make(data, size);
	struct arena arena = {.head = NULL};
	struct search_key key;
	struct mime m;

	ASSERT(check_message(message) == NULL);
	mime_parse(message, &tight, &arena, &m);
	ASSERT(m.n_parts <= tight.parts);
	ASSERT(check_tree(&m) == NULL);
	ASSERT(check_texts(&m) == NULL);
	ASSERT(check_digest(&m) == NULL);
	find_sections(&m);
	search_key_init(&key, SV("nOt in it: \xc3\xa9"));
	any(search_message(&key, &m, true));
	search_key_deinit(&key);
	arena_deinit(&arena);
	return 0;
}
