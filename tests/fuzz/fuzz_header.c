/*
 * Any octets as a header section: its fields leave no gap, and parameters,
 * subjects and trace fields are read from each.
 */
#include "base/mem.h"
#include "base/utf8.h"
#include "mail/charset.h"
#include "mail/header.h"
#include "mail/param.h"
#include "mail/received.h"
#include "mail/subject.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_field(const struct header_field *field, struct arena *arena)
{
	struct buf text = {.len = 0};
	struct param_list params;

	param_parse(field->body, 20, arena, &params);
	ASSERT(params.n <= 20);
	for (size_t i = 0; i < params.n; i++) {
		ASSERT(params.at[i].name.len > 0);
		ASSERT(param_get(&params, params.at[i].name).p != NULL);
	}
	(void)param_text(&params, SV("name"), &text);
	(void)param_text(&params, SV("filename"), &text);
	ASSERT(utf8_valid(buf_sv(&text)));
	buf_clear(&text);
	subject_base(field->body, NULL, &text);
	ASSERT(utf8_valid(buf_sv(&text)));
	buf_deinit(&text);
	arena_reset(arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sv names[] = {{"Subject", 7}, {"to", 2}};
	struct sv text = sv_make(data, size);
	struct arena arena = {.head = NULL};
	struct buf kept = {.len = 0}, rest = {.len = 0};
	struct header_field field;
	struct header_iter it;
	size_t at = 0;

	header_iter_init(&it, text);
	while (header_next(&it, &field)) {
		ASSERT(field.raw.p == text.p + at);
		ASSERT(field.raw.len > 0);
		at += field.raw.len;
		ASSERT(it.at == at);
		ASSERT(field.name.len == 0 || header_name_valid(field.name));
		read_field(&field, &arena);
	}
	ASSERT(header_size(text) == it.at + it.blank);
	header_filter(text, names, COUNT_OF(names), false, &kept);
	header_filter(text, names, COUNT_OF(names), true, &rest);
	ASSERT(kept.len + rest.len == header_size(text) + it.blank);
	(void)received_count(text, 100);
	buf_deinit(&kept);
	buf_deinit(&rest);
	arena_deinit(&arena);
	return 0;
}
