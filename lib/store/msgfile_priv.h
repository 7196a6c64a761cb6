/*
 * msgfile: the file of a message, in the folder of a mailbox.
 *
 * It is made under its final name, which nothing names yet, and flushed
 * before the record that does.
 *
 * Threads: safe from any thread.
 */
#pragma once

#include "store/store_priv.h"

/* A new placement, not older than `floor_ms`. */
struct placement placement_new(struct store *s, int64_t floor_ms);

uint64_t msg_source_size(const struct msg_source *source);
/* CRC-32C of all its octets. */
uint32_t msg_source_sum(const struct msg_source *source);

/* Write the file and give its handle, not flushed.  The folder is made if
 * need be.  FAIL_TEMP: the account's folder is gone; FAIL_LIMIT: disk full. */
int msgfile_write(struct account *a, uint64_t folder, const char *path,
    const struct msg_source *source, int *fd_out, struct fail *f) MUST_CHECK;

/* Another name for a file that the store made.  False: write a copy. */
bool msgfile_link(struct account *from, const char *from_path,
    struct account *to, uint64_t folder, const char *path);

/* The same file under another name, or a copy of it that is flushed.
 * FAIL_ABSENT: it is not there. */
int msgfile_copy(struct account *from, const char *from_path,
    struct account *to, uint64_t folder, const char *path,
    struct fail *f) MUST_CHECK;

/* Flush it, and its name where that is apart. */
int msgfile_flush(
    struct account *a, uint64_t folder, int fd, struct fail *f) MUST_CHECK;
/* Flush the names made in the folder, and its own. */
int msgfile_flush_folder(
    struct account *a, uint64_t folder, struct fail *f) MUST_CHECK;

/* The same, where a file's flush does not. */
int msgfile_flush_names(
    struct account *a, uint64_t folder, struct fail *f) MUST_CHECK;
