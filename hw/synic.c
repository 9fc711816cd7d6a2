/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Emulates messages and event flags of Hyper-V's SynIC, for a guest that tests it: by a port the
 * guest makes connections to a SINT of one of its own processors, and by hypercalls it sends to
 * them.
 *
 * Each processor has registered a page of 16 message slots, and one of 16 arrays of 2048 flags, one
 * per SINT:
 *  - A message goes into an empty slot. If the slot is full, the message waits here, one per
 *    connection, and a flag in the slot shows that. The guest empties the slot and acknowledges,
 *    which leads to a call of synic_acknowledged().
 *  - An event sets the flag that has its connection's number, and interrupts unless it was set.
 *
 * vCPU threads and the loop call this; one lock covers all of it. The guest may write to its pages,
 * or move them, at any time: each access uses gmem, and trusts none of the values. KVM's own timers
 * send messages too, on the processor's thread: a guest that lets both use one SINT may lose one.
 */
#include "hw/synic.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_BYTES 4096
#define ENABLED 1ULL /* in SCONTROL, SIEFP and SIMP */

#define HCALL_CODE 0xffff
#define HCALL_FAST (1ULL << 16)
#define HCALL_POST_MESSAGE 0x5c
#define HCALL_SIGNAL_EVENT 0x5d

#define MESSAGE_BYTES 256
#define PAYLOAD_BYTES 240
#define MESSAGE_PENDING 1
#define TYPE_HYPERVISOR 0x80000000U /* types that no guest may send */

#define NR_CONNECTIONS 256
#define CONNECTION_ID 0xffffffULL /* bits of a parameter; the rest of 32 is reserved */
#define FLAG_NUMBER 0xffff00000000ULL

/* What the port's third byte requests. */
enum command {
	ROUTE_ADD = 1,
	ROUTE_DEL,
	ROUTE_RAISE,
	MESSAGES_ADD,
	MESSAGES_DEL,
	EVENTS_ADD,
	EVENTS_DEL,
};

/* In guest memory. */
struct message {
	uint32_t type; /* 0: the slot is empty */
	uint8_t payload_bytes;
	uint8_t flags;
	uint8_t reserved[2];
	uint64_t sender;
	uint8_t payload[PAYLOAD_BYTES];
};

/* HvCallPostMessage's input. */
struct post {
	uint32_t connection, reserved, type, payload_bytes;
	uint8_t payload[PAYLOAD_BYTES];
};

_Static_assert(sizeof(struct message) == MESSAGE_BYTES && sizeof(struct post) == MESSAGE_BYTES,
	       "TLFS");

struct connection {
	bool exists;
	bool waits; /* @message waits for its slot */
	uint8_t vp, sint;
	struct message message;
};

struct pages {
	uint64_t control, event, message; /* the registers */
};

struct synic {
	struct synic_config config;
	pthread_mutex_t lock; /* all below */
	struct pages *pages;  /* one per virtual processor */
	uint32_t *routes;     /* users of SINT by [vp * SYNIC_NR_SINTS + sint] */
	struct connection messages[NR_CONNECTIONS], events[NR_CONNECTIONS];
};

/* ---- SINTs ---- */

static uint32_t *route(struct synic *s, unsigned int vp, unsigned int sint)
{
	return &s->routes[vp * SYNIC_NR_SINTS + sint];
}

static bool route_add(struct synic *s, unsigned int vp, unsigned int sint)
{
	uint32_t *users = route(s, vp, sint);

	if (*users == UINT32_MAX || (!*users && s->config.connect(s->config.ctx, vp, sint)))
		return false;
	++*users;
	return true;
}

static void route_del(struct synic *s, unsigned int vp, unsigned int sint)
{
	uint32_t *users = route(s, vp, sint);

	if (!*users)
		return;
	--*users;
	if (!*users)
		s->config.disconnect(s->config.ctx, vp, sint);
}

static void route_raise(struct synic *s, unsigned int vp, unsigned int sint)
{
	if (*route(s, vp, sint))
		s->config.raise(s->config.ctx, vp, sint);
}

/*
 * Returns a SINT's part of a page that one of the registers names, or NULL while it is off, or not
 * in memory.
 */
static void *part_of(struct synic *s, const struct pages *pages, uint64_t page, unsigned int sint)
{
	if (!(pages->control & ENABLED) || !(page & ENABLED))
		return NULL;
	return gmem_at(s->config.mem, align_down(page, PAGE_BYTES) + (uint64_t)sint * MESSAGE_BYTES,
		       MESSAGE_BYTES);
}

/* ---- messages ---- */

/*
 * Whether @slot is empty. If it is not, the guest sees in it that it must acknowledge once it is.
 */
static bool is_empty(struct message *slot)
{
	if (!__atomic_load_n(&slot->type, __ATOMIC_ACQUIRE))
		return true;
	__atomic_fetch_or(&slot->flags, MESSAGE_PENDING, __ATOMIC_SEQ_CST);
	/* The guest may have emptied it before the flag was there to be seen. */
	return !__atomic_load_n(&slot->type, __ATOMIC_SEQ_CST);
}

/*
 * Brings a waiting message into its slot if that is empty. Drops it if the processor's SynIC is
 * off.
 */
static void deliver(struct synic *s, struct connection *c)
{
	const struct pages *pages = &s->pages[c->vp];
	struct message *slot = part_of(s, pages, pages->message, c->sint);

	if (slot && !is_empty(slot))
		return;
	c->waits = false;
	if (!slot)
		return;
	memcpy((uint8_t *)slot + sizeof(slot->type), (uint8_t *)&c->message + sizeof(slot->type),
	       MESSAGE_BYTES - sizeof(slot->type));
	__atomic_store_n(&slot->type, c->message.type, __ATOMIC_RELEASE);
	route_raise(s, c->vp, c->sint);
}

static enum hv_status post_message(struct synic *s, const struct post *post)
{
	struct connection *c = &s->messages[post->connection % NR_CONNECTIONS];

	if (post->payload_bytes > PAYLOAD_BYTES || !post->type || post->type & TYPE_HYPERVISOR)
		return HV_INVALID_PARAMETER;
	if (post->connection >= NR_CONNECTIONS || !c->exists)
		return HV_INVALID_CONNECTION_ID;
	if (c->waits)
		return HV_INSUFFICIENT_BUFFERS;
	c->message = (struct message){ .type = post->type,
				       .payload_bytes = (uint8_t)post->payload_bytes };
	memcpy(c->message.payload, post->payload, post->payload_bytes);
	c->waits = true;
	deliver(s, c);
	return HV_SUCCESS;
}

/* ---- events ---- */

static enum hv_status signal_event(struct synic *s, uint64_t param)
{
	const struct connection *c = &s->events[param % NR_CONNECTIONS];
	const struct pages *pages;
	uint8_t *flags, bit;

	if (param & FLAG_NUMBER)
		return HV_INVALID_PORT_ID;
	if (param & ~CONNECTION_ID)
		return HV_INVALID_HYPERCALL_INPUT;
	if (param >= NR_CONNECTIONS || !c->exists)
		return HV_INVALID_CONNECTION_ID;
	pages = &s->pages[c->vp];
	flags = part_of(s, pages, pages->event, c->sint);
	bit = (uint8_t)(1U << param % 8);
	if (flags && !(__atomic_fetch_or(&flags[param / 8], bit, __ATOMIC_SEQ_CST) & bit))
		route_raise(s, c->vp, c->sint);
	return HV_SUCCESS;
}

/* ---- the guest's calls ---- */

enum hv_status synic_hypercall(struct synic *s, uint64_t input, uint64_t param)
{
	enum hv_status status = HV_INVALID_HYPERCALL_CODE;
	bool fast = input & HCALL_FAST;
	struct post post;

	switch (input & HCALL_CODE) {
	case HCALL_POST_MESSAGE:
		if (fast)
			break;
		if (param % sizeof(uint64_t) || param % PAGE_BYTES > PAGE_BYTES - sizeof(post))
			return HV_INVALID_ALIGNMENT;
		if (gmem_read(s->config.mem, param, &post, sizeof(post)))
			return HV_INVALID_PARAMETER;
		pthread_mutex_lock(&s->lock);
		status = post_message(s, &post);
		pthread_mutex_unlock(&s->lock);
		break;
	case HCALL_SIGNAL_EVENT:
		/*
		 * KVM versions differ in what @param of a slow call is: the parameter's address, or
		 * the parameter.
		 */
		if (!fast)
			return HV_INVALID_HYPERCALL_INPUT;
		pthread_mutex_lock(&s->lock);
		status = signal_event(s, param);
		pthread_mutex_unlock(&s->lock);
		break;
	default:
		break;
	}
	return status;
}

void synic_acknowledged(struct synic *s)
{
	pthread_mutex_lock(&s->lock);
	for (unsigned int i = 0; i < NR_CONNECTIONS; i++) {
		if (s->messages[i].waits)
			deliver(s, &s->messages[i]);
	}
	pthread_mutex_unlock(&s->lock);
}

void synic_set_pages(struct synic *s, unsigned int vp, uint64_t control, uint64_t event_page,
		     uint64_t message_page)
{
	pthread_mutex_lock(&s->lock);
	s->pages[vp] = (struct pages){ control, event_page, message_page };
	pthread_mutex_unlock(&s->lock);
}

/* ---- the port ---- */

static void connection_add(struct synic *s, struct connection *c, unsigned int vp,
			   unsigned int sint)
{
	if (!c->exists && route_add(s, vp, sint))
		*c = (struct connection){ .exists = true,
					  .vp = (uint8_t)vp,
					  .sint = (uint8_t)sint };
}

static void connection_del(struct synic *s, struct connection *c)
{
	if (c->exists)
		route_del(s, c->vp, c->sint);
	*c = (struct connection){ .exists = false };
}

static void port_command(struct synic *s, enum command what, unsigned int vp, unsigned int sint,
			 unsigned int nr)
{
	switch (what) {
	case ROUTE_ADD:
		route_add(s, vp, sint);
		break;
	case ROUTE_DEL:
		route_del(s, vp, sint);
		break;
	case ROUTE_RAISE:
		route_raise(s, vp, sint);
		break;
	case MESSAGES_ADD:
		connection_add(s, &s->messages[nr], vp, sint);
		break;
	case MESSAGES_DEL:
		connection_del(s, &s->messages[nr]);
		break;
	case EVENTS_ADD:
		connection_add(s, &s->events[nr], vp, sint);
		break;
	case EVENTS_DEL:
		connection_del(s, &s->events[nr]);
		break;
	}
}

static uint64_t port_read(void *dev, uint64_t offset, unsigned int size)
{
	(void)dev;
	(void)offset;
	(void)size;
	return 0;
}

static void port_write(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	unsigned int sint = value & 0xff, vp = value >> 8 & 0xff, nr = value >> 24 & 0xff;
	struct synic *s = dev;

	if (offset || size != SYNIC_TEST_PORTS || sint >= SYNIC_NR_SINTS || vp >= s->config.nr_vps)
		return;
	pthread_mutex_lock(&s->lock);
	port_command(s, value >> 16 & 0xff, vp, sint, nr);
	pthread_mutex_unlock(&s->lock);
}

struct synic *synic_create(const struct synic_config *config)
{
	struct synic *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->config = *config;
	pthread_mutex_init(&s->lock, NULL);
	s->pages = calloc(config->nr_vps, sizeof(*s->pages));
	s->routes = calloc((size_t)config->nr_vps * SYNIC_NR_SINTS, sizeof(*s->routes));
	if (s->pages && s->routes)
		return s;
	synic_destroy(s);
	return NULL;
}

void synic_destroy(struct synic *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s->routes);
	free(s->pages);
	free(s);
}

const struct bus_ops synic_test_ops = { .read = port_read, .write = port_write, .width = 4 };
