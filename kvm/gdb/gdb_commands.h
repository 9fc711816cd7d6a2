/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Declares the functions that serve GDB's packets, see the table in gdb_session.c. Private to kvm/.
 */
#ifndef KVM_GDB_GDB_COMMANDS_H
#define KVM_GDB_GDB_COMMANDS_H

#include "gdb_session.h"

/* A reply must have room for two digits per byte. */
#define GDB_MAX_MEMORY_BYTES (GDB_BODY_MAX / 2)

/* Puts "OK", an error of two digits, or for -EOPNOTSUPP nothing: the empty reply. */
void gdb_put_result(struct gdb_reply *r, int err);

/*
 * gdb_access.c. @at is the text after the packet's name, of @len bytes. Return whether there is a
 * reply now: always.
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
