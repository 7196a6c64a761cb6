/*
 * replay: run a fuzz target over a folder of inputs, without libFuzzer.
 *
 * Each file is given whole, then cut at a number of places, then with single
 * octets changed: always the same ones, so a failure shows again.  The input
 * is in a heap block of its exact size, so that a sanitizer sees any read
 * past its end.  A folder that does not exist holds no inputs; the empty
 * input is always run.
 *
 * usage: fuzz_NAME PATH...
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"

enum {
	VARIANTS = 64,		 /* cuts, and changes, of one file */
	VARIANT_MAX = 64 * 1024, /* larger files are only run whole */
	INPUT_MAX = 64 * 1024 * 1024,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t inputs;

static void
run(const uint8_t *data, size_t size)
{
	uint8_t *copy = xmalloc(size > 0 ? size : 1);

	if (size > 0) {
		memcpy(copy, data, size);
	}
	(void)LLVMFuzzerTestOneInput(copy, size);
	free(copy);
	inputs++;
}

static void
run_variants(uint8_t *data, size_t size)
{
	uint32_t seed = 1;

	for (size_t i = 0; i < VARIANTS; i++) {
		run(data, size * i / VARIANTS);
	}
	for (size_t i = 0; i < VARIANTS; i++) {
		seed = seed * 1664525u + 1013904223u;
		size_t at = (size_t)(seed >> 8) % size;
		uint8_t was = data[at];

		data[at] = (uint8_t)(was ^ (1u << (seed >> 5 & 7)));
		run(data, size);
		data[at] = was;
	}
}

static int
run_file(const char *path, size_t size)
{
	FILE *file = fopen(path, "rb");

	if (file == NULL) {
		perror(path);
		return -1;
	}
	uint8_t *data = xmalloc(size > 0 ? size : 1);
	size_t got = fread(data, 1, size, file);

	(void)fclose(file);
	run(data, got);
	if (got > 0 && got <= VARIANT_MAX) {
		run_variants(data, got);
	}
	free(data);
	return 0;
}

static int run_path(const char *path);

static int
run_folder(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int rc = 0;

	if (dir == NULL) {
		perror(path);
		return -1;
	}
	while ((entry = readdir(dir)) != NULL) {
		char name[4096];

		if (entry->d_name[0] == '.') {
			continue;
		}
		(void)snprintf(
		    name, sizeof(name), "%s/%s", path, entry->d_name);
		if (run_path(name) != 0) {
			rc = -1;
		}
	}
	(void)closedir(dir);
	return rc;
}

static int
run_path(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		return 0;
	}
	if (S_ISDIR(st.st_mode)) {
		return run_folder(path);
	}
	if (st.st_size > INPUT_MAX) {
		return 0;
	}
	return run_file(path, (size_t)st.st_size);
}

int
main(int argc, char **argv)
{
	int rc = 0;

	run((const uint8_t *)"", 0);
	for (int i = 1; i < argc; i++) {
		if (run_path(argv[i]) != 0) {
			rc = 1;
		}
	}
	printf("%zu inputs\n", inputs);
	return rc;
}
