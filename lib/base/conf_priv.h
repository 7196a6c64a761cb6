/*
 * conf_priv: one setting, as the files of this folder share it.
 *
 * Threads: pure functions on the caller's structs.
 */
#pragma once

#include "base/conf.h"
#include "base/sv.h"

/* "store" of "store.path". */
struct sv conf_item_section(const struct conf_item *item);

/* Put `text` into its field of `settings`; strings into `arena`.
 * FAIL_SYNTAX says what was expected. */
int conf_item_set(const struct conf_item *item, const char *text,
    void *settings, struct arena *arena, struct fail *f) MUST_CHECK;
