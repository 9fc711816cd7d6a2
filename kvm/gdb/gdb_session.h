/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Carries out GDB's packets ("Debugging with GDB", appendix E) by calling the target's functions.
 *
 * It knows no socket, no KVM and no architecture. All-stop: packets are for a stopped machine.
 * Threads are vCPUs, numbered from 1.
 */
#ifndef KVM_GDB_GDB_SESSION_H
#define KVM_GDB_GDB_SESSION_H

#include "gdb_packet.h"
#include "kvm/gdb_target.h"

#include <stdio.h>

enum gdb_action { GDB_STAY, GDB_CONTINUE, GDB_STEP };

/* Functions return 0, or -errno, except where noted. @thread counts from 0 here. */
struct gdb_target_ops {
	/* Returns its length in bytes. */
	size_t (*description)(void *ctx, char *xml, size_t n);
	/*
	 * Finds where register @n lies among all registers. Returns false if there is no such
	 * register.
	 */
	bool (*reg)(void *ctx, unsigned int n, size_t *offset, size_t *bytes);
	int (*read_regs)(void *ctx, unsigned int thread, uint8_t *bytes, size_t *len);
	int (*write_regs)(void *ctx, unsigned int thread, const uint8_t *bytes);
	/*
	 * Return how many bytes from @addr on could be reached. @physical: @addr is an address of
	 * guest memory, otherwise one that the guest's page tables translate.
	 */
	size_t (*read)(void *ctx, unsigned int thread, uint64_t addr, void *buf, size_t len,
		       bool physical);
	size_t (*write)(void *ctx, unsigned int thread, uint64_t addr, const void *buf, size_t len,
			bool physical);
	/* -EOPNOTSUPP: no such kind. */
	int (*insert)(void *ctx, unsigned int thread, enum gdb_break kind, uint64_t addr,
		      uint64_t len);
	int (*remove)(void *ctx, enum gdb_break kind, uint64_t addr, uint64_t len);
	/*
	 * @action has one entry for each thread, at least one of them not GDB_STAY. The reply comes
	 * later, from gdb_session_stopped().
	 */
	void (*resume)(void *ctx, const enum gdb_action *action);
	void (*kill)(void *ctx);
	/* Describes in a word or two what the thread does. */
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
	bool no_ack;		   /* packets are no longer acknowledged */
	bool knows_reasons;	   /* the client understands "swbreak" and "hwbreak" */
	bool physical;		   /* `monitor phys on` */
	bool leave;		   /* release the machine when the reply is sent */
	enum gdb_action *action;   /* of each thread */
	uint8_t buf[GDB_BODY_MAX]; /* working space of a command */
};

/* Returns 0 or -ENOMEM. */
int gdb_session_init(struct gdb_session *s, const struct gdb_target_ops *ops, void *ctx,
		     unsigned int nr_threads);
void gdb_session_fini(struct gdb_session *s);
/* Another client has connected: resets the session to its state after init. */
void gdb_session_reset(struct gdb_session *s);

/*
 * Carries out a packet's body, of @len bytes and a NUL. Returns true if @r, empty before, must be
 * sent now; otherwise the machine runs.
 */
bool gdb_session_packet(struct gdb_session *s, const char *body, size_t len, struct gdb_reply *r);

/*
 * The machine has stopped again, because of @thread. Puts the reply to the packet that resumed it
 * into @r.
 */
void gdb_session_stopped(struct gdb_session *s, unsigned int thread, const struct gdb_stop *stop,
			 struct gdb_reply *r);

/* gdb_monitor.c: runs a line typed after `monitor`. What it prints goes to @f. */
void gdb_monitor(struct gdb_session *s, const char *line, FILE *f);

#endif
