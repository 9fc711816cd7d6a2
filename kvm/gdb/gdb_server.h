/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * --gdb: a server for GDB on a socket, one client at a time. It stops vCPUs by holding them where a
 * paused machine's wait, and works on them, from the loop's thread, only while all of them do.
 */
#ifndef KVM_GDB_GDB_SERVER_H
#define KVM_GDB_GDB_SERVER_H

struct gdb;
struct vm;

/*
 * Listens where the configuration says, sets vm->hooks, and holds all vCPUs with --gdb-wait. *@out
 * is NULL without --gdb. Once KVM is set up and before vCPUs run. Returns 0 or -errno (reported);
 * gdb_close() in either case. Thread: main, here and below.
 */
int gdb_open(struct gdb **out, struct vm *vm);
/*
 * No vCPU runs any more: tells a client how the machine ended, and closes. NULL is fine. Before
 * vm_fini().
 */
void gdb_close(struct gdb *g);

#endif
