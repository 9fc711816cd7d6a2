/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests the vhost-user front end and the file system device against a fake back end.
 *
 * The fake is a thread at the other end of a socket that records messages and misbehaves at a
 * chosen request.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kvm/log.h"
#include "unit/mmio_rig.h"
#include "virtio/fs.h"
#include "virtio/vhost/vhost_user.h"

#include <linux/virtio_fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#define MAX_SEEN 64
#define MAX_FDS 8
#define ALL_OK (S_ACK | S_DRIVER | S_FEATURES_OK | S_DRIVER_OK)
#define PROTOCOL_FEATURES (1ULL << 30)
#define RING_FEATURES                                                                              \
	(1ULL << VIRTIO_F_VERSION_1 | 1ULL << VIRTIO_RING_F_INDIRECT_DESC |                        \
	 1ULL << VIRTIO_RING_F_EVENT_IDX)

/* The protocol's numbers, defined independently of the front end. */
enum {
	GET_FEATURES = 1,
	SET_FEATURES,
	SET_OWNER,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR,
	SET_VRING_BASE,
	GET_VRING_BASE,
	SET_VRING_KICK,
	SET_VRING_CALL,
	SET_VRING_ERR,
	GET_PROTOCOL_FEATURES,
	SET_PROTOCOL_FEATURES,
	GET_QUEUE_NUM,
	SET_VRING_ENABLE
};

enum fault {
	GOOD,
	DIES,
	SILENT,
	DRIBBLES,
	WRONG_REQUEST,
	WRONG_VERSION,
	NO_ANSWER_FLAG,
	TOO_LONG,
	TOO_SHORT,
	HALF,
	REFUSES,
	WRONG_RING,
	TOO_LITTLE,
	SAYS_MORE
};

struct seen {
	uint32_t request, flags, size;
	uint8_t payload[256];
	int fd[MAX_FDS];
	unsigned int nr_fds;
};

struct back_end {
	int fd;
	pthread_t thread;
	uint64_t features, protocol_features, rings;
	_Atomic enum fault fault; /* a test may set these while it runs */
	_Atomic uint32_t at;	  /* the request at which the fault occurs */
	struct seen seen[MAX_SEEN];
	_Atomic unsigned int nr;
};

static bool read_exactly(int fd, void *to, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = recv(fd, (char *)to + at, len - at, 0);

		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

/* Receives the header, with which the descriptors come. */
static bool read_header(struct back_end *b, struct seen *s)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = { s, 12 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c;

	if (recvmsg(b->fd, &msg, MSG_CMSG_CLOEXEC | MSG_WAITALL) != 12)
		return false;
	c = CMSG_FIRSTHDR(&msg);
	s->nr_fds = c ? (unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int)) : 0;
	if (c)
		memcpy(s->fd, CMSG_DATA(c), s->nr_fds * sizeof(int));
	return true;
}

/* Returns whether the connection continues. */
static bool answer(struct back_end *b, const struct seen *s, const void *payload, uint32_t size)
{
	struct {
		uint32_t request, flags, size;
		uint8_t payload[32];
	} m = { s->request, 5, size, { 0 } };
	enum fault fault = s->request == b->at ? b->fault : GOOD;
	size_t len = 12 + size;

	memcpy(m.payload, payload, size);
	if (fault == DIES || fault == SILENT)
		return fault == SILENT;
	if (fault == WRONG_REQUEST)
		m.request++;
	if (fault == WRONG_VERSION)
		m.flags ^= 3;
	if (fault == NO_ANSWER_FLAG)
		m.flags = 1;
	if (fault == TOO_LONG)
		m.size = UINT32_MAX;
	if (fault == TOO_SHORT)
		m.size = 4;
	if (fault == REFUSES || fault == WRONG_RING)
		m.payload[0] ^= 1;
	if (fault == HALF)
		len -= 3;
	for (size_t i = 0; fault == DRIBBLES && i < len; i++) {
		send(b->fd, (char *)&m + i, 1, MSG_NOSIGNAL);
		usleep(100);
	}
	if (fault != DRIBBLES)
		send(b->fd, &m, len, MSG_NOSIGNAL);
	if (fault == SAYS_MORE)
		send(b->fd, &m, len, MSG_NOSIGNAL);
	return fault != HALF;
}

static bool respond(struct back_end *b, const struct seen *s)
{
	uint64_t value = 0;

	switch (s->request) {
	case GET_FEATURES:
		return answer(b, s, &b->features, 8);
	case GET_PROTOCOL_FEATURES:
		return answer(b, s, &b->protocol_features, 8);
	case GET_QUEUE_NUM:
		return answer(b, s, &b->rings, 8);
	case GET_VRING_BASE:
		return answer(b, s, s->payload, 8);
	default:
		return s->flags & 8 ? answer(b, s, &value, 8)
				    : b->fault != DIES || b->at != s->request;
	}
}

static void *back_end_thread(void *ctx)
{
	struct back_end *b = ctx;
	bool goes_on = true;

	while (goes_on && b->nr < MAX_SEEN) {
		struct seen *s = &b->seen[b->nr];

		if (!read_header(b, s) || s->size > sizeof(s->payload) ||
		    !read_exactly(b->fd, s->payload, s->size))
			break;
		b->nr++;
		goes_on = respond(b, s);
	}
	shutdown(b->fd, SHUT_RDWR);
	return NULL;
}

static void back_end_init(struct back_end *b)
{
	memset(b, 0, sizeof(*b));
	b->features = RING_FEATURES | PROTOCOL_FEATURES | 1ULL << 24;
	b->protocol_features = 1 | 1 << 3 | 1 << 5;
	b->rings = 2;
}

static void back_end_start(struct back_end *b, int fd)
{
	b->fd = fd;
	assert_int_equal(pthread_create(&b->thread, NULL, back_end_thread, b), 0);
}

static void back_end_end(struct back_end *b)
{
	shutdown(b->fd, SHUT_RDWR);
	pthread_join(b->thread, NULL);
	close(b->fd);
	for (unsigned int i = 0; i < b->nr; i++) {
		for (unsigned int j = 0; j < b->seen[i].nr_fds; j++)
			close(b->seen[i].fd[j]);
	}
}

/* Returns the @nth message of this kind, or NULL. */
static const struct seen *find(const struct back_end *b, uint32_t request, unsigned int nth)
{
	for (unsigned int i = 0; i < b->nr; i++) {
		if (b->seen[i].request == request && !nth--)
			return &b->seen[i];
	}
	return NULL;
}

static unsigned int count(const struct back_end *b, uint32_t request)
{
	unsigned int nr = 0;

	while (find(b, request, nr))
		nr++;
	return nr;
}

static uint64_t u64_of(const struct seen *s, size_t at)
{
	uint64_t value;

	assert_non_null(s);
	memcpy(&value, s->payload + at, sizeof(value));
	return value;
}

/*
 * ---- the front end alone
 * ---------------------------------------------------------------------------
 */

struct fix {
	struct ring_rig r;
	struct virtqueue vq;
	struct back_end b;
	struct vhost_user *vu;
	struct vhost_ring ring;
};

static void use_shared_memory(struct ring_rig *r)
{
	gmem_fini(&r->mem);
	assert_int_equal(gmem_add(&r->mem, 0, RIG_MEM_BYTES, GMEM_SHARED), 0);
	assert_int_equal(gmem_add(&r->mem, RIG_HIGH_GPA, RIG_HIGH_BYTES, GMEM_SHARED), 0);
	r->desc = gmem_at(&r->mem, RIG_DESC_GPA, 16 * 256);
	r->avail = gmem_at(&r->mem, RIG_AVAIL_GPA, 4096);
	r->used = gmem_at(&r->mem, RIG_USED_GPA, 4096);
}

static int setup(void **state)
{
	struct fix *f = calloc(1, sizeof(*f));
	int pair[2];

	log_set_level(LOG_LEVEL_ERROR);
	rig_init(&f->r);
	use_shared_memory(&f->r);
	vq_init(&f->vq, &f->r.mem, 256);
	f->vq.size = RIG_SIZE;
	f->vq.desc_gpa = RIG_DESC_GPA;
	f->vq.driver_gpa = RIG_AVAIL_GPA;
	f->vq.device_gpa = RIG_USED_GPA;
	assert_int_equal(vq_start(&f->vq, true, true), 0);
	f->vq.last_avail_idx = 5;
	f->ring = (struct vhost_ring){ .vq = &f->vq,
				       .kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
				       .call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
				       .tap_fd = -1 };
	back_end_init(&f->b);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	f->b.fd = pair[1];
	assert_int_equal(vhost_user_open(&f->vu, pair[0]), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fix *f = *state;

	vhost_user_close(f->vu);
	if (f->b.thread)
		back_end_end(&f->b);
	close(f->ring.kick_fd);
	close(f->ring.call_fd);
	rig_fini(&f->r);
	free(f);
	return 0;
}

static int greet(struct fix *f)
{
	back_end_start(&f->b, f->b.fd);
	return vhost_user_greet(f->vu, 2, 500);
}

static int start(struct fix *f, unsigned int index)
{
	return vhost_user_start(f->vu, index, &f->ring, RING_FEATURES | 1ULL << 40);
}

static void the_first_words(void **state)
{
	static const uint32_t order[] = { GET_FEATURES, GET_PROTOCOL_FEATURES,
					  SET_PROTOCOL_FEATURES, GET_QUEUE_NUM, SET_OWNER };
	struct fix *f = *state;

	assert_int_equal(greet(f), 0);
	assert_int_equal(start(f, 0), 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(order); i++) {
		assert_int_equal(f->b.seen[i].request, order[i]);
		assert_int_equal(f->b.seen[i].flags, 1);
	}
	/* The offered features that the front end knows. */
	assert_int_equal(u64_of(find(&f->b, SET_PROTOCOL_FEATURES, 0), 0), 1 | 1 << 3);
}

static void guest_memory_is_handed_over(void **state)
{
	struct fix *f = *state;
	const struct seen *s;
	uint32_t nr;
	uint8_t *view;

	assert_int_equal(greet(f), 0);
	assert_int_equal(start(f, 0), 0);
	s = find(&f->b, SET_MEM_TABLE, 0);
	assert_non_null(s);
	memcpy(&nr, s->payload, sizeof(nr));
	assert_int_equal(nr, 2);
	assert_int_equal(s->nr_fds, 2);
	assert_int_equal(s->size, 8 + 2 * 32);
	assert_true(s->flags & 8);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(u64_of(s, 8 + 32 * i), f->r.mem.region[i].gpa);
		assert_int_equal(u64_of(s, 16 + 32 * i), f->r.mem.region[i].size_bytes);
		assert_int_equal(u64_of(s, 24 + 32 * i), (uintptr_t)f->r.mem.region[i].hva);
		assert_int_equal(u64_of(s, 32 + 32 * i), 0);
	}
	view = mmap(NULL, RIG_MEM_BYTES, PROT_READ, MAP_SHARED, s->fd[0], 0);
	assert_ptr_not_equal(view, MAP_FAILED);
	f->r.mem.region[0].hva[RIG_DATA_GPA] = 'x';
	assert_int_equal(view[RIG_DATA_GPA], 'x');
	munmap(view, RIG_MEM_BYTES);
}

static void a_ring_is_handed_over(void **state)
{
	struct fix *f = *state;
	const struct seen *s;
	eventfd_t value;

	assert_int_equal(greet(f), 0);
	assert_int_equal(start(f, 1), 0);
	assert_true(vhost_user_runs(f->vu, 1));
	assert_false(vhost_user_runs(f->vu, 0));
	/* The driver's features that concern rings. */
	assert_int_equal(u64_of(find(&f->b, SET_FEATURES, 0), 0),
			 RING_FEATURES | PROTOCOL_FEATURES);
	assert_int_equal(u64_of(find(&f->b, SET_VRING_NUM, 0), 0), 1 | (uint64_t)RIG_SIZE << 32);
	assert_int_equal(u64_of(find(&f->b, SET_VRING_BASE, 0), 0), 1 | 5ULL << 32);
	s = find(&f->b, SET_VRING_ADDR, 0);
	assert_int_equal(u64_of(s, 0), 1);
	assert_int_equal(u64_of(s, 8), (uintptr_t)f->r.desc);
	assert_int_equal(u64_of(s, 16), (uintptr_t)f->r.used);
	assert_int_equal(u64_of(s, 24), (uintptr_t)f->r.avail);
	s = find(&f->b, SET_VRING_KICK, 0);
	assert_int_equal(u64_of(s, 0), 1);
	assert_int_equal(s->nr_fds, 1);
	eventfd_write(f->ring.kick_fd, 3);
	assert_int_equal(eventfd_read(s->fd[0], &value), 0);
	assert_int_equal(value, 3);
	s = find(&f->b, SET_VRING_CALL, 0);
	eventfd_write(s->fd[0], 4);
	assert_int_equal(eventfd_read(f->ring.call_fd, &value), 0);
	s = find(&f->b, SET_VRING_ERR, 0);
	eventfd_write(s->fd[0], 1);
	assert_int_equal(eventfd_read(vhost_user_error_fd(f->vu), &value), 0);
	s = find(&f->b, SET_VRING_ENABLE, 0);
	assert_int_equal(u64_of(s, 0), 1 | 1ULL << 32);
	assert_int_equal(f->b.seen[f->b.nr - 1].request, SET_VRING_ENABLE);
}

static void rings_come_and_go(void **state)
{
	struct fix *f = *state;

	assert_int_equal(greet(f), 0);
	assert_int_equal(start(f, 0), 0);
	assert_int_equal(start(f, 1), 0);
	/* The second ring has the first one's features and memory. */
	assert_int_equal(count(&f->b, SET_FEATURES), 1);
	assert_int_equal(vhost_user_stop(f->vu, 0), 0);
	/* It is turned off before it is taken back, so that late kicks have no effect. */
	assert_int_equal(f->b.seen[f->b.nr - 2].request, SET_VRING_ENABLE);
	assert_int_equal(u64_of(&f->b.seen[f->b.nr - 2], 0), 0);
	assert_int_equal(f->b.seen[f->b.nr - 1].request, GET_VRING_BASE);
	assert_int_equal(vhost_user_stop(f->vu, 0), 0);
	assert_int_equal(count(&f->b, GET_VRING_BASE), 1);
	assert_int_equal(vhost_user_stop(f->vu, 1), 0);
	/* Another driver, maybe with other features, in the same memory. */
	assert_int_equal(start(f, 0), 0);
	assert_int_equal(count(&f->b, SET_FEATURES), 2);
	assert_int_equal(count(&f->b, SET_MEM_TABLE), 1);
	assert_int_equal(vhost_user_check(f->vu), 0);
}

static void without_acknowledgements(void **state)
{
	struct fix *f = *state;

	f->b.protocol_features = 0;
	f->b.features = RING_FEATURES | PROTOCOL_FEATURES;
	assert_int_equal(greet(f), 0);
	assert_int_equal(start(f, 0), 0);
	assert_int_equal(vhost_user_stop(f->vu, 0), 0); /* answered after all else */
	assert_int_equal(count(&f->b, GET_QUEUE_NUM), 0);
	for (unsigned int i = 0; i < f->b.nr; i++)
		assert_int_equal(f->b.seen[i].flags, 1);
}

static void an_answer_in_pieces(void **state)
{
	static const uint32_t at[] = { GET_FEATURES, SET_MEM_TABLE, GET_VRING_BASE };
	for (unsigned int i = 0; i < ARRAY_SIZE(at); i++) {
		struct fix *f = *state;

		f->b.fault = DRIBBLES;
		f->b.at = at[i];
		assert_int_equal(greet(f), 0);
		assert_int_equal(start(f, 0), 0);
		assert_int_equal(vhost_user_stop(f->vu, 0), 0);
		teardown(state);
		setup(state);
	}
}

/* The step with the fault fails with a message; the later steps are refused without one. */
static void expect_failure(void **state, enum fault fault, uint32_t at, int want, const char *why)
{
	struct fix *f = *state;
	int err;

	f->b.fault = fault;
	f->b.at = at;
	err = greet(f);
	if (!err)
		err = start(f, 0);
	if (!err)
		err = vhost_user_stop(f->vu, 0);
	if (!err) {
		for (unsigned int i = 0; i < 1000 && !(err = vhost_user_check(f->vu)); i++)
			usleep(1000);
	}
	if (err != want || !strstr(vhost_user_why(f->vu), why))
		print_error("fault %d at request %u: %d, %s\n", fault, at, err,
			    vhost_user_why(f->vu));
	assert_int_equal(err, want);
	assert_non_null(strstr(vhost_user_why(f->vu), why));
	assert_false(vhost_user_runs(f->vu, 0));
	assert_true(vhost_user_check(f->vu) < 0);
	teardown(state);
	setup(state);
}

static void bad_answers_end_it(void **state)
{
	static const uint32_t asked[] = { GET_FEATURES,	 GET_PROTOCOL_FEATURES, GET_QUEUE_NUM,
					  SET_MEM_TABLE, SET_VRING_ENABLE,	GET_VRING_BASE };

	for (unsigned int i = 0; i < ARRAY_SIZE(asked); i++) {
		expect_failure(state, WRONG_REQUEST, asked[i], -EPROTO,
			       "does not match the request");
		expect_failure(state, WRONG_VERSION, asked[i], -EPROTO,
			       "does not match the request");
		expect_failure(state, NO_ANSWER_FLAG, asked[i], -EPROTO,
			       "does not match the request");
		expect_failure(state, TOO_LONG, asked[i], -EPROTO, "does not match the request");
		expect_failure(state, TOO_SHORT, asked[i], -EPROTO, "does not match the request");
		expect_failure(state, DIES, asked[i], -ECONNRESET, "has ended");
		expect_failure(state, HALF, asked[i], -ECONNRESET, "has ended");
	}
	expect_failure(state, REFUSES, SET_MEM_TABLE, -EPROTO, "refuses");
	expect_failure(state, REFUSES, SET_VRING_ENABLE, -EPROTO, "refuses");
	expect_failure(state, WRONG_RING, GET_VRING_BASE, -EPROTO, "another queue");
	expect_failure(state, SAYS_MORE, GET_VRING_BASE, -EPROTO, "not requested");
	expect_failure(state, SILENT, GET_FEATURES, -ETIMEDOUT, "does not answer");
}

static void too_little_is_refused(void **state)
{
	struct fix *f = *state;

	f->b.features &= ~(1ULL << VIRTIO_F_VERSION_1);
	expect_failure(state, GOOD, 0, -EPROTO, "virtio 1.0");
	f = *state;
	f->b.features &= ~PROTOCOL_FEATURES;
	expect_failure(state, GOOD, 0, -EPROTO, "virtio 1.0");
	f = *state;
	f->b.rings = 1;
	expect_failure(state, GOOD, 0, -EPROTO, "too few");
}

/* ---- the device --------------------------------------------------------------------------- */

struct fs_fix {
	struct mmio_rig r;
	struct fs *fs;
	struct back_end b;
	int listening;
	char lost[200];
	unsigned int losses;
};

static void on_loss(void *ctx, const char *why)
{
	struct fs_fix *f = ctx;

	f->losses++;
	snprintf(f->lost, sizeof(f->lost), "%s", why);
}

static void make_fs(struct fs_fix *f)
{
	char path[FS_MAX_SOCKET_BYTES + 1];
	struct fs_options options = {
		.option = "--share", .tag = "files", .dir = "", .socket = path
	};
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(path, sizeof(path), "/tmp/test_vhost_user.%d", getpid());
	memcpy(addr.sun_path, path, strlen(path));
	f->listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(f->listening, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(f->listening, 1), 0);
	assert_int_equal(fs_create(&f->fs, &options, &f->r.ring.mem, &f->r.loop), 0);
	fs_on_loss(f->fs, on_loss, f);
	assert_int_equal(fs_launch(f->fs), 0);
	unlink(path);
	back_end_start(&f->b, accept(f->listening, NULL, NULL));
	assert_int_equal(fs_greet(f->fs), 0);
	mmio_rig_plug(&f->r, fs_virtio(f->fs));
}

static int setup_fs(void **state)
{
	struct fs_fix *f = calloc(1, sizeof(*f));

	log_set_level(LOG_LEVEL_ERROR);
	mmio_rig_begin(&f->r);
	use_shared_memory(&f->r.ring);
	f->r.irq_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	back_end_init(&f->b);
	make_fs(f);
	*state = f;
	return 0;
}

static int teardown_fs(void **state)
{
	struct fs_fix *f = *state;

	fs_hang_up(f->fs);
	fs_destroy(f->fs);
	back_end_end(&f->b);
	close(f->listening);
	close(f->r.irq_fd);
	mmio_rig_end(&f->r);
	free(f);
	return 0;
}

static void live(struct fs_fix *f)
{
	negotiate(&f->r, FEATURE_EVENT_IDX | FEATURE_INDIRECT, 1);
	set_queue(&f->r, 0);
	set_queue(&f->r, 1);
	wr(&f->r, VIRTIO_MMIO_STATUS, ALL_OK);
	for (unsigned int i = 0; i < 4; i++)
		turn(&f->r);
}

static void turn_until_broken(struct fs_fix *f)
{
	for (unsigned int i = 0; i < 5000 && !(rd(&f->r, VIRTIO_MMIO_STATUS) & S_NEEDS_RESET);
	     i++) {
		usleep(1000);
		turn(&f->r);
	}
	assert_true(rd(&f->r, VIRTIO_MMIO_STATUS) & S_NEEDS_RESET);
}

static void its_tag_and_queues(void **state)
{
	struct fs_fix *f = *state;
	const struct virtio_fs_config *config = (const void *)fs_virtio(f->fs)->config;

	assert_int_equal(rd(&f->r, VIRTIO_MMIO_DEVICE_ID), 26);
	assert_string_equal((const char *)config->tag, "files");
	assert_int_equal(config->num_request_queues, 1);
}

static void its_queues_are_handed_over(void **state)
{
	struct fs_fix *f = *state;
	eventfd_t value;

	live(f);
	assert_int_equal(count(&f->b, SET_VRING_ENABLE), 2);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_STATUS), ALL_OK);
	/* Always set, because nothing sets it for each interrupt. */
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
	eventfd_write(find(&f->b, SET_VRING_CALL, 0)->fd[0], 1);
	assert_int_equal(eventfd_read(f->r.irq_fd, &value), 0);
	/* The launcher does not read the ring, whatever it contains. */
	rig_avail(&f->r.ring, 0xffff);
	wr(&f->r, VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	turn(&f->r);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_STATUS), ALL_OK);
	assert_int_equal(f->losses, 0);
}

static void a_reset_takes_them_back_first(void **state)
{
	struct fs_fix *f = *state;

	live(f);
	wr(&f->r, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(count(&f->b, GET_VRING_BASE), 2);
	live(f);
	assert_int_equal(count(&f->b, SET_VRING_ENABLE), 6);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_STATUS), ALL_OK);
}

static void its_end_breaks_the_device(void **state)
{
	struct fs_fix *f = *state;

	live(f);
	shutdown(f->b.fd, SHUT_RDWR);
	turn_until_broken(f);
	assert_int_equal(f->losses, 1);
	assert_string_equal(f->lost, "virtiofsd of files: it has ended");
	assert_int_equal(f->r.pulses, 1); /* the driver gets an interrupt */
	/* Later drivers get no further. */
	live(f);
	turn_until_broken(f);
	assert_int_equal(f->losses, 1);
}

static void an_end_before_the_driver_comes(void **state)
{
	struct fs_fix *f = *state;

	shutdown(f->b.fd, SHUT_RDWR);
	turn_until_broken(f);
	live(f);
	assert_true(rd(&f->r, VIRTIO_MMIO_STATUS) & S_NEEDS_RESET);
}

static void a_bad_answer_breaks_the_device(void **state)
{
	struct fs_fix *f = *state;

	f->b.at = SET_VRING_ENABLE;
	f->b.fault = REFUSES;
	live(f);
	assert_true(rd(&f->r, VIRTIO_MMIO_STATUS) & S_NEEDS_RESET);
	assert_int_equal(f->losses, 1);
}

static void *start_driver(void *arg)
{
	struct fs_fix *f = arg;

	wr(&f->r, VIRTIO_MMIO_STATUS, ALL_OK);
	return NULL;
}

/* The vCPU that starts the queues waits for a virtiofsd that does not answer; the loop goes on. */
static void the_loop_does_not_wait_for_it(void **state)
{
	struct fs_fix *f = *state;
	pthread_t vcpu;

	f->b.at = SET_VRING_ENABLE;
	f->b.fault = SILENT;
	negotiate(&f->r, FEATURE_EVENT_IDX | FEATURE_INDIRECT, 1);
	set_queue(&f->r, 0);
	pthread_create(&vcpu, NULL, start_driver, f);
	while (!count(&f->b, SET_VRING_ENABLE)) {
		turn(&f->r);
		usleep(1000);
	}
	turn(&f->r);
	shutdown(f->b.fd, SHUT_RDWR);
	turn(&f->r); /* it cannot look now, and does so later */
	pthread_join(vcpu, NULL);
	turn_until_broken(f);
	assert_string_equal(f->lost, "virtiofsd of files: it has ended");
}

static void a_bad_answer_to_a_reset(void **state)
{
	struct fs_fix *f = *state;

	live(f);
	f->b.at = GET_VRING_BASE;
	f->b.fault = WRONG_RING;
	wr(&f->r, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(f->losses, 1);
	for (unsigned int i = 0; i < 4; i++)
		turn(&f->r);
	live(f);
	assert_true(rd(&f->r, VIRTIO_MMIO_STATUS) & S_NEEDS_RESET);
}

static void a_mistake_breaks_the_device(void **state)
{
	struct fs_fix *f = *state;

	live(f);
	eventfd_write(find(&f->b, SET_VRING_ERR, 1)->fd[0], 1);
	turn_until_broken(f);
	assert_int_equal(f->losses, 0);
	live(f);
	assert_int_equal(rd(&f->r, VIRTIO_MMIO_STATUS), ALL_OK);
}

static void without_interrupts_by_eventfd(void **state)
{
	struct fs_fix *f = *state;

	close(f->r.irq_fd);
	f->r.irq_fd = -ENOTSUP;
	live(f);
	assert_true(rd(&f->r, VIRTIO_MMIO_STATUS) & S_NEEDS_RESET);
	assert_int_equal(count(&f->b, SET_VRING_KICK), 0);
	f->r.irq_fd = eventfd(0, EFD_CLOEXEC);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define T_FS(f) cmocka_unit_test_setup_teardown(f, setup_fs, teardown_fs)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_first_words),
		T(guest_memory_is_handed_over),
		T(a_ring_is_handed_over),
		T(rings_come_and_go),
		T(without_acknowledgements),
		T(an_answer_in_pieces),
		T(bad_answers_end_it),
		T(too_little_is_refused),
		T_FS(its_tag_and_queues),
		T_FS(its_queues_are_handed_over),
		T_FS(a_reset_takes_them_back_first),
		T_FS(its_end_breaks_the_device),
		T_FS(an_end_before_the_driver_comes),
		T_FS(a_bad_answer_breaks_the_device),
		T_FS(the_loop_does_not_wait_for_it),
		T_FS(a_bad_answer_to_a_reset),
		T_FS(a_mistake_breaks_the_device),
		T_FS(without_interrupts_by_eventfd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
