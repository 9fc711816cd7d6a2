/* SPDX-License-Identifier: GPL-2.0-only */
/* A session's packets, one function each: see the table in gdb_session.c. Private to kvm/. */
#ifndef KVM_GDB_GDB_COMMANDS_H
#define KVM_GDB_GDB_COMMANDS_H

#include "gdb_session.h"

/* Two digits a byte must fit. */
#define GDB_MAX_MEMORY_BYTES (GDB_BODY_MAX / 2)

/* "OK", an error of two digits, or with -EOPNOTSUPP the empty reply. */
void gdb_put_result(struct gdb_reply *r, int err);

/*
 * gdb_access.c. @at is what stands behind the packet's name, @len how long it is. Return whether
 * there is a reply now: always.
 */
bool gdb_on_read_all(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r);
bool gdb_on_write_all(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r);
bool gdb_on_read_reg(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r);
bool gdb_on_write_reg(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r);
bool gdb_on_read_memory(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r);
bool gdb_on_write_memory(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r);
bool gdb_on_write_binary(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r);
bool gdb_on_insert(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r);
bool gdb_on_remove(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r);

#endif
