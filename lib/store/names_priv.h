/*
 * names: mailboxes by their names, for people who look into an account's
 * folder.
 *
 *	by-name/Work/Clients	-> ../../box/0000374e84001124
 *	by-name/Work/(messages)	-> ../../box/0000374e84001042
 *	by-name/INBOX		-> ../box/0000000000000001
 *	box/<id>/.name		the name, with a line end
 *
 * A mailbox with children is a folder, with its own messages below as shown.
 * A name that no file can have is left out.  Nothing reads any of it: it is
 * made anew some seconds after mailboxes changed.
 *
 * Threads: safe from any thread.
 */
#pragma once

#include "store/store_priv.h"

/* Make all of it anew.  That it fails is nobody's concern. */
void names_rebuild(struct account *a);
