#include "imapd/quota.h"

static bool
over(uint64_t limit, uint64_t used, uint64_t more)
{
	return limit != 0 && (more > limit || used > limit - more);
}

int
quota_check(struct command *cmd, const struct view *view, uint64_t octets,
    uint64_t messages)
{
	const struct directory_account *who = cmd->im->who;
	struct usage used = view_usage(view);

	if (over(who->quota_octets, used.octets, octets)
	    || over(who->quota_messages, used.messages, messages)) {
		reply_no(cmd, "OVERQUOTA", "There is no room left");
		return -1;
	}
	return 0;
}
