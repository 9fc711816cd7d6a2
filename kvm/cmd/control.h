/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Machines that can be asked: one with a --name listens on a socket of that name, in a folder that
 * only its user may enter. The verbs `kvm list`, `debug`, `dmesg` and `stop` are its clients.
 *
 * The protocol: a client connects, sends one line, and gets one answer; then the connection is
 * closed.
 *
 *	request:  VERB [ARGUMENT] LF                at most CONTROL_LINE_BYTES with the LF
 *	answer:   ok LENGTH [NOTE] LF BODY          LENGTH bytes follow; NOTE is for the person who
 *	          asked
 *	          error TEXT LF
 *
 *	info            lines KEY VALUE, see control_parse_info()
 *	debug           the post-mortem of the machine as it runs
 *	dmesg           its kernel's log, out of its memory
 *	dump            an ELF core, into the regular file whose descriptor comes with the line
 *	                (SCM_RIGHTS)
 *	stop [SECONDS]  the power button, and the end after SECONDS (default: the machine's
 *	                --grace); 0: the end at once
 */
#ifndef KVM_CMD_CONTROL_H
#define KVM_CMD_CONTROL_H

#include "kvm/types.h"

#include <stdio.h>
#include <sys/types.h>

#define CONTROL_LINE_BYTES 512
#define CONTROL_MAX_SECONDS 1000000000ULL

struct config;
struct reports;
struct vm;

/*--- the machine's side: control.c --------------------------------------------------------------*/

struct control;

/*
 * Listens for config->name; *@out is NULL when there is none. With the signals that end us blocked.
 * Returns 0 or -errno having said why: -EADDRINUSE when a machine of that name runs.
 */
int control_create(struct control **out, const struct config *config);
/*
 * Serves clients on @vm's loop; between two lives of a machine they wait. Return 0 or -errno having
 * said why. Loop's thread; @c may be NULL.
 */
int control_attach(struct control *c, struct vm *vm, struct reports *reports);
/* Drops its clients. Before vm's vCPUs are joined. */
void control_detach(struct control *c);
/* No machine of this name is here any more: removes the socket. control_destroy() does so, too. */
void control_remove(struct control *c);
void control_destroy(struct control *c);

/*--- the folder: control_folder.c ---------------------------------------------------------------*/

/* Where the sockets are: $XDG_RUNTIME_DIR/kvm if that is the user's, else /tmp/kvm-UID. */
struct control_folder {
	char path[88];
	int fd; /* -1: not open */
};

/*
 * Opens it. Returns 0, or -errno having said why; -ENOENT, when there is none and @create is not
 * set, says nothing. Whatever it returns, control_folder_close().
 */
int control_folder_open(struct control_folder *f, bool create);
void control_folder_close(struct control_folder *f);
/* A listening socket @name, or -errno having said why. */
int control_folder_listen(struct control_folder *f, const char *name);
/*
 * A connection to the machine @name, or -errno: -ENOENT when there is none; a socket that nobody
 * listens on is removed. Says nothing.
 */
int control_folder_connect(struct control_folder *f, const char *name);

/*--- lines: control_text.c; pure ----------------------------------------------------------------*/

enum control_verb { CONTROL_INFO, CONTROL_DEBUG, CONTROL_DMESG, CONTROL_DUMP, CONTROL_STOP };

struct control_request {
	enum control_verb verb;
	bool has_seconds;
	uint64_t seconds; /* at most CONTROL_MAX_SECONDS */
};

struct control_reply {
	bool ok;
	uint64_t body_bytes;
	char text[CONTROL_LINE_BYTES]; /* the note, or the error; printable */
};

struct control_info {
	uint64_t pid, cpus, memory_bytes, uptime_ms, grace_s;
	char state[16], kernel[256]; /* printable */
};

/* Lines come without their LF, with any bytes in them. Return 0 or -EINVAL. */
int control_parse_request(const char *line, size_t len, struct control_request *request);
int control_parse_reply(const char *line, size_t len, struct control_reply *reply);
/* What is not there is 0 or ""; what is not known is skipped. */
void control_parse_info(const char *text, size_t len, struct control_info *info);
void control_print_info(FILE *f, const struct control_info *info);

/*--- the client's side: control_client.c --------------------------------------------------------*/

struct control_question {
	const char *name;    /* of the machine */
	const char *request; /* without LF */
	int pass_fd;	     /* goes with it; -1: none */
	int patience_s;	     /* without a byte; 0: for ever */
	FILE *body;	     /* where the answer's body goes */
	int pidfd;	     /* out: the machine's process, for waiting; -1: none */
	struct control_reply reply;
};

/*
 * Asks. Returns 0, or -errno: with @loud having said why, and -EREMOTEIO when the machine said no.
 * The caller closes pidfd.
 */
int control_ask(struct control_question *q, bool loud);
/*
 * Asks the machine @name what it is, and says nothing. Returns 0 or -errno; -ENOENT when it is not
 * there. @info is filled in either case.
 */
int control_ask_info(const char *name, struct control_info *info);

#endif
