/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Declares what the parts of a character device share.
 *
 * The parts, each using those before it:
 * - chardev_core.c, chardev_stamp.c, term_modes.c: helpers;
 * - chardev_output.c, chardev_input.c: the two directions;
 * - chardev_unix.c, chardev_pty.c: backends whose client connects and disconnects;
 * - chardev_stream.c: backends whose stream can end;
 * - chardev.c: the other backends; opens, starts and closes a device.
 *
 * Locks: chardev.lock guards struct chardev_out and the arming of out.timer and in.timer. While it
 * is held, no lock is taken but those that hooks.output takes. struct chardev_in and the backend's
 * own state belong to the loop's thread.
 */
#ifndef KVM_CHARDEV_CHARDEV_IMPL_H
#define KVM_CHARDEV_CHARDEV_IMPL_H

#include "escape.h"
#include "kvm/base/byte_ring.h"
#include "kvm/base/outfd.h"
#include "kvm/chardev.h"
#include "kvm/listener.h"
#include "term_modes.h"

#include <pthread.h>
#include <sys/stat.h>
#include <termios.h>

#define CHARDEV_MAX_BREAKS 4

struct chardev_out {
	struct byte_ring ring;
	size_t unseen; /* bytes at the ring's end that hooks and log have not seen yet */
	struct outfd to;
	struct term_modes modes; /* of to, if that is stdio's terminal */
	bool attached;		 /* a client takes the bytes; otherwise the newest are kept */
	bool swallow;		 /* no client will ever take them: drop all */
	bool lost;		 /* a write failed, and bytes that a client may want are dropped */
	bool gone; /* the stream's other side has ended; CHARDEV_HANGUP was sent or is due */
	bool hangup_due;
	bool ending;  /* close the stream when the ring is empty */
	bool stalled; /* the last write returned EAGAIN; EPOLLOUT is or will be waited for */
	bool aborted;
	uint64_t stamps_ns; /* not 0: each line begins with the time since then */
	bool mid_line;	    /* the last byte was not a newline; valid with stamps only */
	bool traffic;	    /* bytes have come since the timer last fired */
	bool room_wanted;   /* send CHARDEV_ROOM once there is room */
	_Atomic bool soon;  /* the timer fires within TICK_NS */
	uint64_t tick_ns;   /* the idle tick's current interval */
	unsigned int nr_waiters;
	struct loop_timer timer;
	struct loop_source source; /* waits for EPOLLOUT while stalled; loop's thread */
};

enum in_mode {
	IN_NONE,   /* no input, or no more */
	IN_PAUSED, /* the descriptor is not watched until the client has room */
	IN_POLLED, /* epoll reports when it is readable */
	IN_PUMPED, /* epoll refuses such files; they are always readable */
};

struct chardev_in {
	int fd;	     /* waited on */
	int read_fd; /* read from: fd, or our own non-blocking description of the same file */
	bool prepared, socket;
	bool guarded; /* read_fd may block: poll first */
	enum in_mode mode;
	bool pumped;  /* this descriptor needs IN_PUMPED */
	bool hung_up; /* the peer has hung up, but its last bytes are not read yet */
	bool terminal;
	struct byte_ring ring;
	size_t read_ahead_bytes; /* how many bytes the ring may hold beyond the client's room */
	struct escape escape;
	const struct chardev_client *taker; /* the client last asked for room: it gets the bytes */
	uint64_t put, given;		    /* bytes put into and taken from the ring so far */
	/* a break is due when `given` reaches one of these; ascending */
	uint64_t break_at[CHARDEV_MAX_BREAKS];
	unsigned int nr_breaks;
	struct loop_source source;
	struct loop_timer timer; /* for chardev_rx_ready() and pumped files; armed under the lock */
	/* in the background: checks whether we are in the foreground again */
	struct loop_timer look;
};

struct chardev_backend {
	const char *name;
	bool takes_path;
	bool returns; /* a client may disconnect and another connect: unix, pty */
	bool stream;  /* each side must see when the other ends: stdin, stdout, stderr */
	void (*end)(struct chardev *cd); /* closes output for good, under the lock; NULL: never */
	int (*open)(struct chardev *cd, const char *path); /* 0, or -errno (reported) */
	int (*start)(struct chardev *cd);		   /* NULL: nothing to start */
	/* NULL: input just ends; loop's thread */
	void (*hangup)(struct chardev *cd);
	void (*close)(struct chardev *cd); /* NULL: nothing to close */
};

struct chardev {
	struct loop *loop;
	const struct chardev_backend *backend;
	char *spec; /* for messages */
	const char *path;
	struct chardev_hooks hooks;
	struct chardev_client client, front;
	bool (*front_wants)(void *ctx); /* NULL: there is no front, only the client */
	bool (*tick)(void *ctx);
	void *tick_ctx;
	bool is_stdio;
	bool logged; /* output also goes to the --log file */
	bool mute;   /* output goes nowhere, and no hook or log sees it */
	bool started;
	pthread_t loop_thread; /* valid once started */

	pthread_mutex_t lock;
	pthread_cond_t room; /* signalled when bytes were written out, or will never be */
	struct chardev_out out;

	struct chardev_in in;
	/* Used by the backend only. */
	int io_fd;
	struct listener listener;
	struct loop_timer presence;
	struct termios saved;
	bool restore_termios;
};

/*
 * A client has connected: writes output to a dup of @fd, as @kind says, and sends CHARDEV_CONNECT.
 * The caller begins input. Returns 0, or -errno. Thread: loop | setup.
 */
int chardev_attach(struct chardev *cd, int fd, enum out_kind kind);
/*
 * The client has disconnected: keeps output from now on and sends CHARDEV_HANGUP. The caller has
 * ended input, and closes the descriptor itself. Thread: loop.
 */
void chardev_detach(struct chardev *cd);

/* Passes @bytes to @emit, with the time in front of each line. Locks: the caller has the lock. */
typedef void chardev_emit(struct chardev *cd, const uint8_t *bytes, size_t len);
void chardev_stamp(struct chardev *cd, const uint8_t *bytes, size_t len, chardev_emit *emit);
#define CHARDEV_STAMP_BYTES 32 /* of the longest time stamp */

void chardev_out_init(struct chardev *cd);
void chardev_out_fini(struct chardev *cd);

void chardev_in_init(struct chardev *cd);
void chardev_in_fini(struct chardev *cd);
/* Begins input from @fd; may call the client. Thread: loop | setup. */
void chardev_in_begin(struct chardev *cd, int fd);
/*
 * Makes the terminal raw if we are in the foreground; otherwise waits until we are. Returns 0, or
 * -errno (reported).
 */
int chardev_take_terminal(struct chardev *cd);
/*
 * Another job has the terminal: checks regularly whether we are in the foreground, and then takes
 * the terminal as chardev_winch() does.
 */
void chardev_wait_foreground(struct chardev *cd);
/* Ends input. Bytes that were read ahead are still delivered. */
void chardev_in_end(struct chardev *cd);
/* Sends @event to the client and the front, if they take events; a break only to in.taker. */
void chardev_event(struct chardev *cd, enum chardev_event event);

extern const struct chardev_backend chardev_pty, chardev_unix, chardev_stdin, chardev_stdout,
	chardev_stderr, chardev_signals, chardev_log;

#endif
