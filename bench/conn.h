/*
 * conn: one client connection with blocking reads and writes, plain or TLS.
 *
 * Every wait is bounded by CONN_TIMEOUT_S.  Failures are FAIL_TEMP (the
 * network) or FAIL_SYNTAX (the peer's octets).
 *
 * Threads: a conn belongs to one thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/fail.h"
#include "base/sv.h"

enum { CONN_TIMEOUT_S = 300 };

struct conn;

/* Connect to the numeric IPv4 address `host`.  *out is owned. */
int conn_open(const char *host, uint16_t port, bool tls, struct conn **out,
    struct fail *f) MUST_CHECK;
void conn_close(struct conn **conn); /* NULL is a no-op */

int conn_send(struct conn *conn, struct sv data, struct fail *f) MUST_CHECK;

/* The next line without CRLF; borrowed until the next read. */
int conn_line(struct conn *conn, struct sv *out, struct fail *f) MUST_CHECK;

/* Read and drop `len` octets. */
int conn_skip(struct conn *conn, uint64_t len, struct fail *f) MUST_CHECK;
