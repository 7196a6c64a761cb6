#include "bench/crew.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bench/proc.h"

struct member {
	struct worker worker;
	struct crew *crew;
	pthread_t thread;
	uint32_t *times_us; /* owned: each step */
	size_t n_times;
	size_t cap_times;
	struct fail fail;
	bool failed;
};

struct crew {
	const struct workload *load;
	const struct options *opt;
	pthread_barrier_t opened;  /* everyone is connected */
	pthread_barrier_t started; /* the meters run */
	pthread_barrier_t finished;
	int64_t deadline_ns;	    /* set before `started` */
	atomic_uint_fast64_t taken; /* steps handed out; a plain counter */
	atomic_bool stop;	    /* a worker has failed */
	struct member *members;
};

void
worker_user(const struct worker *w, uint64_t n, char *name)
{
	const struct options *opt = w->opt;

	if (opt->user != NULL) {
		(void)snprintf(name, USER_NAME_SIZE, "%s", opt->user);
		return;
	}
	uint64_t number =
	    opt->first + (w->index + n * opt->connections) % opt->users;

	(void)snprintf(name, USER_NAME_SIZE, "u%05llu@%s",
	    (unsigned long long)number, opt->domain);
}

/* Whether there is a step left to take. */
static bool
take(struct crew *crew)
{
	if (atomic_load_explicit(&crew->stop, memory_order_relaxed)) {
		return false;
	}
	if (crew->opt->count != 0) {
		return atomic_fetch_add_explicit(
			   &crew->taken, 1, memory_order_relaxed)
		       < crew->opt->count;
	}
	return clock_mono_ns() < crew->deadline_ns;
}

static int
work(struct member *m)
{
	struct crew *crew = m->crew;

	while (take(crew)) {
		m->worker.began_ns = clock_mono_ns();
		if (crew->load->step(&m->worker, &m->fail) != 0) {
			return -1;
		}
		m->worker.steps++;
		m->times_us = xgrow(m->times_us, m->n_times, &m->cap_times,
		    sizeof(*m->times_us));
		m->times_us[m->n_times++] =
		    (uint32_t)((clock_mono_ns() - m->worker.began_ns) / 1000);
	}
	return 0;
}

static void *
member_main(void *arg)
{
	struct member *m = arg;
	struct crew *crew = m->crew;

	m->failed = crew->load->open(&m->worker, &m->fail) != 0;
	if (m->failed) {
		atomic_store_explicit(&crew->stop, true, memory_order_relaxed);
	}
	(void)pthread_barrier_wait(&crew->opened);
	(void)pthread_barrier_wait(&crew->started);
	if (!m->failed && work(m) != 0) {
		m->failed = true;
		atomic_store_explicit(&crew->stop, true, memory_order_relaxed);
	}
	(void)pthread_barrier_wait(&crew->finished);
	crew->load->close(&m->worker);
	conn_close(&m->worker.conn);
	return NULL;
}

static int
compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a;
	uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void
sum_up(const struct crew *crew, struct result *out)
{
	uint32_t *all = NULL;
	size_t n = 0;
	size_t cap = 0;

	for (unsigned i = 0; i < crew->opt->connections; i++) {
		const struct member *m = &crew->members[i];

		out->steps += m->worker.steps;
		out->items += m->worker.items;
		for (size_t k = 0; k < m->n_times; k++) {
			all = xgrow(all, n, &cap, sizeof(*all));
			all[n++] = m->times_us[k];
		}
	}
	if (n > 0) {
		qsort(all, n, sizeof(*all), compare_u32);
		size_t half = n / 2;
		size_t late = n - 1 - n / 100;

		out->p50_us = all[half];
		out->p99_us = all[late];
	}
	free(all);
}

static void
start_members(struct crew *crew)
{
	for (unsigned i = 0; i < crew->opt->connections; i++) {
		struct member *m = &crew->members[i];

		m->crew = crew;
		m->worker.opt = crew->opt;
		m->worker.index = i;
		int err = pthread_create(&m->thread, NULL, member_main, m);

		ASSERT(err == 0);
	}
}

static int
measure(struct crew *crew, struct result *out, struct fail *f)
{
	const struct options *opt = crew->opt;
	uint64_t cpu[2] = {0, 0};
	int rc = 0;

	(void)pthread_barrier_wait(&crew->opened);
	if (opt->server != 0
	    && proc_tree_cpu_us(opt->server, &cpu[0], f) != 0) {
		atomic_store_explicit(&crew->stop, true, memory_order_relaxed);
		rc = -1;
	}
	int64_t start = clock_mono_ns();

	crew->deadline_ns = start + (int64_t)(opt->seconds * 1e9);
	(void)pthread_barrier_wait(&crew->started);
	(void)pthread_barrier_wait(&crew->finished);
	out->seconds = (double)(clock_mono_ns() - start) / 1e9;
	if (rc == 0 && opt->server != 0) {
		rc = proc_tree_cpu_us(opt->server, &cpu[1], f);
	}
	out->cpu_ms = (double)(cpu[1] - cpu[0]) / 1000;
	return rc;
}

int
crew_run(const struct workload *load, const struct options *opt,
    struct result *out, struct fail *f)
{
	struct crew crew = {.load = load, .opt = opt};
	unsigned all = opt->connections + 1;

	memset(out, 0, sizeof(*out));
	crew.members = xcalloc(opt->connections, sizeof(*crew.members));
	(void)pthread_barrier_init(&crew.opened, NULL, all);
	(void)pthread_barrier_init(&crew.started, NULL, all);
	(void)pthread_barrier_init(&crew.finished, NULL, all);
	start_members(&crew);
	int rc = measure(&crew, out, f);

	for (unsigned i = 0; i < opt->connections; i++) {
		struct member *m = &crew.members[i];

		(void)pthread_join(m->thread, NULL);
		if (m->failed && rc == 0) {
			*f = m->fail;
			rc = -1;
		}
	}
	if (rc == 0) {
		sum_up(&crew, out);
	}
	for (unsigned i = 0; i < opt->connections; i++) {
		free(crew.members[i].times_us);
	}
	(void)pthread_barrier_destroy(&crew.opened);
	(void)pthread_barrier_destroy(&crew.started);
	(void)pthread_barrier_destroy(&crew.finished);
	free(crew.members);
	return rc;
}
