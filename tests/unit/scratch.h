/*
 * scratch: a folder of a test's own, and its removal.
 */
#pragma once

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "unit.h"

enum { SCRATCH_SIZE = 32 };

static inline void
scratch_make(char path[SCRATCH_SIZE])
{
	(void)snprintf(path, SCRATCH_SIZE, "/tmp/postroom-unit.XXXXXX");
	assert_non_null(mkdtemp(path));
}

/* With all that is in it, whatever that is. */
static inline void
scratch_remove(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *d;

	if (folder != NULL) {
		while ((d = readdir(folder)) != NULL) {
			char *below;

			if (strcmp(d->d_name, ".") == 0
			    || strcmp(d->d_name, "..") == 0) {
				continue;
			}
			below = xasprintf("%s/%s", path, d->d_name);
			if (unlink(below) != 0) {
				scratch_remove(below);
			}
			free(below);
		}
		(void)closedir(folder);
	}
	(void)rmdir(path);
}
