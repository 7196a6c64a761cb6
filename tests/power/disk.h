/*
 * disk: what the test shares with the disk and with the programs under test,
 * and the disk's log.
 *
 * The control file is one page, mapped by all of them.  The disk counts in it
 * what it has done; the test reads the count behind each answer that it gets
 * from the server, and so knows which writes and flushes came before it.
 * preload.c finds in it what time it is, and which flushes are to be left out.
 *
 * The log has an entry for each write and each flush in the order in which
 * the disk took them: a struct disk_entry, and for a write its octets.
 *
 * Threads: atomic.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

enum disk_kind {
	DISK_WRITE = 1,
	DISK_FLUSH = 2,
};

/* How the disk fails, for as long as the test says so. */
enum disk_fault {
	DISK_GOOD,
	DISK_NO_WRITE, /* writes are refused with EIO */
	DISK_NO_FLUSH, /* flushes are */
};

/* The flushes that a server can be made to leave out: bits. */
enum disk_without {
	WITHOUT_MESSAGE = 1,   /* fsync(2) of a message or its folder */
	WITHOUT_JOURNAL = 2,   /* fdatasync(2) of a segment */
	WITHOUT_ROTATION = 4,  /* fsync(2) of a segment: the one just made */
	WITHOUT_SNAPSHOT = 8,  /* of what a checkpoint writes */
	WITHOUT_DIRECTORY = 16 /* of the embedded directory */
};

enum { LEFT_OUT_MAX = 256 };

struct disk_entry {
	uint64_t at;   /* octets from the beginning of the disk */
	uint32_t len;  /* octets that follow; 0 for a flush */
	uint32_t kind; /* enum disk_kind */
};

struct disk_control {
	_Atomic uint64_t count;	  /* entries in the log */
	_Atomic uint64_t flushes; /* flushes among them */
	_Atomic uint32_t fault;	  /* enum disk_fault */
	_Atomic uint32_t refused; /* calls that failed for it */
	/* The wall clock goes `pace` times as fast since `since` (ns). */
	int64_t since;
	int64_t pace;
	_Atomic uint32_t without; /* enum disk_without */
	/* How many were left out, and `count` as each one was. */
	_Atomic uint32_t left_out;
	_Atomic uint64_t left_out_at[LEFT_OUT_MAX];
};
