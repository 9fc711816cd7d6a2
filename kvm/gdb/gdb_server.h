/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Serves GDB on a socket (--gdb), one client at a time. The server stops vCPUs by holding them
 * where those of a paused machine wait, and works on them, from the loop's thread, only while all
 * of them wait.
 */
#ifndef KVM_GDB_GDB_SERVER_H
#define KVM_GDB_GDB_SERVER_H

struct gdb;
struct vm;

/*
 * Listens where the configuration says, sets vm->hooks, and with --gdb-wait holds all vCPUs. *@out
 * is NULL without --gdb. Call it when KVM is set up and before vCPUs run. Returns 0, or -errno
 * (reported); call gdb_close() in either case. Thread: main, here and below.
 */
int gdb_open(struct gdb **out, struct vm *vm);
/*
 * Tells a client how the machine ended, and closes the connection. @g may be NULL. Call it when no
 * vCPU runs any more, and before vm_fini().
 */
void gdb_close(struct gdb *g);

#endif
