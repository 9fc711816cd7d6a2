/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Declares what the parts of a character device share. From the bottom: chardev_core.c,
 * chardev_stamp.c; chardev_output.c, chardev_input.c; the backends that come and go, chardev_unix.c
 * and chardev_pty.c, and those that have an end, chardev_stream.c; chardev.c, which makes a device
 * of them.
 *
 * Locks: chardev.lock guards struct chardev_out and both timers' arming; nothing else is taken
 * under it but what hooks.output takes. struct chardev_in and the backend's own state belong to the
 * loop's thread.
 */
#ifndef KVM_CHARDEV_CHARDEV_IMPL_H
#define KVM_CHARDEV_CHARDEV_IMPL_H

#include "escape.h"
#include "kvm/base/byte_ring.h"
#include "kvm/chardev.h"

#include <pthread.h>
#include <sys/stat.h>
#include <termios.h>

#define CHARDEV_MAX_BREAKS 4

/* How bytes are written without waiting and without touching flags that we share with others. */
enum out_kind {
	OUT_UNKNOWN,  /* to be found out at the first write */
	OUT_PLAIN,    /* a file: never says EAGAIN */
	OUT_SOCKET,   /* MSG_DONTWAIT */
	OUT_NONBLOCK, /* our own open file description, O_NONBLOCK */
	/*
	 * somebody's blocking pipe or terminal that we could not open anew: poll, then a small
	 * write
	 */
	OUT_POLLED,
};

struct chardev_out {
	struct byte_ring ring;
	size_t unseen; /* bytes at the ring's end that hooks and log have not got yet */
	int fd;	       /* -1: none */
	bool own_fd;
	enum out_kind kind;
	bool attached; /* somebody is there to take bytes; else the newest are kept */
	bool swallow;  /* nobody will ever be */
	bool lost;     /* a write failed, and bytes that somebody may want are dropped */
	bool gone;     /* the other side of a stream is, and CHARDEV_HANGUP is or will be told */
	bool hangup_due;
	bool ending;  /* the stream is to be closed when the ring is empty */
	bool stalled; /* the last write said EAGAIN, and EPOLLOUT is or will be waited for */
	bool aborted;
	uint64_t stamps_ns; /* not 0: lines get the time since then in front */
	bool mid_line;	    /* the last byte was no newline; kept with stamps only */
	bool traffic;	    /* since the timer fired last */
	bool room_wanted;   /* CHARDEV_ROOM is due once there is room */
	_Atomic bool soon;  /* the timer fires within TICK_NS */
	uint64_t tick_ns;   /* the idle tick's current distance */
	unsigned int nr_waiters;
	struct loop_timer timer;
	struct loop_source source; /* EPOLLOUT while stalled; loop's thread */
};

enum in_mode {
	IN_NONE,   /* no input (any more) */
	IN_PAUSED, /* nobody looks at the fd until the client has room */
	IN_POLLED, /* epoll tells */
	IN_PUMPED, /* epoll refuses such files, they are always readable */
};

struct chardev_in {
	int fd;	     /* waited on */
	int read_fd; /* read from: fd, or our own non-blocking description of the same */
	bool prepared, socket, guarded /* read_fd may block: poll first */;
	enum in_mode mode;
	bool pumped;  /* IN_PUMPED is this fd's way */
	bool hung_up; /* the peer is gone, but its last bytes are not read yet */
	bool terminal;
	struct byte_ring ring;
	size_t read_ahead_bytes; /* how many bytes the ring may hold beyond the client's room */
	struct escape escape;
	const struct chardev_client *taker; /* who was asked for room last, and gets the bytes */
	uint64_t put, given;		    /* bytes ever put into and taken from the ring */
	/* values of `given` before which a break comes, ascending */
	uint64_t break_at[CHARDEV_MAX_BREAKS];
	unsigned int nr_breaks;
	struct loop_source source;
	struct loop_timer timer; /* rx_ready, and files that are pumped; armed under the lock */
	struct loop_timer look;	 /* in the background: whether it is over */
};

struct chardev_backend {
	const char *name;
	bool takes_path;
	bool returns; /* a client may go and another come: unix, pty */
	bool stream;  /* the end of either side is the other's to know: stdin, stdout, stderr */
	void (*end)(
		/* closes output for good, under the lock; NULL: that is never done */
		struct chardev *cd);
	int (*open)(struct chardev *cd, const char *path); /* 0 or -errno having said why */
	int (*start)(struct chardev *cd);		   /* NULL: input begins on in.fd, if any */
	/* NULL: input just ends. Loop's thread */
	void (*hangup)(struct chardev *cd);
	void (*close)(struct chardev *cd); /* NULL: nothing of its own */
};

struct chardev {
	struct loop *loop;
	const struct chardev_backend *backend;
	char *spec; /* for messages */
	const char *path;
	struct chardev_hooks hooks;
	struct chardev_client client, front;
	bool (*front_wants)(void *ctx); /* NULL: there is only the one client */
	bool (*tick)(void *ctx);
	void *tick_ctx;
	bool is_stdio;
	bool logged; /* output goes to the --log file, too */
	bool mute;   /* output goes nowhere, and nobody looks at it */
	bool started;
	pthread_t loop_thread; /* once started */

	pthread_mutex_t lock;
	pthread_cond_t room; /* bytes were written out, or will not be */
	struct chardev_out out;

	struct chardev_in in;
	/* The backend's own. */
	int listen_fd, io_fd;
	struct loop_source listen_source;
	struct loop_timer presence;
	struct stat bound; /* the socket's path as we made it */
	struct termios saved;
	bool restore_termios;
};

/*
 * The other side of @fd is there: output goes to it (@kind), from a dup of it, and input comes.
 * Loop's thread or set-up.
 */
int chardev_attach(struct chardev *cd, int fd, enum out_kind kind);
/* It is gone: output is kept, input over. @fd stays the caller's to close. */
void chardev_detach(struct chardev *cd);

/* Hands @bytes on to @emit, with the time in front of each line. Under the lock. */
typedef void chardev_emit(struct chardev *cd, const uint8_t *bytes, size_t len);
void chardev_stamp(struct chardev *cd, const uint8_t *bytes, size_t len, chardev_emit *emit);
#define CHARDEV_STAMP_BYTES 32 /* the longest */

void chardev_out_init(struct chardev *cd);
void chardev_out_fini(struct chardev *cd);

void chardev_in_init(struct chardev *cd);
void chardev_in_fini(struct chardev *cd);
/* Begins input from @fd. Loop's thread or set-up; the client may be called. */
void chardev_in_begin(struct chardev *cd, int fd);
/* Goes raw, if the terminal is ours now, else waits for it. Returns 0 or -errno (reported). */
int chardev_take_terminal(struct chardev *cd);
/*
 * The terminal is another job's now: looks when it is ours, and takes it as chardev_winch() does.
 */
void chardev_wait_foreground(struct chardev *cd);
/* What was read ahead is still given. */
void chardev_in_end(struct chardev *cd);
/* Tells the clients, those that want to know; a break is told to in.taker alone. */
void chardev_event(struct chardev *cd, enum chardev_event event);

/*
 * Our own non-blocking open file description of what @fd is, or -errno. @access is O_RDONLY or
 * O_WRONLY.
 */
int chardev_reopen(int fd, int access);

extern const struct chardev_backend chardev_pty, chardev_unix, chardev_stdin, chardev_stdout,
	chardev_stderr, chardev_signals, chardev_log;

#endif
