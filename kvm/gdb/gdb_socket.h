/* SPDX-License-Identifier: GPL-2.0-only */
/* The socket that GDB comes to. Private to kvm/. */
#ifndef KVM_GDB_GDB_SOCKET_H
#define KVM_GDB_GDB_SOCKET_H

/*
 * Listens at @where, a TCP port of the loopback interface or unix:PATH. Returns a descriptor, or
 * -errno having said why. With unix:PATH, @path is set to the name to remove at the end.
 */
int gdb_listen(const char *where, const char **path);

#endif
