/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connects a console to a new pseudo-terminal and prints its path at start. A client is connected
 * while the slave side is open, that is, while the master does not report POLLHUP. Nothing reports
 * when a client opens the slave, so without a client we check a few times a second (epoll would
 * report the hang-up continuously). Meanwhile output is kept, as on a socket without a client.
 */
#include "chardev_impl.h"

#include "kvm/log.h"
#include "kvm/term.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CLIENT_AHEAD_BYTES (64 * KIB)
#define LOOK_NS 200000000ULL

/*
 * Makes the slave raw, so that it echoes nothing back, and closes it: from then on the master sees
 * whether a client has it open.
 */
static int set_up_slave(int master)
{
	struct termios t;
	int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	int err = 0;

	if (slave < 0)
		return -errno;
	if (tcgetattr(slave, &t) < 0) {
		err = -errno;
	} else {
		term_make_raw(&t);
		if (tcsetattr(slave, TCSANOW, &t) < 0)
			err = -errno;
	}
	close(slave);
	return err;
}

static int pty_open(struct chardev *cd, const char *path)
{
	char name[64];
	int err = 0;

	(void)path;
	cd->in.read_ahead_bytes = CLIENT_AHEAD_BYTES;
	cd->io_fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (cd->io_fd < 0 || grantpt(cd->io_fd) < 0 || unlockpt(cd->io_fd) < 0)
		err = -errno;
	if (!err)
		err = set_up_slave(cd->io_fd);
	if (!err)
		err = -ptsname_r(cd->io_fd, name, sizeof(name));
	if (err)
		pr_err("console pty: cannot create a pseudo-terminal: %s", strerror(-err));
	else
		log_msg(LOG_LEVEL_ERROR, "console pty: %s", name); /* -q must not hide it */
	return err;
}

static void look(void *ctx)
{
	struct chardev *cd = ctx;
	struct pollfd p = { .fd = cd->io_fd };
	int n = poll(&p, 1, 0);

	if (n < 0 || p.revents & POLLHUP || chardev_attach(cd, cd->io_fd, OUT_NONBLOCK))
		loop_timer_arm(&cd->presence, LOOK_NS);
	else
		chardev_in_begin(cd, cd->io_fd);
}

static void pty_hangup(struct chardev *cd)
{
	chardev_in_end(cd);
	chardev_detach(cd);
	loop_timer_arm(&cd->presence, LOOK_NS);
}

static int pty_start(struct chardev *cd)
{
	loop_timer_init(cd->loop, &cd->presence, look, cd);
	look(cd);
	return 0;
}

static void pty_close(struct chardev *cd)
{
	if (cd->started)
		loop_timer_fini(&cd->presence);
}

const struct chardev_backend chardev_pty = {
	.name = "pty",
	.returns = true,
	.open = pty_open,
	.start = pty_start,
	.hangup = pty_hangup,
	.close = pty_close,
};
