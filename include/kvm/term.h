/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sets the host terminal to raw mode, and restores it on every way out: return, or a fatal signal
 * (kvm/base/fatal.h). It has one of the few permitted statics: a process has one controlling
 * terminal, and signal handlers need it.
 */
#ifndef KVM_TERM_H
#define KVM_TERM_H

#include <stdbool.h>
#include <termios.h>

/*
 * Opens /dev/null where stdin, stdout or stderr is closed, so that no other file gets their
 * numbers. Call it first in main(), before anything is opened. Returns false, with errno, if it
 * cannot.
 */
bool term_guard_stdio(void);

/*
 * Claims stdin and stdout for one console of the process. Returns whether the caller got them;
 * term_release() gives them back.
 */
bool term_claim(void);
void term_release(void);

/*
 * Changes settings to raw ones: no echo, no signals, no translation in either direction, eight
 * bits.
 */
void term_make_raw(struct termios *t);

/*
 * Sets the terminal @fd to raw mode (output processing too). A further call while it is raw sets it
 * once more, because the shell may have changed it while the launcher was stopped; term_restore()
 * restores what it was at first. Returns 0, or -errno; -EAGAIN: the launcher is a background job,
 * which would be stopped if it touched the terminal. Thread: main.
 */
int term_raw(int fd);

/*
 * Restores the terminal. Does nothing when it is not raw, or when the launcher is a background job
 * now. Async-signal-safe.
 */
void term_restore(void);

/*
 * Whether @fd is the controlling terminal, and another job has it: a read would stop the launcher.
 */
bool term_in_background(int fd);

#endif
