/* SPDX-License-Identifier: GPL-2.0-only */
/* Opens the socket on which GDB connects. Private to kvm/. */
#ifndef KVM_GDB_GDB_SOCKET_H
#define KVM_GDB_GDB_SOCKET_H

#include "kvm/listener.h"

/*
 * Listens at @where, a TCP port of the loopback interface or unix:PATH. Returns 0, or -errno
 * (reported). listener_close() works in either case.
 */
int gdb_listen(const char *where, struct listener *l);

#endif
