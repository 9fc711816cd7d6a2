/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sends requests to a machine's control socket and reads the answers, for the verbs (see
 * control.h). The answer is untrusted: any bytes, any length. Thread: main.
 */
#include "control.h"

#include "kvm/config.h"
#include "kvm/log.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define INFO_PATIENCE_S 5
#define INFO_MAX_BYTES 2048

static int open_pidfd(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) || peer.pid <= 0)
		return -1;
	return (int)syscall(SYS_pidfd_open, peer.pid, 0);
}

static int wait_for(int fd, short events, int patience_s)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n;

	do
		n = poll(&p, 1, patience_s ? patience_s * 1000 : -1);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n ? 0 : -ETIMEDOUT;
}

static int send_request(int fd, const struct control_question *q)
{
	char line[CONTROL_LINE_BYTES];
	size_t len = (size_t)snprintf(line, sizeof(line), "%s\n", q->request);
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { .iov_base = line, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t sent;

	if (len >= sizeof(line))
		return -EMSGSIZE;
	if (q->pass_fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &q->pass_fd, sizeof(int));
	}
	/* A line fits into the buffer of a new socket. */
	sent = sendmsg(fd, &msg, MSG_NOSIGNAL);
	if (sent < 0)
		return -errno;
	return (size_t)sent == len ? 0 : -EIO;
}

/* Reads the next bytes. Returns their number, 0 at the end, or -errno. */
static ssize_t receive(int fd, const struct control_question *q, char *buf, size_t room)
{
	for (;;) {
		ssize_t n = recv(fd, buf, room, 0);
		int err;

		if (n >= 0)
			return n;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		err = wait_for(fd, POLLIN, q->patience_s);
		if (err)
			return err;
	}
}

/*
 * Reads the answer's first line. The bytes of the body that came with it are then in [buf, buf +
 * *have).
 */
static int read_line(int fd, struct control_question *q, char buf[CONTROL_LINE_BYTES], size_t *have)
{
	char *end;
	size_t len;

	*have = 0;
	while ((end = memchr(buf, '\n', *have)) == NULL) {
		ssize_t n = *have < CONTROL_LINE_BYTES
				    ? receive(fd, q, buf + *have, CONTROL_LINE_BYTES - *have)
				    : -EPROTO;

		if (n <= 0)
			return n ? (int)n : -ECONNRESET;
		*have += (size_t)n;
	}
	len = (size_t)(end - buf);
	if (control_parse_reply(buf, len, &q->reply))
		return -EPROTO;
	*have -= len + 1;
	memmove(buf, end + 1, *have);
	return 0;
}

static int read_body(int fd, struct control_question *q, char buf[CONTROL_LINE_BYTES], size_t have)
{
	uint64_t left = q->reply.body_bytes;

	while (left) {
		ssize_t n = have ? (ssize_t)have : receive(fd, q, buf, CONTROL_LINE_BYTES);

		if (n <= 0)
			return n ? (int)n : -ECONNRESET;
		n = (ssize_t)min_u64((uint64_t)n, left);
		if (q->body && fwrite(buf, 1, (size_t)n, q->body) != (size_t)n)
			return errno ? -errno : -EIO;
		left -= (uint64_t)n;
		have = 0;
	}
	return q->body && fflush(q->body) ? -errno : 0;
}

static int converse(int fd, struct control_question *q)
{
	char buf[CONTROL_LINE_BYTES] = "";
	size_t have;
	int err;

	errno = 0;
	err = send_request(fd, q);
	if (!err)
		err = read_line(fd, q, buf, &have);
	if (!err && !q->reply.ok)
		return -EREMOTEIO;
	return err ? err : read_body(fd, q, buf, have);
}

static void explain(const struct control_question *q, int err)
{
	if (q->body && ferror(q->body))
		pr_err("cannot write the answer: %s", strerror(-err));
	else if (err == -ENOENT)
		pr_err("%s: no machine of this name is running; try `kvm list`", q->name);
	else if (err == -EREMOTEIO)
		pr_err("%s: %s", q->name, q->reply.text);
	else if (err == -ETIMEDOUT || err == -EAGAIN)
		pr_err("%s: the machine's launcher does not answer", q->name);
	else if (err == -ECONNRESET)
		pr_err("%s: the machine ended before it answered", q->name);
	else
		pr_err("%s: %s", q->name, strerror(-err));
}

int control_ask(struct control_question *q, bool loud)
{
	struct control_folder folder;
	int err, fd;

	q->pidfd = -1;
	if (!config_is_name(q->name)) {
		err = -ENOENT;
	} else {
		err = control_folder_open(&folder, false);
		if (err && err != -ENOENT)
			loud = false; /* already reported */
		fd = err ? err : control_folder_connect(&folder, q->name);
		control_folder_close(&folder);
		err = fd < 0 ? fd : 0;
	}
	if (!err) {
		q->pidfd = open_pidfd(fd);
		err = converse(fd, q);
		close(fd);
	}
	if (err && loud)
		explain(q, err);
	return err;
}

int control_ask_info(const char *name, struct control_info *info)
{
	char text[INFO_MAX_BYTES];
	struct control_question q = {
		.name = name,
		.request = "info",
		.pass_fd = -1,
		.patience_s = INFO_PATIENCE_S,
		.body = fmemopen(text, sizeof(text), "w"),
	};
	int err = q.body ? control_ask(&q, false) : -ENOMEM;
	long len = q.body ? ftell(q.body) : 0;

	if (q.body) {
		fclose(q.body);
		if (q.pidfd >= 0)
			close(q.pidfd);
	}
	control_parse_info(text, err || len < 0 ? 0 : (size_t)len, info);
	return err;
}
