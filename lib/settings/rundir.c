#include "settings/rundir.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int
rundir_name(const char *home, char out[RUNDIR_SIZE], struct fail *f)
{
	struct stat st;

	if (stat(home, &st) != 0) {
		return fail_sys(f, "%s", home);
	}
	(void)snprintf(out, RUNDIR_SIZE, "/dev/shm/postroom-%jx-%jx",
	    (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return 0;
}

bool
rundir_counts(const char *home, const char *name)
{
	struct stat st, of_home;

	return lstat(name, &st) == 0 && stat(home, &of_home) == 0
	       && S_ISDIR(st.st_mode) && (st.st_mode & 022) == 0
	       && (st.st_uid == 0 || st.st_uid == geteuid()
		   || st.st_uid == of_home.st_uid);
}
