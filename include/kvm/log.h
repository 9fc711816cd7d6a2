/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages to the person at the terminal, and the three kinds of failure.
 *
 *  - Host or set-up trouble (a missing file, an ioctl refused): functions return -errno up to main,
 *    and
 *    the place that knows the cause says it once with pr_err().
 *  - Guest trouble (nonsense in a ring, a wild register write): never exit, never assert; the
 *    device
 *    goes broken and says so once, rate limited, with pr_guest().
 *  - Our own bug: assert().
 *
 * Every line goes to stderr as "kvm: text" and, with --log FILE, to that file too. On a terminal in
 * raw mode lines end in CR LF. Thread-safe; one line is one write(2), so lines of threads never
 * mix.
 */
#ifndef KVM_LOG_H
#define KVM_LOG_H

#include <stdarg.h>
#include <stddef.h>

enum log_level {
	LOG_LEVEL_NONE, /* for log_set_level() alone: no line, and nothing of a console */
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,	 /* the default */
	LOG_LEVEL_DEBUG, /* -v */
};

/* Sets what is shown. Call before threads start. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/*
 * Copies what log_console() gets to @path from now on (created or truncated).
 * Returns 0 or -errno, having said why. Call before threads start.
 */
int log_open_file(const char *path);

/* The console's bytes, verbatim, to the --log file; does nothing without one. Any thread. */
void log_console(const void *bytes, size_t len);

/* Whether stderr is a terminal in raw mode (set by term.c), so that lines need a CR. */
void log_set_raw(int raw);

/* Lines of text that belong together, to stderr, in one piece and as they are. Any thread. */
void log_block(const char *text, size_t len);

void log_msg(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define pr_err(...) log_msg(LOG_LEVEL_ERROR, __VA_ARGS__)
#define pr_warn(...) log_msg(LOG_LEVEL_WARN, __VA_ARGS__)
#define pr_info(...) log_msg(LOG_LEVEL_INFO, __VA_ARGS__)
#define pr_debug(...) log_msg(LOG_LEVEL_DEBUG, __VA_ARGS__)

/*
 * For what a guest can cause: at most LOG_GUEST_BURST lines at each call site, then silence (the
 * last one says so), so that a guest cannot fill the host's log.
 */
#define LOG_GUEST_BURST 5
#define pr_guest(...)                                                                              \
	do {                                                                                       \
		static _Atomic unsigned said_;                                                     \
		log_guest(&said_, __VA_ARGS__);                                                    \
	} while (0)
void log_guest(_Atomic unsigned *said, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
