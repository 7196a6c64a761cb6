/*
 * wants: of which accounts a process wants to hear, in memory that the other
 * processes of the machine read.
 *
 * A datagram costs its sender a system call and a wake-up of the receiver,
 * and most accounts that mail comes in for are open nowhere else.  So each
 * process keeps a table of bits, one for many ids, in a file that the others
 * map; they send where the bit is set.
 *
 * Who wants sets the bit before it reads the account's journal; who sends
 * looks at the bit behind what it appended.  So one of the two sees the other.
 *
 * Threads: wants_set() is called by one thread at a time for each table; the
 * rest from any thread.
 */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "base/fail.h"

struct wants;

/* Make the table of this process in the folder `dir`; the file is named after
 * `name`, which is a socket's there. */
int wants_create(
    int dir, const char *name, struct wants **out, struct fail *f) MUST_CHECK;

/* The table of the process that goes by that name; NULL when there is none,
 * which wants everything. */
struct wants *wants_open(int dir, const char *name);

void wants_close(struct wants **w); /* NULL is a no-op */
void wants_unlink(int dir, const char *name);

/* `id` begins with hex digits at random.  Each set is undone by one clear. */
void wants_set(struct wants *w, const char *id, bool yes);
bool wants_has(const struct wants *w, const char *id);
