/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host terminal's raw mode, and its way back on every way out: return, or a fatal signal of
 * ours. One of the few permitted statics: a process has one controlling terminal, and signal
 * handlers need it.
 */
#ifndef KVM_TERM_H
#define KVM_TERM_H

#include <stdbool.h>
#include <termios.h>

/*
 * Opens /dev/null where stdin, stdout or stderr is closed, so that no other file of ours gets their
 * numbers. First thing in main(), before anything is opened.
 */
void term_guard_stdio(void);

/*
 * stdin and stdout belong to one console of the process: whether the caller got them.
 * term_release() gives them back.
 */
bool term_claim(void);
void term_release(void);

/*
 * Turns settings into raw ones: no echo, no signals, no translation in either direction, eight
 * bits.
 */
void term_make_raw(struct termios *t);

/*
 * @fd is a terminal: goes raw (output processing too). Returns 0 or -errno; -EAGAIN when we are a
 * background job, whose touching the terminal would stop us. Again while raw: sets it once more
 * (the shell may have changed it while we were stopped), what is restored stays what it was at
 * first. Main thread.
 */
int term_raw(int fd);

/*
 * Back as it was; async-signal-safe; does nothing when not raw, or when we are a background job by
 * now.
 */
void term_restore(void);

/* @fd is our controlling terminal, and another job has it: reading it would stop us. */
bool term_in_background(int fd);

/*
 * SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT: restore the terminal, then die of the signal as usual.
 * @sigbus, if not NULL, is asked first whether it can mend the access at @addr (true: go on). All
 * but SIGBUS are caught only from the first term_raw() on: before that there is nothing to restore.
 * Once a process, before threads.
 */
void term_catch_crashes(int (*sigbus)(void *addr));

#endif
