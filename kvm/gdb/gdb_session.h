/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What GDB's packets mean ("Debugging with GDB", appendix E): each body is answered by calls of the
 * target's functions. Knows no socket, no KVM and no architecture. All-stop: packets are for a
 * machine that stands still. Threads are vCPUs, numbered from 1.
 */
#ifndef KVM_GDB_GDB_SESSION_H
#define KVM_GDB_GDB_SESSION_H

#include "gdb_packet.h"
#include "kvm/gdb_target.h"

#include <stdio.h>

enum gdb_action { GDB_STAY, GDB_CONTINUE, GDB_STEP };

/* Functions return 0 or -errno but where said. @thread counts from 0 here. */
struct gdb_target_ops {
	/* Returns its length in bytes. */
	size_t (*description)(void *ctx, char *xml, size_t n);
	/* Where register @n lies among all of them; false: there is none. */
	bool (*reg)(void *ctx, unsigned int n, size_t *offset, size_t *bytes);
	int (*read_regs)(void *ctx, unsigned int thread, uint8_t *bytes, size_t *len);
	int (*write_regs)(void *ctx, unsigned int thread, const uint8_t *bytes);
	/*
	 * Return how many bytes from @addr on could be reached. @physical: an address of guest
	 * memory, else one of the guest's.
	 */
	size_t (*read)(void *ctx, unsigned int thread, uint64_t addr, void *buf, size_t len,
		       bool physical);
	size_t (*write)(void *ctx, unsigned int thread, uint64_t addr, const void *buf, size_t len,
			bool physical);
	/* -EOPNOTSUPP: there is no such kind. */
	int (*insert)(void *ctx, unsigned int thread, enum gdb_break kind, uint64_t addr,
		      uint64_t len);
	int (*remove)(void *ctx, enum gdb_break kind, uint64_t addr, uint64_t len);
	/*
	 * @action has one for each thread, at least one is not GDB_STAY. The answer is a later
	 * gdb_session_stopped().
	 */
	void (*resume)(void *ctx, const enum gdb_action *action);
	/* The guest goes on, without breakpoints; called after its packet was answered. */
	void (*detach)(void *ctx);
	void (*kill)(void *ctx);
	/* A word or two on what the thread does. */
	void (*thread_info)(void *ctx, unsigned int thread, char *text, size_t n);
	/* `monitor registers` and `monitor info`. */
	void (*print_registers)(void *ctx, unsigned int thread, FILE *f);
	void (*print_info)(void *ctx, FILE *f);
};

struct gdb_session {
	const struct gdb_target_ops *ops;
	void *ctx;
	unsigned int nr_threads;
	unsigned int current;	   /* whose registers and memory are meant */
	unsigned int stopped;	   /* the thread that stopped last */
	struct gdb_stop stop;	   /* why */
	bool no_ack;		   /* packets are not acknowledged any more */
	bool knows_reasons;	   /* the other side understands "swbreak" and "hwbreak" */
	bool physical;		   /* `monitor phys on` */
	bool leave;		   /* the machine is to be let go once the reply is out */
	enum gdb_action *action;   /* of each thread */
	uint8_t buf[GDB_BODY_MAX]; /* what a command works on */
};

/* Returns 0 or -ENOMEM. */
int gdb_session_init(struct gdb_session *s, const struct gdb_target_ops *ops, void *ctx,
		     unsigned int nr_threads);
void gdb_session_fini(struct gdb_session *s);
/* Another client has come: as after init. */
void gdb_session_reset(struct gdb_session *s);

/*
 * Carries out a packet's body, of @len bytes with a NUL behind them. Returns whether @r, empty
 * before, is to be sent now; otherwise the machine runs.
 */
bool gdb_session_packet(struct gdb_session *s, const char *body, size_t len, struct gdb_reply *r);

/*
 * The machine stands still again, because of @thread. Puts the answer to what let it run into @r.
 */
void gdb_session_stopped(struct gdb_session *s, unsigned int thread, const struct gdb_stop *stop,
			 struct gdb_reply *r);

/* gdb_monitor.c: a line that was typed behind `monitor`. What it prints goes to @f. */
void gdb_monitor(struct gdb_session *s, const char *line, FILE *f);

#endif
