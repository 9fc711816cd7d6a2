/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sends requests to a machine's control socket and reads the answers, for the verbs (see
 * control.h). The answer is untrusted: any bytes, any length. Thread: main.
 */
#include "control.h"

#include "kvm/clock.h"
#include "kvm/config.h"
#include "kvm/log.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NS_PER_MS 1000000ULL

int control_pidfd(const struct control_question *q)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(q->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) || peer.pid <= 0)
		return -1;
	return (int)syscall(SYS_pidfd_open, peer.pid, 0);
}

static int limit_ms(const struct control_question *q)
{
	uint64_t now = now_ns();

	if (q->until_ns)
		return now < q->until_ns ? (int)((q->until_ns - now) / NS_PER_MS + 1) : 0;
	return q->patience_s ? (int)q->patience_s * 1000 : -1;
}

static int wait_for_bytes(const struct control_question *q)
{
	struct pollfd p = { .fd = q->fd, .events = POLLIN };
	int n;

	do
		n = poll(&p, 1, limit_ms(q));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n ? 0 : -ETIMEDOUT;
}

static int send_request(const struct control_question *q)
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
	sent = sendmsg(q->fd, &msg, MSG_NOSIGNAL);
	if (sent < 0)
		return -errno;
	return (size_t)sent == len ? 0 : -EIO;
}

/* Reads the next bytes. Returns their number, 0 at the end, or -errno. */
static ssize_t receive(const struct control_question *q, char *buf, size_t room)
{
	for (;;) {
		ssize_t n = recv(q->fd, buf, room, 0);
		int err;

		if (n >= 0)
			return n;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		err = wait_for_bytes(q);
		if (err)
			return err;
	}
}

/*
 * Reads the answer's first line. The bytes of the body that came with it are then in [buf, buf +
 * *have).
 */
static int read_line(struct control_question *q, char buf[CONTROL_LINE_BYTES], size_t *have)
{
	char *end;
	size_t len;

	*have = 0;
	while ((end = memchr(buf, '\n', *have)) == NULL) {
		ssize_t n = *have < CONTROL_LINE_BYTES
				    ? receive(q, buf + *have, CONTROL_LINE_BYTES - *have)
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

static int read_body(struct control_question *q, char buf[CONTROL_LINE_BYTES], size_t have)
{
	uint64_t left = q->reply.body_bytes;

	while (left) {
		ssize_t n = have ? (ssize_t)have : receive(q, buf, CONTROL_LINE_BYTES);

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

/* Connects to the machine in the first folder that has it. */
static int find_machine(struct control_question *q)
{
	struct control_folder f;
	int fd = -ENOENT;

	for (unsigned int i = 0; i < CONTROL_FOLDERS && fd == -ENOENT; i++) {
		int err = control_folder_open(&f, i, false);

		q->reported = err && err != -ENOENT;
		fd = err ? err : control_folder_connect(&f, q->name, q->patience_s);
		control_folder_close(&f);
	}
	return fd;
}

int control_send(struct control_question *q, struct control_folder *f)
{
	int err;

	q->reported = false;
	q->fd = -ENOENT;
	if (config_is_name(q->name))
		q->fd = f ? control_folder_connect(f, q->name, q->patience_s) : find_machine(q);
	if (q->fd < 0)
		return q->fd;
	err = send_request(q);
	if (err) {
		close(q->fd);
		q->fd = -1;
	}
	return err;
}

int control_receive(struct control_question *q)
{
	char buf[CONTROL_LINE_BYTES] = "";
	size_t have;
	int err;

	errno = 0;
	err = read_line(q, buf, &have);
	if (!err)
		err = q->reply.ok ? read_body(q, buf, have) : -EREMOTEIO;
	close(q->fd);
	q->fd = -1;
	return err;
}

void control_explain(const struct control_question *q, int err)
{
	char folders[CONTROL_FOLDERS_BYTES];

	if (q->reported)
		return;
	control_folders_text(folders);
	if (q->body && ferror(q->body))
		pr_err("cannot write the answer: %s", strerror(-err));
	else if (err == -ENOENT)
		pr_err("%s: no machine of this name is running in %s; try `kvm list`", q->name,
		       folders);
	else if (err == -EREMOTEIO)
		pr_err("%s: %s", q->name, q->reply.text);
	else if (err == -ETIMEDOUT || err == -EAGAIN)
		pr_err("%s: the machine's launcher does not answer", q->name);
	else if (err == -ECONNRESET || err == -EPIPE)
		pr_err("%s: the machine ended before it answered", q->name);
	else
		pr_err("%s: %s", q->name, strerror(-err));
}

int control_ask(struct control_question *q)
{
	int err = control_send(q, NULL);

	if (!err)
		err = control_receive(q);
	if (err)
		control_explain(q, err);
	return err;
}
