#include "imapd/quota.h"

#include "imapd/imapd.h"

int
quota_take(
    struct command *cmd, uint64_t octets, uint64_t messages, struct room *out)
{
	const struct directory_account *who = cmd->im->who;
	const struct usage limit = {who->quota_octets, who->quota_messages};
	const struct usage more = {octets, messages};
	enum room_answer answer;
	struct fail f;

	if (store_room(
		imapd.back.store, who->id, &limit, &more, out, &answer, &f)
	    != 0) {
		reply_fail(cmd, &f);
		return -1;
	}
	if (answer != ROOM_THERE) {
		reply_no(cmd, "OVERQUOTA", "There is no room left");
		return -1;
	}
	return 0;
}
