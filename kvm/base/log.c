/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Prints messages: formats each into a buffer on the stack, and writes it by one write(2).
 *
 * So threads do not mix their lines, and a signal handler never finds a lock held. What is not
 * atomic is set before threads start.
 *
 * A stderr or --log that nothing reads holds nobody up for longer than the limit, which is of all
 * threads and lines together: what does not fit is lost, and counted.
 *
 * Names from images, guests and peers get into messages, so each message is quoted as a whole.
 */
#include "kvm/log.h"

#include "outfd.h"
#include "quote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

/* A global: a process has one stderr. */
static struct messages {
	enum log_level level;
	struct outfd err, log;
	_Atomic int limit_ms, raw;
	_Atomic unsigned int lost; /* lines */
	_Atomic unsigned int nr_errors;
	_Atomic bool torn; /* the first of the lost lines is on stderr in part */
	_Atomic bool log_behind;
} messages = {
	.level = LOG_LEVEL_INFO,
	.err = { .fd = STDERR_FILENO, .kind = OUT_PLAIN },
	.log = { .fd = -1, .kind = OUT_NONBLOCK },
	.limit_ms = OUTFD_PATIENT,
};

void log_set_level(enum log_level level)
{
	messages.level = level;
}

enum log_level log_get_level(void)
{
	return messages.level;
}

unsigned int log_errors(void)
{
	return atomic_load(&messages.nr_errors);
}

void log_set_raw(int raw)
{
	atomic_store(&messages.raw, raw);
}

void log_own_stderr(void)
{
	outfd_close(&messages.err);
	messages.err.fd = STDERR_FILENO;
	if (outfd_find_kind(&messages.err))
		messages.err.kind = OUT_PLAIN;
}

void log_set_patient(bool patient)
{
	atomic_store(&messages.limit_ms, patient ? OUTFD_PATIENT : OUTFD_STALL_MS);
}

int log_open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NONBLOCK | O_CLOEXEC, 0666);

	if (fd < 0) {
		int err = errno;

		pr_err("--log %s: %s", path,
		       err == ENXIO ? "no process reads this FIFO; start its reader first"
				    : strerror(err));
		return -err;
	}
	messages.log.fd = fd;
	return 0;
}

/*
 * A log that cannot be written (full disk) must not end a machine. Nor is there patience with it
 * after the end: what the machine did while it ran is lost already.
 */
void log_console(const void *bytes, size_t len)
{
	ssize_t left = 0;

	if (messages.log.fd >= 0 && messages.level > LOG_LEVEL_NONE)
		left = outfd_put(&messages.log, bytes, len, OUTFD_STALL_MS);
	if (left > 0 && !atomic_exchange(&messages.log_behind, true))
		pr_warn("--log: nothing reads it; what it does not take is lost");
	if (left >= 0)
		return;
	messages.log.fd = -1;
	pr_err("--log: %s; the rest of the log is lost", strerror((int)-left));
}

static unsigned int count_lines(const char *text, size_t len)
{
	unsigned int n = 0;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '\n';
	return n;
}

/* Says how many lines were lost. Returns whether it could, or there was nothing to say. */
static bool say_lost(int limit_ms)
{
	unsigned int lost = atomic_exchange(&messages.lost, 0);
	char note[80];
	int n;

	if (!lost)
		return true;
	n = snprintf(note, sizeof(note), "%skvm: %u %s lost: nothing read them\n",
		     atomic_load(&messages.torn) ? "\n" : "", lost,
		     lost == 1 ? "line of messages is" : "lines of messages are");
	if (outfd_put(&messages.err, note, (size_t)n, limit_ms) > 0) {
		atomic_fetch_add(&messages.lost, lost);
		return false;
	}
	atomic_store(&messages.torn, false);
	return true;
}

/* Writes whole lines to stderr, as many as it takes within the limit. */
static void put_lines(const char *text, size_t len)
{
	int limit_ms = atomic_load(&messages.limit_ms);
	ssize_t left = (ssize_t)len;

	if (!atomic_load(&messages.lost) || say_lost(limit_ms))
		left = outfd_put(&messages.err, text, len, limit_ms);
	if (left <= 0)
		return;
	if ((size_t)left < len)
		atomic_store(&messages.torn, text[len - (size_t)left - 1] != '\n');
	atomic_fetch_add(&messages.lost, count_lines(text + len - (size_t)left, (size_t)left));
}

void log_verbatim(const char *text, size_t len)
{
	bool raw = atomic_load(&messages.raw);

	while (raw && len) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;

		outfd_put(&messages.err, text, n, atomic_load(&messages.limit_ms));
		if (end)
			put_lines("\r\n", 2);
		text += end ? n + 1 : n;
		len -= end ? n + 1 : n;
	}
	put_lines(text, len);
}

void log_block(const char *text, size_t len)
{
	char *quoted = NULL;
	size_t quoted_len = 0;
	FILE *f = quote_needed(text, len, "\n\t") ? open_memstream(&quoted, &quoted_len) : NULL;

	if (f)
		quote_visible(f, text, len, "\n\t");
	if (f && !fclose(f))
		log_verbatim(quoted, quoted_len);
	else
		log_verbatim(text, len);
	free(quoted);
}

/* Writes a line with its newline, quoted. */
static void put_quoted(const char *line, size_t len)
{
	char buf[LINE_MAX_BYTES];
	FILE *f = fmemopen(buf, sizeof(buf), "w");

	if (!f)
		return;
	quote_visible(f, line, len - 1, "\t");
	fflush(f);
	len = (size_t)ftell(f);
	fclose(f);
	len = len < sizeof(buf) - 2 ? len : sizeof(buf) - 2;
	if (atomic_load(&messages.raw))
		buf[len++] = '\r';
	buf[len++] = '\n';
	put_lines(buf, len);
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
	if (quote_needed(line, len - 1, "\t")) {
		put_quoted(line, len);
		return;
	}
	if (atomic_load(&messages.raw)) {
		line[len - 1] = '\r';
		line[len++] = '\n';
	}
	put_lines(line, len);
}

bool log_file_is_whole(void)
{
	return messages.log.fd >= 0 && !atomic_load(&messages.log_behind);
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	if (level == LOG_LEVEL_ERROR)
		atomic_fetch_add(&messages.nr_errors, 1);
	if (level > messages.level)
		return;
	va_start(ap, fmt);
	log_line(fmt, ap);
	va_end(ap);
}

void log_guest(_Atomic unsigned int *said, const char *fmt, ...)
{
	unsigned int before = atomic_load(said);
	va_list ap;

	if (messages.level < LOG_LEVEL_WARN || before >= LOG_GUEST_BURST)
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
