/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a console's bytes go to and come from: stdio, null, file:PATH, pty, unix:PATH, tty:PATH; or
 * one way only, for a command in the guest: stdin, stdout, stderr (whose ends are passed on),
 * signals (what chardev_give() says), log (kept for a bad end).
 *
 * Output is gathered and written in batches: at a newline, at 4 KiB, or a few milliseconds after
 * the first byte, whichever is first. No byte is lost or reordered: when the other side does not
 * take them, chardev_write() holds the calling vCPU until it does (or until chardev_abort()). Input
 * is offered to the client as long as it takes it; what it does not take stays in the host's pipe
 * or terminal, nothing is dropped.
 *
 * Never a difference between a terminal, a pipe, a file, /dev/null and a closed descriptor on stdin
 * and stdout: end of input ends nothing, a closed output swallows bytes (once said in the log).
 */
#ifndef KVM_CHARDEV_H
#define KVM_CHARDEV_H

#include "kvm/loop.h"
#include "kvm/types.h"

struct chardev;

enum chardev_event {
	/* Ctrl-a b; in order with the bytes around it, and only when rx_room() is not 0 */
	CHARDEV_BREAK,
	CHARDEV_CONNECT, /* somebody opened the socket or the pty */
	CHARDEV_HANGUP,
	CHARDEV_RESIZE, /* the terminal has another size: chardev_size() */
	CHARDEV_ROOM,	/* chardev_room() said 0, and there is room now */
};

/* What the device gives; called on the loop's thread only, without any lock of the chardev held. */
struct chardev_client {
	/* How many bytes receive() would take now. 0 stops input until chardev_rx_ready(). */
	size_t (*rx_room)(void *ctx);
	/* @len is at most what rx_room() said. */
	void (*receive)(void *ctx, const uint8_t *bytes, size_t len);
	void (*event)(void *ctx, enum chardev_event event);
	void *ctx;
};

/* What stdio's Ctrl-a commands ask of the launcher. */
struct chardev_hooks {
	void (*quit)(void *ctx);   /* Ctrl-a x */
	void (*report)(void *ctx); /* Ctrl-a d */
	void (*output)(void *ctx, const uint8_t *bytes,
		       /* sees each byte of output in order; any thread, under the output lock */
		       size_t len);
	void *ctx;
	bool goes_on; /* file:PATH keeps what it has, of a life of the machine before this one */
};

/*
 * Opens what @spec names. At most one chardev may be stdio. Returns 0 and the chardev, or -errno
 * having said why. @hooks may be NULL; it is copied. Set-up time only. No input is read before
 * chardev_start().
 */
int chardev_open(struct chardev **out, struct loop *loop, const char *spec,
		 const struct chardev_hooks *hooks);

/* Binds the device. Set-up time only. */
void chardev_set_client(struct chardev *cd, const struct chardev_client *client);

/*
 * Binds a second device to the same line: while @wants() says so, input and breaks are this one's,
 * and the first one's otherwise. Other events go to both. @wants() is called on the loop's thread
 * without a lock; when its answer changes, chardev_rx_ready(). Set-up time only.
 */
void chardev_set_front(struct chardev *cd, const struct chardev_client *front,
		       bool (*wants)(void *ctx));

/*
 * Puts the seconds since @since_ns of now_ns() before each line of output, "[ 0.123] ", for who
 * reads it; hooks and the log get the lines as they are. Set-up time only.
 */
void chardev_stamp_lines(struct chardev *cd, uint64_t since_ns);

/*
 * Begins input; stdio's terminal goes into raw mode here, as late as can be, so that set-up errors
 * look right. Returns 0 or -errno. Loop's thread, before another thread writes.
 */
int chardev_start(struct chardev *cd);

/*
 * Queues bytes for output. Any thread; may wait for room (see above), so hold no lock that the
 * loop's thread needs. On the loop's thread it never waits: there is some slack above the limit for
 * what a tick brings.
 */
void chardev_write(struct chardev *cd, const void *bytes, size_t len);
/* The same for one byte: the hot path of a serial port. */
void chardev_putc(struct chardev *cd, uint8_t byte);

/*
 * How many bytes chardev_write() takes now without waiting. 0 while nobody is there to take them,
 * or too few were taken: CHARDEV_CONNECT or CHARDEV_ROOM follows. Loop's thread.
 */
size_t chardev_room(struct chardev *cd);
/*
 * Whether bytes are lost for good, to a full disk say; a reader that is gone wanted no more. Any
 * thread.
 */
bool chardev_lost(struct chardev *cd);
/*
 * Whether somebody is there to take output: a socket or pty has a client, a file is always there.
 * Any thread.
 */
bool chardev_present(struct chardev *cd);
/*
 * Writes out what can be now, not in a few milliseconds: no more comes for the moment. Any thread;
 * never waits.
 */
void chardev_push(struct chardev *cd);

/*
 * Asks to be called back on the loop's thread, without a lock, from the first output on, while
 * somebody may have bytes that no exit will bring (a coalesced ring): a few milliseconds after
 * output was seen, then less and less often down to once a second. @tick returns whether it wants
 * to be called again; new output starts it anew. Set-up time only.
 */
void chardev_set_tick(struct chardev *cd, bool (*tick)(void *ctx), void *ctx);
/*
 * Bytes may come that no exit brings: the next tick within a few milliseconds. Any thread; nearly
 * free when it is due.
 */
void chardev_tick_soon(struct chardev *cd);

/* Sends a break, or ends it, where the line behind can (tty:PATH). Any thread. */
void chardev_send_break(struct chardev *cd, bool on);

/*
 * The client has room again after rx_room() said 0. Any thread; the client is called later, on the
 * loop's.
 */
void chardev_rx_ready(struct chardev *cd);

/*
 * Puts @len bytes behind what was read, as if they had come from the other side. Returns 0, or
 * -ENOBUFS when the client has let too much lie. Loop's thread.
 */
int chardev_give(struct chardev *cd, const uint8_t *bytes, size_t len);

/*
 * The launcher got SIGWINCH (the terminal has another size) or SIGCONT (we may have come to the
 * foreground: raw again, input goes on). Loop's thread; does nothing but on stdio.
 */
void chardev_winch(struct chardev *cd);

/* The terminal's size in characters; false when it has none. */
bool chardev_size(const struct chardev *cd, unsigned int *columns, unsigned int *rows);

/*
 * The device will neither write nor read any more. Where that is for the other side to know (stdin,
 * stdout), it is told, when all is written; elsewhere this does nothing. Loop's thread.
 */
void chardev_end(struct chardev *cd);

/*
 * A "log" keeps what was written last, and shows nothing; now it is to be shown on stderr, with
 * what is still to come. Does nothing to others. With -v it is shown from the start.
 */
void chardev_show_log(struct chardev *cd);

/*
 * Writes out all that is queued. Waits as long as the other side takes bytes now and then, at most
 * @stall_ms without any progress (-1: for ever). Returns false when bytes were left; what is kept
 * for a client who has not come (unix, pty) does not count. Any thread, also when the loop does not
 * run.
 */
bool chardev_flush(struct chardev *cd, int stall_ms);

/*
 * Lets every waiting and future chardev_write() return at once (bytes that do not fit are dropped).
 * For the way out.
 */
void chardev_abort(struct chardev *cd);

/*
 * Restores the terminal, removes the socket's path, frees. NULL is fine. Does not flush. Nobody may
 * be inside another function of @cd; the loop does not run, or this is its thread.
 */
void chardev_close(struct chardev *cd);

#endif
