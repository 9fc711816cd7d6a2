/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Prints messages to the user, for the three kinds of failure.
 *
 *  - Host or set-up trouble (a missing file, an ioctl refused): functions return -errno up to main,
 *    and the place that knows the cause prints it once with pr_err(). A contract marks that by
 *    "(reported)".
 *  - Guest trouble (nonsense in a ring, a wild register write): never exit, never assert; the
 *    device is marked as broken and reports it once, rate limited, with pr_guest().
 *  - A bug of the launcher: assert().
 *
 * Every line goes to stderr as "kvm: text"; on a terminal in raw mode it ends in CR LF. One line is
 * one write(2), so lines of threads never mix. Control characters and bytes that are not UTF-8 are
 * printed as \xNN, whoever they come from. Thread: any.
 */
#ifndef KVM_LOG_H
#define KVM_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum log_level {
	LOG_LEVEL_NONE, /* for log_set_level() only: no line, and no console in the --log file */
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,	 /* the default */
	LOG_LEVEL_DEBUG, /* -v */
};

/* Sets which messages are printed. Thread: main, before others start. */
void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/*
 * Lets log_set_patient() limit waits for a stderr that nothing reads, without changes to a
 * descriptor that other processes share. Thread: main, before others start.
 */
void log_own_stderr(void);
/*
 * Whether messages wait for a reader until a signal that ends us comes (the default), or for about
 * two seconds in which nothing is read, all lines together. What stderr does not take then is lost;
 * the next line that goes out says how much. Thread: any.
 */
void log_set_patient(bool patient);

/* Whether a file was opened, and has taken all that log_console() got. Thread: any. */
bool log_file_is_whole(void);
/*
 * Copies what log_console() gets to @path from now on (creates or truncates it). Returns 0, or
 * -errno (reported). Thread: main, before others start.
 */
int log_open_file(const char *path);

/*
 * Writes the console's bytes, verbatim, to the --log file; does nothing without one. Thread: any.
 */
void log_console(const void *bytes, size_t len);

/*
 * Sets whether stderr is a terminal in raw mode (term.c does), so that lines need a CR.
 * Thread: any.
 */
void log_set_raw(int raw);

/*
 * Writes lines of text that belong together to stderr, without a prefix, and in one piece unless
 * stderr is in raw mode or slow. Thread: any.
 */
void log_block(const char *text, size_t len);
/* Does the same for text whose control characters are our own. */
void log_verbatim(const char *text, size_t len);

/* The number of errors so far, also of those that the level hides. Thread: any. */
unsigned int log_errors(void);

void log_msg(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define pr_err(...) log_msg(LOG_LEVEL_ERROR, __VA_ARGS__)
#define pr_warn(...) log_msg(LOG_LEVEL_WARN, __VA_ARGS__)
#define pr_info(...) log_msg(LOG_LEVEL_INFO, __VA_ARGS__)
#define pr_debug(...) log_msg(LOG_LEVEL_DEBUG, __VA_ARGS__)

/*
 * Reports what a guest can cause: prints at most LOG_GUEST_BURST lines from each call site, and
 * after the last one that there will be no more, so that a guest cannot fill the host's log.
 */
#define LOG_GUEST_BURST 5
#define pr_guest(...)                                                                              \
	do {                                                                                       \
		static _Atomic unsigned said_;                                                     \
		log_guest(&said_, __VA_ARGS__);                                                    \
	} while (0)
void log_guest(_Atomic unsigned *said, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
