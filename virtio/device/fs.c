/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Implements the file system device (fs.h) by handing its queues over to virtiofsd. It has a
 * high-priority queue and one for requests. The vCPU that starts a queue hands it over, and waits
 * for virtiofsd's answers: the loop never does. From then on its notifications and interrupts
 * bypass this process. The queues are taken back before the driver's reset is complete: virtiofsd
 * answers GET_VRING_BASE when it has stopped using the ring.
 *
 * virtiofsd may fail at any time: its socket hangs up, it sends a wrong message, or it does not
 * answer. The device is then broken and notifies its driver. Requests under way never get an
 * answer, so guest processes that wait for them wait without limit. If virtiofsd does not answer
 * and we started it, we kill it, so that it cannot write to memory that the driver has got back.
 *
 * The first lines of its log are shown while the machine runs; a guest may cause more of them.
 */
#include "virtio/fs.h"

#include "virtio/vhost/vhost_user.h"
#include "virtio/vhost/virtiofsd.h"

#include "kvm/log.h"
#include "kvm/sandbox_hint.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define NR_QUEUES 2
#define QUEUE_SIZE 1024
#define GREET_WAIT_MS 60000 /* for the start of a program on a loaded host */
#define MAX_LOG_LINES 20
#define LOOK_AGAIN_NS 50000000ULL

static_assert(sizeof(((struct virtio_fs_config *)NULL)->tag) == FS_MAX_TAG_BYTES, "");

struct fs {
	struct virtio_device v;
	struct fs_options options;
	struct loop *loop;
	struct vhost_user *backend; /* NULL: not connected yet, or disconnected */
	struct virtiofsd daemon;    /* only if we started it */
	bool lost;		    /* the back end has ended or disconnected, for good */
	struct loop_source hang_up, mistake, log;
	struct loop_timer again; /* looks at the first two once more */
	unsigned int log_lines;
	void (*on_loss)(void *ctx, const char *why);
	void *on_loss_ctx;
};

/*
 * Breaks the device after virtiofsd has failed. The loop's sources see the socket's hang-up, and
 * the loop's own thread removes them. Thread: any. Locks: held.
 */
static void lose(struct fs *f)
{
	char why[128];

	if (f->lost)
		return;
	f->lost = true;
	virtiofsd_stop(&f->daemon, false);
	snprintf(why, sizeof(why), "virtiofsd of %s: %s", f->options.tag,
		 vhost_user_why(f->backend));
	virtio_break(&f->v, why);
	if (f->on_loss)
		f->on_loss(f->on_loss_ctx, why);
}

static int hand_over(struct fs *f, unsigned int queue)
{
	struct virtio_queue *q = &f->v.queue[queue];
	struct vhost_ring ring = {
		.vq = &q->vq, .kick_fd = q->kick_fd, .call_fd = virtio_used_fd(&f->v), .tap_fd = -1
	};
	int err;

	if (ring.call_fd < 0) {
		virtio_break(&f->v, "this host's KVM does not support interrupts by eventfd");
		return ring.call_fd;
	}
	/*
	 * Some back ends (virtiofsd without VIRTIO_RING_F_EVENT_IDX) do not change the flag; from
	 * then on we must not write it.
	 */
	vq_enable_notify(&q->vq);
	err = vhost_user_start(f->backend, queue, &ring, f->v.driver_features);
	if (err)
		lose(f);
	return err;
}

/* Not called for a queue that runs: it is handed over before the loop sees a kick. */
static void fs_handle(struct virtio_device *v, unsigned int queue)
{
	virtio_park(v, queue);
}

static void fs_started(struct virtio_device *v, unsigned int queue)
{
	struct fs *f = (struct fs *)v;

	if (f->lost || !f->backend)
		virtio_break(v, "virtiofsd has ended");
	else if (!hand_over(f, queue))
		virtio_hand_over(v, queue);
}

static void fs_quiesce(struct virtio_device *v, unsigned int queue)
{
	struct fs *f = (struct fs *)v;

	if (!f->lost && f->backend && vhost_user_stop(f->backend, queue))
		lose(f);
}

static const struct virtio_ops fs_ops = {
	.name = "fs",
	.device_id = VIRTIO_ID_FS,
	.handle = fs_handle,
	.started = fs_started,
	.quiesce = fs_quiesce,
};

int fs_create(struct fs **out, const struct fs_options *options, const struct gmem *mem,
	      struct loop *loop)
{
	struct virtio_fs_config config = { .num_request_queues = htole32(NR_QUEUES - 1) };
	struct fs *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->options = *options;
	f->loop = loop;
	f->daemon.log_fd = -1;
	*out = f;
	memcpy(config.tag, options->tag, strlen(options->tag));
	return virtio_init(&f->v, &fs_ops, mem, loop, NR_QUEUES, QUEUE_SIZE, 0, &config,
			   sizeof(config));
}

struct virtio_device *fs_virtio(struct fs *f)
{
	return &f->v;
}

void fs_on_loss(struct fs *f, void (*fn)(void *ctx, const char *why), void *ctx)
{
	f->on_loss = fn;
	f->on_loss_ctx = ctx;
}

/* ---- events of the loop ---------------------------------------------------------------------- */

/*
 * Takes the lock, unless a vCPU has it, which may wait for virtiofsd: the loop does not, and looks
 * again later.
 */
static bool try_lock(struct fs *f)
{
	if (virtio_trylock(&f->v))
		return true;
	loop_timer_arm(&f->again, LOOK_AGAIN_NS);
	return false;
}

static void on_hang_up(void *ctx, uint32_t events)
{
	struct fs *f = ctx;

	(void)events;
	if (!try_lock(f))
		return;
	if (!f->lost && vhost_user_check(f->backend))
		lose(f);
	if (f->lost) {
		loop_del(&f->hang_up);
		loop_del(&f->mistake);
	}
	virtio_unlock(&f->v);
}

static void on_mistake(void *ctx, uint32_t events)
{
	struct fs *f = ctx;
	eventfd_t count;

	(void)events;
	if (!try_lock(f))
		return;
	if (!eventfd_read(vhost_user_error_fd(f->backend), &count))
		virtio_break(&f->v, "virtiofsd found a chain that breaks the rules");
	virtio_unlock(&f->v);
}

static void on_again(void *ctx)
{
	struct fs *f = ctx;

	if (f->mistake.loop)
		on_mistake(f, 0);
	if (f->hang_up.loop)
		on_hang_up(f, 0);
}

static void show_log(struct fs *f, char *text)
{
	char *rest = text;

	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (f->log_lines++ < MAX_LOG_LINES)
			pr_warn("%s %s: virtiofsd: %s", f->options.option, f->options.dir, line);
	}
}

static void on_log(void *ctx, uint32_t events)
{
	struct fs *f = ctx;
	char text[1024];
	int n;

	(void)events;
	n = virtiofsd_read_log(&f->daemon, text, sizeof(text));
	if (n < 0)
		loop_del(&f->log);
	else
		show_log(f, text);
}

/* ---- starting and stopping ------------------------------------------------------------------- */

static int connect_to(const struct fs_options *o, int *fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int err = 0;

	static_assert(FS_MAX_SOCKET_BYTES < sizeof(addr.sun_path), "");
	memcpy(addr.sun_path, o->socket, strlen(o->socket));
	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (*fd < 0 || connect(*fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		err = -errno;
		pr_err("%s :%s,socket=%s: %s: is virtiofsd running, with --socket-path of that name?",
		       o->option, o->tag, o->socket, strerror(-err));
		if (*fd >= 0)
			close(*fd);
	}
	return err;
}

int fs_launch(struct fs *f)
{
	const struct fs_options *o = &f->options;
	int fd, err;

	if (o->socket[0])
		err = connect_to(o, &fd);
	else
		err = virtiofsd_start(&f->daemon,
				      &(struct virtiofsd_options){ .option = o->option,
								   .dir = o->dir,
								   .read_only = o->read_only,
								   .privileged = o->privileged },
				      &fd);
	return err ? err : vhost_user_open(&f->backend, fd);
}

/* Reads the log's last line, or "". */
static void last_words(struct fs *f, char *line, size_t size)
{
	char text[1024], *rest;

	*line = '\0';
	while (virtiofsd_read_log(&f->daemon, text, sizeof(text)) > 0) {
		for (char *word = strtok_r(text, "\n", &rest); word;
		     word = strtok_r(NULL, "\n", &rest))
			snprintf(line, size, "%s", word);
	}
}

static int say_why_not(struct fs *f, int err)
{
	char line[512];

	virtiofsd_stop(&f->daemon, false);
	last_words(f, line, sizeof(line));
	pr_err("%s %s%s: virtiofsd: %s%s", f->options.option, f->options.dir, f->options.socket,
	       line[0] ? line : vhost_user_why(f->backend),
	       f->options.privileged || f->options.socket[0] ? "" : sandbox_hint(""));
	return err;
}

int fs_greet(struct fs *f)
{
	int err = vhost_user_greet(f->backend, NR_QUEUES, GREET_WAIT_MS);

	if (err)
		return say_why_not(f, err);
	loop_timer_init(f->loop, &f->again, on_again, f);
	err = loop_add(f->loop, &f->hang_up, vhost_user_fd(f->backend), EPOLLIN | EPOLLET,
		       on_hang_up, f);
	if (!err)
		err = loop_add(f->loop, &f->mistake, vhost_user_error_fd(f->backend),
			       EPOLLIN | EPOLLET, on_mistake, f);
	if (!err && f->daemon.log_fd >= 0)
		err = loop_add(f->loop, &f->log, f->daemon.log_fd, EPOLLIN, on_log, f);
	return err;
}

void fs_hang_up(struct fs *f)
{
	if (!f)
		return;
	loop_del(&f->hang_up);
	loop_del(&f->mistake);
	loop_del(&f->log);
	loop_timer_fini(&f->again);
	vhost_user_close(f->backend);
	f->backend = NULL;
	virtiofsd_stop(&f->daemon, true);
	if (f->daemon.log_fd >= 0)
		close(f->daemon.log_fd);
	f->daemon.log_fd = -1;
}

void fs_destroy(struct fs *f)
{
	if (!f)
		return;
	fs_hang_up(f);
	virtio_fini(&f->v);
	free(f);
}
