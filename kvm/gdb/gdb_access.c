/* SPDX-License-Identifier: GPL-2.0-only */
/* Serves GDB's packets that read or change a stopped machine: registers, memory, breakpoints. */
#include "gdb_commands.h"

#include <errno.h>

void gdb_put_result(struct gdb_reply *r, int err)
{
	if (err == -EOPNOTSUPP)
		return;
	if (err)
		gdb_putf(r, "E%02x", (unsigned int)-err & 0xff);
	else
		gdb_put(r, "OK");
}

/* ---- registers --------------------------------------------------------------------------- */

bool gdb_on_read_all(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	size_t total = 0;
	int err = s->ops->read_regs(s->ctx, s->current, s->buf, &total);

	(void)at;
	(void)len;
	if (err)
		gdb_put_result(r, err);
	else
		gdb_put_hex(r, s->buf, total);
	return true;
}

bool gdb_on_write_all(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	size_t total = 0;
	int err = s->ops->read_regs(s->ctx, s->current, s->buf, &total);

	/* Fewer bytes than all are allowed: the rest stays. */
	if (!err && !gdb_take_bytes(&at, s->buf, (size_t)min_u64(total, len / 2)))
		err = -EINVAL;
	gdb_put_result(r, err ? err : s->ops->write_regs(s->ctx, s->current, s->buf));
	return true;
}

static bool take_reg(struct gdb_session *s, const char **at, size_t *offset, size_t *bytes)
{
	uint64_t number;

	return gdb_take_number(at, &number) && number <= UINT32_MAX &&
	       s->ops->reg(s->ctx, (unsigned int)number, offset, bytes);
}

bool gdb_on_read_reg(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	size_t offset, bytes, total = 0;
	int err = take_reg(s, &at, &offset, &bytes) ? 0 : -EINVAL;

	(void)len;
	if (!err)
		err = s->ops->read_regs(s->ctx, s->current, s->buf, &total);
	if (err)
		gdb_put_result(r, err);
	else
		gdb_put_hex(r, s->buf + offset, bytes);
	return true;
}

bool gdb_on_write_reg(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	size_t offset, bytes, total = 0;
	int err = take_reg(s, &at, &offset, &bytes) && gdb_take(&at, "=") ? 0 : -EINVAL;

	(void)len;
	if (!err)
		err = s->ops->read_regs(s->ctx, s->current, s->buf, &total);
	if (!err && !gdb_take_bytes(&at, s->buf + offset, bytes))
		err = -EINVAL;
	gdb_put_result(r, err ? err : s->ops->write_regs(s->ctx, s->current, s->buf));
	return true;
}

/* ---- memory --------------------------------------------------------------------------- */

static bool take_range(const char **at, uint64_t *addr, uint64_t *bytes)
{
	return gdb_take_number(at, addr) && gdb_take(at, ",") && gdb_take_number(at, bytes);
}

bool gdb_on_read_memory(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	uint64_t addr, bytes;
	size_t done;

	(void)len;
	if (!take_range(&at, &addr, &bytes)) {
		gdb_put_result(r, -EINVAL);
		return true;
	}
	bytes = min_u64(bytes, GDB_MAX_MEMORY_BYTES);
	done = s->ops->read(s->ctx, s->current, addr, s->buf, (size_t)bytes, s->physical);
	if (!done && bytes)
		gdb_put_result(r, -EFAULT);
	else
		gdb_put_hex(r, s->buf, done);
	return true;
}

static void write_memory(struct gdb_session *s, uint64_t addr, size_t bytes, struct gdb_reply *r)
{
	size_t done = s->ops->write(s->ctx, s->current, addr, s->buf, bytes, s->physical);

	gdb_put_result(r, done == bytes ? 0 : -EFAULT);
}

bool gdb_on_write_memory(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	uint64_t addr, bytes;

	(void)len;
	if (!take_range(&at, &addr, &bytes) || bytes > GDB_MAX_MEMORY_BYTES ||
	    !gdb_take(&at, ":") || !gdb_take_bytes(&at, s->buf, (size_t)bytes))
		gdb_put_result(r, -EINVAL);
	else
		write_memory(s, addr, (size_t)bytes, r);
	return true;
}

bool gdb_on_write_binary(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	const char *end = at + len;
	uint64_t addr, bytes;

	if (!take_range(&at, &addr, &bytes) || !gdb_take(&at, ":") ||
	    gdb_unescape(at, (size_t)(end - at), s->buf) != (ssize_t)bytes)
		gdb_put_result(r, -EINVAL);
	else
		write_memory(s, addr, (size_t)bytes, r);
	return true;
}

/* ---- breakpoints --------------------------------------------------------------------------- */

static bool take_break(const char **at, enum gdb_break *kind, uint64_t *addr, uint64_t *bytes)
{
	uint64_t number;

	if (!gdb_take_number(at, &number) || number > GDB_WATCH_ACCESS || !gdb_take(at, ","))
		return false;
	*kind = (enum gdb_break)number;
	return take_range(at, addr, bytes);
}

bool gdb_on_insert(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	enum gdb_break kind;
	uint64_t addr, bytes;

	(void)len;
	gdb_put_result(r, take_break(&at, &kind, &addr, &bytes)
				  ? s->ops->insert(s->ctx, s->current, kind, addr, bytes)
				  : -EINVAL);
	return true;
}

bool gdb_on_remove(struct gdb_session *s, const char *at, size_t len, struct gdb_reply *r)
{
	enum gdb_break kind;
	uint64_t addr, bytes;

	(void)len;
	gdb_put_result(r, take_break(&at, &kind, &addr, &bytes)
				  ? s->ops->remove(s->ctx, kind, addr, bytes)
				  : -EINVAL);
	return true;
}
