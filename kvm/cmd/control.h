/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lets other processes query and stop a machine: one with a --name listens on a socket of that
 * name, in a folder that only its user may enter. The verbs `kvm list`, `debug`, `dmesg` and `stop`
 * are its clients.
 *
 * The protocol: a client connects, sends one line, and gets one answer; then the connection is
 * closed.
 *
 *	request:  VERB [ARGUMENT] LF                at most CONTROL_LINE_BYTES with the LF
 *	answer:   ok LENGTH [NOTE] LF BODY          LENGTH bytes follow; NOTE is for the user
 *	          error TEXT LF
 *
 *	info            lines KEY VALUE, see control_parse_info()
 *	debug           the post-mortem of the running machine
 *	dmesg           its kernel's log, read from its memory
 *	dump            an ELF core, into the regular file whose descriptor comes with the line
 *	                (SCM_RIGHTS)
 *	stop [SECONDS]  presses the power button, and ends the machine after SECONDS (default:
 *	                the machine's --grace); 0: ends it at once. Answers with grace_s SECONDS
 *
 * A request that was not read when its client hangs up is not carried out. A machine that restarts
 * keeps its clients.
 */
#ifndef KVM_CMD_CONTROL_H
#define KVM_CMD_CONTROL_H

#include "kvm/listener.h"
#include "kvm/types.h"

#include <stdio.h>
#include <sys/types.h>

#define CONTROL_LINE_BYTES 512
#define CONTROL_MAX_SECONDS 1000000000ULL

struct config;
struct reports;
struct vm;

/*--- the machine's side: control_server.c -------------------------------------------------------*/

struct control;

/*
 * Listens on a socket named config->name; *@out is NULL without a name. Returns 0, or -errno
 * (reported): -EADDRINUSE if a machine of that name runs.
 */
int control_create(struct control **out, const struct config *config);
/*
 * Serves clients on @vm's loop; between two lives of a machine they wait. @c may be NULL. Returns
 * 0, or -errno (reported). Thread: loop.
 */
int control_attach(struct control *c, struct vm *vm, struct reports *reports);
/* Stops serving clients, but keeps them. Call it before joining the machine's vCPUs. */
void control_detach(struct control *c);
/*
 * Disconnects all clients and removes the socket, because the machine has ended. Call it after
 * control_detach(). control_destroy() does so, too.
 */
void control_remove(struct control *c);
void control_destroy(struct control *c);

/*--- the folder: control_folder.c ---------------------------------------------------------------*/

/*
 * Where the sockets can be: $XDG_RUNTIME_DIR/kvm, /run/user/UID/kvm, /tmp/kvm-UID. The first two
 * count if the folder that they are in is the user's, and no other may write to it. A machine uses
 * the first one; clients look into all, because a cron job or sudo(8) has another environment.
 */
#define CONTROL_FOLDERS 3

struct control_folder {
	char path[88];
	int fd; /* -1: not open */
};

/*
 * Opens one of the folders. Returns 0, or -errno: -ENOENT if there is none with this @index, or
 * without @create it does not exist or is another user's; all others are reported. Call
 * control_folder_close() in either case.
 */
int control_folder_open(struct control_folder *f, unsigned int index, bool create);
void control_folder_close(struct control_folder *f);
/* Prints the paths of all folders. */
#define CONTROL_FOLDERS_BYTES 320
void control_folders_text(char text[CONTROL_FOLDERS_BYTES]);
/*
 * Opens the folder for a new machine @name, and listens on @path in it. Returns 0, or -errno
 * (reported): -EADDRINUSE if a machine of that name runs. listener_close() and
 * control_folder_close() work in either case.
 */
int control_folder_listen(struct control_folder *f, const char *name, char path[UNIX_PATH_BYTES],
			  struct listener *l);
/*
 * Connects to the machine @name, whose backlog may be full for @patience_s seconds. Returns a
 * descriptor, or -errno (not reported): -ENOENT if there is none. Removes a socket on which no
 * process listens.
 */
int control_folder_connect(struct control_folder *f, const char *name, unsigned int patience_s);

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

/* Parse a line without its LF, which may have any bytes. Return 0, or -EINVAL. */
int control_parse_request(const char *line, size_t len, struct control_request *request);
int control_parse_reply(const char *line, size_t len, struct control_reply *reply);
/* Sets missing values to 0 or "", and skips unknown keys. */
void control_parse_info(const char *text, size_t len, struct control_info *info);
void control_print_info(FILE *f, const struct control_info *info);

/*--- the client's side: control_client.c --------------------------------------------------------*/

struct control_question {
	const char *name;	 /* of the machine */
	const char *request;	 /* without LF */
	int pass_fd;		 /* sent with the request; -1: none */
	unsigned int patience_s; /* limit for room in the backlog and for the next byte; 0: none */
	uint64_t until_ns;	 /* limit for the whole answer, by now_ns(); 0: none */
	FILE *body;		 /* where the answer's body goes; NULL: nowhere */
	struct control_reply reply;
	bool reported;
	int fd; /* the connection; -1: none */
};

/*
 * Connects to the machine in this folder (NULL: in any of them) and sends the request. Returns 0,
 * or -errno: -ENOENT if there is no such machine.
 */
int control_send(struct control_question *q, struct control_folder *f);
/*
 * Reads the answer and disconnects. Returns 0, or -errno: -EREMOTEIO if the machine answered with
 * an error, -ETIMEDOUT if it does not answer.
 */
int control_receive(struct control_question *q);
/* Returns the process that listens, or -1. Call it between the two. The caller closes it. */
int control_pidfd(const struct control_question *q);
/* Reports what is wrong, if the error was not reported yet. */
void control_explain(const struct control_question *q, int err);
/* Sends the request and reads the answer. Returns 0, or -errno (reported). */
int control_ask(struct control_question *q);

#endif
