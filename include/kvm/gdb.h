/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * --gdb: a server for GDB on a socket, one client at a time. It stops vCPUs by holding them where a paused machine's wait, and works on
 * them, from the loop's thread, only while all of them do.
 */
#ifndef KVM_GDB_H
#define KVM_GDB_H

#include "kvm/gdb_target.h"

struct vm;
struct vcpu;
struct gdb;

/* Listens where the configuration says, and holds all vCPUs with --gdb-wait. Does nothing without --gdb. Returns 0 or -errno having said why. */
int gdb_open(struct vm *vm);
/* No vCPU runs any more: tells a client how the machine ended, and goes. Works after a partial or no open. Main's thread. */
void gdb_close(struct vm *vm);

/* Whether a debugger is connected, or waited for. Loop's thread. */
bool gdb_attached(const struct vm *vm);

/* @v has come to a breakpoint or the end of a step: stops all of them. On its own thread. */
void gdb_trapped(struct vcpu *v, const struct gdb_stop *stop);

/* A held vCPU waits now. Under vm->pause_lock, on its thread. */
void gdb_vcpu_waits(struct gdb *g);

#endif
