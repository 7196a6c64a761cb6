/* Configuration files of any octets: settings, or one precise complaint. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct values {
	const char *text;
	uint64_t number, size, time, choice;
	bool yes;
};

static const char *const choices[] = {"red", "green", NULL};

static const struct conf_item items[] = {
    {"a.text", CONF_STRING, offsetof(struct values, text), "", 0, 0, NULL,
	"Text"},
    {"a.number", CONF_NUMBER, offsetof(struct values, number), "5", 1, 100,
	NULL, "A number"},
    {"a.size", CONF_SIZE, offsetof(struct values, size), "1K", 0, 1 << 30, NULL,
	"A size"},
    {"b.time", CONF_DURATION, offsetof(struct values, time), "1s", 0, 1 << 30,
	NULL, "A time"},
    {"b.choice", CONF_CHOICE, offsetof(struct values, choice), "red", 0, 0,
	choices, "A choice"},
    {"b.yes", CONF_BOOL, offsetof(struct values, yes), "no", 0, 0, NULL,
	"Yes or no"},
};

static void
check(const struct values *v)
{
	ASSERT(v->text != NULL);
	ASSERT(v->number >= 1 && v->number <= 100);
	ASSERT(v->size <= 1 << 30 && v->time <= 1 << 30 && v->choice < 2);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena = {0};
	struct values v;
	struct fail f;
	char path[64];
	int fd = memfd_create("conf", MFD_CLOEXEC);

	ASSERT(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (conf_load(items, COUNT_OF(items), &v, path, NULL, 0, &arena, &f)
	    == 0) {
		check(&v);
	} else {
		ASSERT(f.text[0] != '\0');
	}
	arena_reset(&arena);
	/* The same octets as an argument of --set. */
	if (size < 1000 && memchr(data, 0, size) == NULL) {
		char text[1000 + 1];
		const char *const set = text;

		memcpy(text, data, size);
		text[size] = '\0';
		if (conf_load(
			items, COUNT_OF(items), &v, NULL, &set, 1, &arena, &f)
		    == 0) {
			check(&v);
		}
	}
	arena_deinit(&arena);
	(void)close(fd);
	return 0;
}
