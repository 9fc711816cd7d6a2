/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connects a console to stdio, null, file:PATH, pty, unix:PATH or tty:PATH. For a command in the
 * guest there are kinds of one direction only: stdin, stdout and stderr (which pass on the stream's
 * end), signals (takes what chardev_give() adds), and log (kept for a bad end).
 *
 *  - Output is gathered and written in batches: at a newline, at 4 KiB, or a few milliseconds after
 *    the first byte, whichever is first.
 *  - No byte is lost or reordered: while the other side does not take them, chardev_write() holds
 *    the calling vCPU (or until chardev_abort()).
 *  - The client gets input as long as it takes it; the rest stays in the host's pipe or terminal,
 *    and nothing is dropped.
 *  - As stdin and stdout, a terminal, a pipe, a file, /dev/null and a closed descriptor never
 *    differ: the end of input ends nothing, and a closed output discards bytes (reported once in
 *    the log).
 */
#ifndef KVM_CHARDEV_H
#define KVM_CHARDEV_H

#include "kvm/loop.h"
#include "kvm/types.h"

struct chardev;

enum chardev_event {
	/* Ctrl-a b; in order with the bytes around it, and only when rx_room() is not 0 */
	CHARDEV_BREAK,
	CHARDEV_CONNECT, /* a client opened the socket or the pty */
	CHARDEV_HANGUP,
	CHARDEV_RESIZE, /* the terminal has another size: chardev_size() */
	CHARDEV_ROOM,	/* chardev_room() returned 0, and there is room now */
};

/* What the device provides. Thread: loop. Locks: none of the chardev's is held. */
struct chardev_client {
	/*
	 * Returns how many bytes receive() would take now; 0 stops input until chardev_rx_ready().
	 */
	size_t (*rx_room)(void *ctx);
	/* @len is at most what rx_room() returned. */
	void (*receive)(void *ctx, const uint8_t *bytes, size_t len);
	void (*event)(void *ctx, enum chardev_event event);
	void *ctx;
};

/* What the launcher does on stdio's Ctrl-a commands, and on output. */
struct chardev_hooks {
	void (*quit)(void *ctx);   /* Ctrl-a x */
	void (*report)(void *ctx); /* Ctrl-a d */
	/* Sees each byte of output, in order. Thread: any. Locks: the output lock is held. */
	void (*output)(void *ctx, const uint8_t *bytes, size_t len);
	void *ctx;
	bool goes_on; /* file:PATH keeps what an earlier run of the machine has written */
};

/*
 * Opens what @spec names; at most one chardev may be stdio. Copies @hooks, which may be NULL. Reads
 * no input before chardev_start(). Returns 0 and the chardev, or -errno (reported). Thread: setup.
 */
int chardev_open(struct chardev **out, struct loop *loop, const char *spec,
		 const struct chardev_hooks *hooks);

/* Binds the device. Thread: setup. */
void chardev_set_client(struct chardev *cd, const struct chardev_client *client);

/*
 * Binds a second device to the same line: it gets input and breaks while @wants() returns true, and
 * the first one gets them otherwise. Both get all other events. Call chardev_rx_ready() when the
 * result of @wants() changes; it runs on the loop's thread, without a lock. Thread: setup.
 */
void chardev_set_front(struct chardev *cd, const struct chardev_client *front,
		       bool (*wants)(void *ctx));

/*
 * Puts the seconds since @since_ns of now_ns() before each line of output, "[ 0.123] ". Hooks and
 * the log get the lines without them. Thread: setup.
 */
void chardev_stamp_lines(struct chardev *cd, uint64_t since_ns);

/*
 * Starts input. Sets stdio's terminal to raw mode, as late as this so that set-up errors look
 * right. Returns 0, or -errno. Thread: loop, before another thread writes.
 */
int chardev_start(struct chardev *cd);

/*
 * Queues bytes for output. May wait for room (see above), but never on the loop's thread: there is
 * some slack above the limit for what a tick brings. Thread: any. Locks: the caller must hold none
 * that the loop's thread needs.
 */
void chardev_write(struct chardev *cd, const void *bytes, size_t len);
/* The same for one byte: the hot path of a serial port. */
void chardev_putc(struct chardev *cd, uint8_t byte);

/*
 * Returns how many bytes chardev_write() takes now without waiting. After 0 (no client is there, or
 * it took too few), CHARDEV_CONNECT or CHARDEV_ROOM follows. Thread: loop.
 */
size_t chardev_room(struct chardev *cd);
/*
 * Whether bytes are lost for good, for example to a full disk; bytes for a reader that has
 * disconnected do not count. Thread: any.
 */
bool chardev_lost(struct chardev *cd);
/*
 * Whether output can be taken: a socket or pty needs a client, a file is always there. Thread: any.
 */
bool chardev_present(struct chardev *cd);
/*
 * Writes out what is queued as far as possible, instead of in a few milliseconds, because no more
 * comes for the moment. Never waits. Thread: any.
 */
void chardev_push(struct chardev *cd);

/*
 * Has @tick called while bytes may wait that no exit will bring (in a coalesced ring). The calls
 * begin with the first output: a few milliseconds after it, then less and less often down to once a
 * second. @tick returns whether it wants to be called again; new output starts the calls anew. It
 * runs on the loop's thread, without a lock. Thread: setup.
 */
void chardev_set_tick(struct chardev *cd, bool (*tick)(void *ctx), void *ctx);
/*
 * Has the next tick come within a few milliseconds, because bytes may come that no exit brings.
 * Nearly free if it is due already. Thread: any.
 */
void chardev_tick_soon(struct chardev *cd);

/* Begins a break, or ends it, if the host's line can do that (tty:PATH). Thread: any. */
void chardev_send_break(struct chardev *cd, bool on);

/*
 * Call it when the client has room again after rx_room() returned 0. The loop's thread calls the
 * client later. Thread: any.
 */
void chardev_rx_ready(struct chardev *cd);

/*
 * Appends @len bytes to the input, as if the other side had sent them. Returns 0, or -ENOBUFS if
 * the client has left too many unread. Thread: loop.
 */
int chardev_give(struct chardev *cd, const uint8_t *bytes, size_t len);

/*
 * Handles SIGWINCH (the terminal has another size) or SIGCONT (the launcher may be in the
 * foreground again: sets raw mode again and resumes input). Does nothing except on stdio.
 * Thread: loop.
 */
void chardev_winch(struct chardev *cd);

/* Returns the terminal's size in characters, or false if it has none. */
bool chardev_size(const struct chardev *cd, unsigned int *columns, unsigned int *rows);

/*
 * The device will neither write nor read any more. Ends stdin, and stdout after all is written, so
 * that the other side sees it; does nothing for other kinds. Thread: loop.
 */
void chardev_end(struct chardev *cd);

/*
 * Shows on stderr what a "log" has kept, which is what was written last, and all that follows. Does
 * nothing for other kinds. With -v a log is shown from the start.
 */
void chardev_show_log(struct chardev *cd);

/*
 * Writes out all that is queued. Waits as long as the other side takes bytes now and then, at most
 * @stall_ms without any progress (-1: no limit). Works also when the loop does not run. Returns
 * false if bytes were left; those kept for a client that has not connected yet (unix, pty) do not
 * count. Thread: any.
 */
bool chardev_flush(struct chardev *cd, int stall_ms);

/*
 * Makes every waiting and future chardev_write() return at once, and drop bytes that do not fit.
 * For the end of the machine.
 */
void chardev_abort(struct chardev *cd);

/*
 * Restores the terminal, removes the socket's path and frees @cd, which may be NULL. Does not
 * flush. No thread may be inside another function of @cd. Thread: loop, or any while the loop does
 * not run.
 */
void chardev_close(struct chardev *cd);

#endif
