/*
 * task: coroutines of the simulation, one a simulated process.
 *
 * A task runs until it pauses, inside a call on the simulated file system;
 * whoever resumed it then goes on.
 *
 * Threads: one.
 */
#pragma once

#include <stdbool.h>

struct task;

struct task *task_new(void (*run)(void *arg), void *arg);
void task_free(struct task **t); /* it must be done */

void task_resume(struct task *t); /* not from a task */
void task_pause(void);		  /* from a task only */
bool task_running(void);	  /* are we in one? */
bool task_done(const struct task *t);
