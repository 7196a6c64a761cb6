/*
 * imap_cmd_priv: the parsers behind the table of imap_cmd.c.
 *
 * Each takes what follows the verb (or "UID verb"), including the space.
 *
 * Threads: as imap_lex.h.
 */
#pragma once

#include "proto/imap_cmd.h"
#include "proto/imap_lex.h"

typedef int imap_parse_fn(struct imap_lex *lex, struct imap_cmd *out);

imap_parse_fn imap_parse_create;
imap_parse_fn imap_parse_list;
imap_parse_fn imap_parse_lsub;
imap_parse_fn imap_parse_select;
imap_parse_fn imap_parse_status;
