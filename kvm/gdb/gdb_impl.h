/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Declares what the debugger's server shares between its connection (gdb_server.c) and its control
 * of the vCPUs (gdb_vcpus.c). Private to kvm/.
 */
#ifndef KVM_GDB_GDB_IMPL_H
#define KVM_GDB_GDB_IMPL_H

#include "gdb_server.h"
#include "gdb_session.h"
#include "kvm/listener.h"

enum gdb_phase { GDB_IDLE, GDB_STOPPING, GDB_STOPPED, GDB_RUNNING };

#define GDB_NO_CAUSE UINT32_MAX

struct vcpu;
struct vm;

struct gdb {
	struct vm *vm;
	struct listener listener;
	int fd;		  /* of the client; -1: none */
	bool is_debugger; /* its first byte was one that a debugger sends */
	struct loop_source client;
	struct loop_timer stop_timer; /* for the end of a stop; armed under vm->pause_lock */

	/* Under vm->pause_lock: */
	_Atomic enum gdb_phase phase;
	unsigned int cause;    /* the vCPU that trapped first; GDB_NO_CAUSE: none */
	struct gdb_stop *trap; /* of each vCPU; signal 0: none */

	bool answer_due; /* the client waits for the machine to stop */
	bool leaving;	 /* release the machine when it has stopped: the client is gone */
	bool over;	 /* only one vCPU runs, to step over a breakpoint */

	struct gdb_session session;
	struct gdb_parser parser;
	struct gdb_reply reply;
	size_t in_at, in_len, out_at, out_len;
	uint8_t in[4096];
	char out[GDB_FRAME_MAX + 1]; /* an acknowledgement and a packet */
};

/* What the session calls; its context is the struct gdb. */
extern const struct gdb_target_ops gdb_target_ops;

/*
 * Requests all vCPUs to stop; g->stop_timer fires when they have. Does nothing if they have stopped
 * or are stopping.
 */
void gdb_stop_machine(struct gdb *g);
/*
 * gdb_run() resumes, with breakpoints, the vCPUs for which @action has something. gdb_release()
 * resumes all, without breakpoints, as if there had been no debugger. Both from GDB_STOPPED.
 */
void gdb_run(struct gdb *g, const enum gdb_action *action);
void gdb_release(struct gdb *g);

/* Serve the machine's hooks, see struct vm_hooks; the context is the struct gdb. */
void gdb_held_waits(void *ctx);
void gdb_debug_exit(void *ctx, struct vcpu *v);
bool gdb_stop_at_end(void *ctx, struct vcpu *v, unsigned int signal);

#endif
