/* SPDX-License-Identifier: GPL-2.0-only */
/* Opens the socket on which GDB connects. Private to kvm/. */
#ifndef KVM_GDB_GDB_SOCKET_H
#define KVM_GDB_GDB_SOCKET_H

/*
 * Listens at @where, a TCP port of the loopback interface or unix:PATH. Returns a descriptor, or
 * -errno (reported). With unix:PATH, sets *@path to the name to remove at the end.
 */
int gdb_listen(const char *where, const char **path);

#endif
