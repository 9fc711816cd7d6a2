/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Prints messages: formats each into a buffer on the stack, and writes it by one write(2).
 *
 * So threads do not mix their lines, and a signal handler never finds a lock held. The level, the
 * log file and the raw flag are process-wide, because a process has one stderr. They are set before
 * threads start (the raw flag is atomic).
 */
#include "kvm/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

static enum log_level log_level = LOG_LEVEL_INFO;
static int log_fd = -1;
static _Atomic int log_raw;
static _Atomic unsigned int log_nr_errors;

void log_set_level(enum log_level level)
{
	log_level = level;
}

enum log_level log_get_level(void)
{
	return log_level;
}

void log_set_raw(int raw)
{
	atomic_store(&log_raw, raw);
}

int log_open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);

	if (fd < 0) {
		int err = errno;

		pr_err("--log %s: %s", path, strerror(err));
		return -err;
	}
	log_fd = fd;
	return 0;
}

/*
 * Writes as much as possible: a log that cannot be written (full disk) must not end a machine.
 * Returns 0, or -errno.
 */
static int write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

void log_console(const void *bytes, size_t len)
{
	int err = log_fd >= 0 && log_level > LOG_LEVEL_NONE ? write_all(log_fd, bytes, len) : 0;

	if (!err)
		return;
	log_fd = -1;
	pr_err("--log: %s; the rest of the log is lost", strerror(-err));
}

void log_block(const char *text, size_t len)
{
	bool raw = atomic_load(&log_raw);

	while (raw && len) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;

		write_all(STDERR_FILENO, text, n);
		if (end)
			write_all(STDERR_FILENO, "\r\n", 2);
		text += end ? n + 1 : n;
		len -= end ? n + 1 : n;
	}
	write_all(STDERR_FILENO, text, len);
}

static void log_line(const char *fmt, va_list ap)
{
	char line[LINE_MAX_BYTES];
	int prefix = snprintf(line, sizeof(line), "kvm: ");
	size_t len = (size_t)prefix;
	int n = vsnprintf(line + len, sizeof(line) - len - 2, fmt, ap);

	if (n < 0)
		return;
	len += (size_t)n < sizeof(line) - len - 3 ? (size_t)n : sizeof(line) - len - 3;
	line[len++] = '\n';
	if (atomic_load(&log_raw)) {
		line[len - 1] = '\r';
		line[len++] = '\n';
	}
	write_all(STDERR_FILENO, line, len);
}

bool log_file_is_open(void)
{
	return log_fd >= 0;
}

unsigned int log_errors(void)
{
	return atomic_load(&log_nr_errors);
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (level == LOG_LEVEL_ERROR)
		atomic_fetch_add(&log_nr_errors, 1);
	if (level > log_level)
		return;
	va_start(ap, fmt);
	log_line(fmt, ap);
	va_end(ap);
}

void log_guest(_Atomic unsigned int *said, const char *fmt, ...)
{
	unsigned int before = atomic_load(said);
	va_list ap;

	if (log_level < LOG_LEVEL_WARN || before >= LOG_GUEST_BURST)
		return;
	before = atomic_fetch_add(said, 1);
	if (before >= LOG_GUEST_BURST)
		return;
	va_start(ap, fmt);
	log_line(fmt, ap);
	va_end(ap);
	if (before == LOG_GUEST_BURST - 1)
		log_msg(LOG_LEVEL_WARN, "(more of these will not be shown)");
}
