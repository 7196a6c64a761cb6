/*
 * sim: run the store on a simulated machine, seed by seed.
 *
 *	sim [--seeds N] [--first N]	many seeds, to the first that fails
 *	sim --all ...			go on behind it
 *	sim --seed N [--steps M] [--verbose]
 *	sim --mutation N ...		with a fix taken out: must fail
 *	sim --focus N ...		all about one thing, see world.h
 *
 * SIM_SEEDS and SIM_FIRST of the environment stand for --seeds and --first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/mutate_priv.h"
#include "world.h"

struct args {
	uint64_t first, seeds;
	struct world_conf conf;
	int mutation;
	bool one;
	bool go_on; /* print every seed that fails */
};

static uint64_t
number(const char *text)
{
	return strtoull(text, NULL, 10);
}

static void
usage(void)
{
	(void)fprintf(stderr,
	    "usage: sim [--first N] [--seeds N] [--seed N] [--steps N]\n"
	    "           [--all] [--verbose] [--mutation N] [--focus N]\n");
	exit(2);
}

static void
parse(int argc, char **argv, struct args *a)
{
	const char *seeds = getenv("SIM_SEEDS");
	const char *first = getenv("SIM_FIRST");

	a->seeds = seeds != NULL ? number(seeds) : 20000;
	a->first = first != NULL ? number(first) : 1;
	for (int i = 1; i < argc; i++) {
		bool more = i + 1 < argc;

		if (strcmp(argv[i], "--verbose") == 0) {
			a->conf.verbose = true;
		} else if (strcmp(argv[i], "--all") == 0) {
			a->go_on = true;
		} else if (!more) {
			usage();
		} else if (strcmp(argv[i], "--seed") == 0) {
			a->first = number(argv[++i]);
			a->one = true;
		} else if (strcmp(argv[i], "--first") == 0) {
			a->first = number(argv[++i]);
		} else if (strcmp(argv[i], "--seeds") == 0) {
			a->seeds = number(argv[++i]);
		} else if (strcmp(argv[i], "--steps") == 0) {
			a->conf.steps = (unsigned)number(argv[++i]);
		} else if (strcmp(argv[i], "--focus") == 0) {
			a->conf.focus = (int)number(argv[++i]);
		} else if (strcmp(argv[i], "--mutation") == 0) {
			a->mutation = (int)number(argv[++i]);
		} else {
			usage();
		}
	}
	if (a->one) {
		a->seeds = 1;
	}
}

/* The seed that failed first, or 0. */
static uint64_t
run_all(const struct args *a, char failure[400])
{
	struct world_conf conf = a->conf;
	uint64_t failed = 0;

	for (uint64_t i = 0; i < a->seeds; i++) {
		conf.seed = a->first + i;
		if (world_run(&conf, failure)) {
			continue;
		}
		failed = failed != 0 ? failed : conf.seed;
		if (!a->go_on) {
			break;
		}
		(void)printf(
		    "seed %llu: %s\n", (unsigned long long)conf.seed, failure);
	}
	return failed;
}

int
main(int argc, char **argv)
{
	struct args a = {.conf.focus = -1};
	char failure[400] = "";
	int64_t start = clock_mono_ms();
	uint64_t failed;

	parse(argc, argv, &a);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	log_init("sim", a.conf.verbose ? LOG_DEBUG : LOG_PANIC);
#ifdef STORE_MUTATIONS
	store_mutation = (enum mutation)a.mutation;
#endif
	failed = run_all(&a, failure);
	if (failed != 0) {
		(void)printf(
		    "seed %llu: %s\n", (unsigned long long)failed, failure);
		if (a.mutation == 0) {
			(void)printf("replay: sim --seed %llu --verbose\n",
			    (unsigned long long)failed);
		}
	} else {
		(void)printf("%llu seeds from %llu: no violation, %lld ms\n",
		    (unsigned long long)a.seeds, (unsigned long long)a.first,
		    (long long)(clock_mono_ms() - start));
	}
	return (failed != 0) == (a.mutation != 0) ? 0 : 1;
}
