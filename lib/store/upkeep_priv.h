/*
 * upkeep: a thread that looks after the accounts of a store.
 *
  * It looks at the journal of every watched account each 10 s, a tenth of
 * them each second, for changes that no hint told of.  Accounts in memory get
 * their checkpoints and are collected, if the configuration says so.
 *
 * Threads: one of its own.
 */
#pragma once

#include "store/store_priv.h"

struct upkeep;

int upkeep_start(
    struct store *s, struct upkeep **out, struct fail *f) MUST_CHECK;
void upkeep_stop(struct upkeep **u);
