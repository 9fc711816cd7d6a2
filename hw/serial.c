/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Emulates the National PC16550D UART (data sheet of June 1995, sections 8.1 to 8.6) as PCs wire
 * it: OUT2 gates the interrupt.
 *
 * vCPU threads access the registers (and the loop's thread, when a tick drains the coalesced ring);
 * the loop's thread delivers received bytes. One lock per port guards the registers. Output goes to
 * the chardev without that lock, because it may wait there for the host, and the loop's thread,
 * which ends that wait, takes the lock for received bytes. A byte is handed out before the
 * registers show it, so the order of one vCPU's bytes is the order of its writes.
 *
 * Two accesses take no lock at all, because they are most of what a booting kernel does: a read of
 * LSR while it holds nothing that a read clears, and a write of THR while no register depends on it
 * (thr_free). Both use atomics that are written under the lock only.
 *
 * Invariant: irq level == (IIR names a source) && MCR.OUT2 && !MCR.LOOP, after every access; see
 * update_irq().
 *
 * Time is not modelled: the transmitter is always empty again at once, the receiver's character
 * timeout is over at once, and baud rate and format change nothing. The port never loses input:
 * bytes stay with the host until the guest listens (see listening()) and has room. So the overrun
 * error exists in loopback only. A 64-byte FIFO is not offered: Linux would take the port for
 * another chip.
 *
 * Coalescing: while THRI, DLAB and LOOP are off, a THR write has no effect except its byte, so KVM
 * may gather such writes. The port requests that after a run of polled writes, because each request
 * is an ioctl that waits in the host's kernel. Each time the port has to end it, the next run must
 * be longer (COALESCE_GROWTH).
 */
#include "hw/serial.h"

#include <linux/serial_reg.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define FIFO_BYTES 16
#define FIFO_BREAK 0x100 /* entry: the byte is a break's */

#define LSR_ERRORS (UART_LSR_BI | UART_LSR_FE | UART_LSR_PE | UART_LSR_OE)
#define LSR_IDLE (UART_LSR_THRE | UART_LSR_TEMT)
/* what a cable with a peer at its end shows */
#define MSR_PEER (UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS)
#define IER_MASK 0x0f
#define MCR_MASK 0x1f
#define IIR_TIMEOUT 0x0c
#define IIR_FIFO 0xc0

/*
 * This many LSR reads in a row mean that the guest waits for input: a guest that waits to send
 * never has to read LSR twice.
 */
#define LISTENING_POLLS 16
/* Polled writes before coalescing begins, and how that number grows each time it has to end. */
#define COALESCE_AFTER 16
#define COALESCE_GROWTH 4
#define COALESCE_AFTER_MAX (1u << 20)

#define unlikely(x) __builtin_expect(!!(x), 0)

struct serial {
	struct chardev *chardev; /* NULL: not connected */
	const struct serial_coalesce *coalesce;

	/* Written under the lock, read without. */
	_Atomic uint8_t lsr;
	_Atomic bool thr_direct; /* THR writes go out: not shadowed by DLAB, not looped back */
	_Atomic bool thr_free;	 /* ... and change no register, and need not be counted */
	_Atomic bool coalescing;

	/* LSR reads since any other access except RBR reads; stays at LISTENING_POLLS. A hint */
	_Atomic uint8_t lsr_polls;
	_Atomic bool had_driver; /* has enabled the interrupt for input */

	pthread_mutex_t lock; /* all below */
	uint8_t ier, fcr, lcr, mcr, msr, scr, dll, dlm;
	bool thre_pending; /* the transmitter-empty interrupt's latch */
	bool throttled;	   /* the guest lowered RTS while it was receiving */
	bool rx_stalled;   /* rx_room() said 0 */
	uint16_t fifo[FIFO_BYTES];
	unsigned int rx_head, rx_len;
	unsigned int polled_writes, coalesce_after;
	struct irq_line irq;
};

static bool fifo_enabled(const struct serial *s)
{
	return s->fcr & UART_FCR_ENABLE_FIFO;
}

static unsigned int rx_capacity(const struct serial *s)
{
	return fifo_enabled(s) ? FIFO_BYTES : 1;
}

static unsigned int rx_trigger(const struct serial *s)
{
	static const uint8_t levels[] = { 1, 4, 8, 14 };

	return fifo_enabled(s) ? levels[s->fcr >> 6] : 1;
}

/* The interrupt's source by priority (data sheet, table IV), in IIR's code. */
static uint8_t iir_source(const struct serial *s)
{
	if ((s->ier & UART_IER_RLSI) && (atomic_load(&s->lsr) & LSR_ERRORS))
		return UART_IIR_RLSI;
	if ((s->ier & UART_IER_RDI) && s->rx_len)
		return s->rx_len >= rx_trigger(s) ? UART_IIR_RDI : IIR_TIMEOUT;
	if ((s->ier & UART_IER_THRI) && s->thre_pending)
		return UART_IIR_THRI;
	if ((s->ier & UART_IER_MSI) && (s->msr & UART_MSR_ANY_DELTA))
		return UART_IIR_MSI;
	return UART_IIR_NO_INT;
}

static void update_irq(struct serial *s)
{
	bool gate = (s->mcr & UART_MCR_OUT2) && !(s->mcr & UART_MCR_LOOP);

	irq_set(&s->irq, gate && iir_source(s) != UART_IIR_NO_INT);
}

/*
 * An error shows when its byte is at the FIFO's top; bit 7 shows while one is anywhere in the FIFO.
 */
static void update_lsr(struct serial *s)
{
	uint8_t lsr = LSR_IDLE | (atomic_load(&s->lsr) & LSR_ERRORS);

	if (s->rx_len) {
		lsr |= UART_LSR_DR;
		if (s->fifo[s->rx_head] & FIFO_BREAK)
			lsr |= UART_LSR_BI;
	}
	for (unsigned int i = 0; fifo_enabled(s) && i < s->rx_len; i++) {
		if (s->fifo[(s->rx_head + i) % FIFO_BYTES] & FIFO_BREAK)
			lsr |= UART_LSR_FIFOE;
	}
	atomic_store(&s->lsr, lsr);
}

static void set_coalescing(struct serial *s, bool on)
{
	if (atomic_load(&s->coalescing) == on)
		return;
	if (!on && s->coalesce_after < COALESCE_AFTER_MAX)
		s->coalesce_after *= COALESCE_GROWTH;
	s->polled_writes = 0;
	atomic_store(&s->coalescing, on);
	s->coalesce->enable(s->coalesce->ctx, on);
}

static void update_thr(struct serial *s)
{
	bool direct = !(s->lcr & UART_LCR_DLAB) && !(s->mcr & UART_MCR_LOOP);
	bool free = direct && !(s->ier & UART_IER_THRI);

	if (!free) {
		s->polled_writes = 0;
		set_coalescing(s, false);
	}
	atomic_store(&s->thr_direct, direct);
	atomic_store(&s->thr_free, free && (!s->coalesce || atomic_load(&s->coalescing)));
}

/*
 * Whether the guest would read received bytes now; otherwise the driver that opens the port later
 * would throw them away. The guest listens if it takes receive interrupts (and has not stopped
 * input by RTS since), or polls LSR and does nothing else.
 */
static bool listening(const struct serial *s)
{
	if (s->mcr & UART_MCR_LOOP)
		return false;
	return ((s->ier & UART_IER_RDI) && !s->throttled) ||
	       atomic_load(&s->lsr_polls) >= LISTENING_POLLS;
}

static unsigned int rx_room(const struct serial *s)
{
	return listening(s) ? rx_capacity(s) - s->rx_len : 0;
}

/* Waits for half of the FIFO, so that the host's thread is not woken for each byte. */
static bool rx_can_go_on(const struct serial *s)
{
	return rx_room(s) >= (rx_capacity(s) + 1) / 2;
}

/* Updates all that follows from the registers, after every access. Unlocks. */
static void update_and_unlock(struct serial *s)
{
	bool rx_ready;

	update_lsr(s);
	update_irq(s);
	rx_ready = s->rx_stalled && rx_can_go_on(s);
	if (rx_ready)
		s->rx_stalled = false;
	pthread_mutex_unlock(&s->lock);
	if (unlikely(rx_ready))
		chardev_rx_ready(s->chardev);
}

static void rx_push(struct serial *s, uint16_t entry)
{
	s->fifo[(s->rx_head + s->rx_len) % FIFO_BYTES] = entry;
	s->rx_len++;
}

static void rx_clear(struct serial *s)
{
	s->rx_head = 0;
	s->rx_len = 0;
}

/*
 * Receives a byte from the port's own transmitter: the only one that can find no room (data sheet
 * 8.4, OE).
 */
static void loop_back(struct serial *s, uint8_t byte)
{
	if (s->rx_len < rx_capacity(s)) {
		rx_push(s, byte);
		return;
	}
	atomic_fetch_or(&s->lsr, UART_LSR_OE);
	if (!fifo_enabled(s))
		s->fifo[s->rx_head] = byte;
}

static uint8_t read_rbr(struct serial *s)
{
	uint8_t byte;

	if (!s->rx_len)
		return 0;
	byte = (uint8_t)s->fifo[s->rx_head];
	s->rx_head = (s->rx_head + 1) % FIFO_BYTES;
	s->rx_len--;
	return byte;
}

static uint8_t read_iir(struct serial *s)
{
	uint8_t source = iir_source(s);

	if (source == UART_IIR_THRI)
		s->thre_pending = false;
	return source | (fifo_enabled(s) ? IIR_FIFO : 0);
}

static uint8_t read_lsr(struct serial *s)
{
	uint8_t lsr = atomic_load(&s->lsr);

	atomic_fetch_and(&s->lsr, (uint8_t)~LSR_ERRORS);
	if (s->rx_len)
		s->fifo[s->rx_head] &= (uint16_t)~FIFO_BREAK;
	return lsr;
}

static uint8_t read_msr(struct serial *s)
{
	uint8_t msr = s->msr;

	s->msr &= (uint8_t)~UART_MSR_ANY_DELTA;
	return msr;
}

/*
 * Updates the modem's lines: the peer's, or in loopback the port's own outputs. A change leaves its
 * delta bit; of RI only the trailing edge does.
 */
static void update_msr(struct serial *s)
{
	uint8_t old = s->msr, lines = s->chardev ? MSR_PEER : 0, delta;

	if (s->mcr & UART_MCR_LOOP) {
		lines = (s->mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) |
			(s->mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) |
			(s->mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0) |
			(s->mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0);
	}
	delta = (uint8_t)((old ^ lines) >> 4);
	if (lines & UART_MSR_RI)
		delta &= (uint8_t)~UART_MSR_TERI;
	s->msr = lines | (old & UART_MSR_ANY_DELTA) | delta;
}

static void write_ier(struct serial *s, uint8_t value)
{
	value &= IER_MASK;
	if (value & UART_IER_RDI)
		atomic_store_explicit(&s->had_driver, true, memory_order_relaxed);
	/* The transmitter is always empty: enabling its interrupt raises it. */
	if (value & ~s->ier & UART_IER_THRI)
		s->thre_pending = true;
	s->ier = value;
	update_thr(s);
}

static void write_fcr(struct serial *s, uint8_t value)
{
	bool toggled = (value ^ s->fcr) & UART_FCR_ENABLE_FIFO;

	if (toggled || (value & UART_FCR_CLEAR_RCVR)) {
		rx_clear(s);
		s->throttled = false;
	}
	/* The other bits cannot be set without the first; bit 5 is for larger FIFOs. */
	s->fcr = value & UART_FCR_ENABLE_FIFO
			 ? value & (UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_MASK)
			 : 0;
}

static void write_lcr(struct serial *s, uint8_t value)
{
	bool line_break = value & UART_LCR_SBC;

	if (s->chardev && ((value ^ s->lcr) & UART_LCR_SBC))
		chardev_send_break(s->chardev, line_break);
	s->lcr = value;
	update_thr(s);
}

static void write_mcr(struct serial *s, uint8_t value)
{
	uint8_t old = s->mcr;

	s->mcr = value & MCR_MASK;
	if (s->mcr & UART_MCR_RTS)
		s->throttled = false;
	else if ((old & UART_MCR_RTS) && (s->ier & UART_IER_RDI))
		s->throttled = true;
	update_msr(s);
	update_thr(s);
}

/* Ends a THR write whose byte is out already: the register empties, fills and empties again. */
static void thr_emptied(struct serial *s)
{
	/* Down and up, for a guest that takes edges and has not read IIR. */
	s->thre_pending = false;
	update_irq(s);
	s->thre_pending = true;
	if (!s->coalesce || (s->ier & UART_IER_THRI) || atomic_load(&s->coalescing))
		return;
	if (++s->polled_writes >= s->coalesce_after)
		set_coalescing(s, true);
	update_thr(s);
}

static void write_thr_slow(struct serial *s, uint8_t value)
{
	pthread_mutex_lock(&s->lock);
	if (s->lcr & UART_LCR_DLAB) {
		s->dll = value;
	} else if (s->mcr & UART_MCR_LOOP) {
		loop_back(s, value);
		s->thre_pending = true;
	} else {
		thr_emptied(s);
	}
	update_and_unlock(s);
}

static void write_thr(struct serial *s, uint8_t value)
{
	bool free = atomic_load_explicit(&s->thr_free, memory_order_relaxed);

	if (atomic_load_explicit(&s->thr_direct, memory_order_relaxed) && s->chardev)
		chardev_putc(s->chardev, value);
	if (unlikely(!free))
		write_thr_slow(s, value);
}

static void serial_write(void *dev, uint64_t offset, unsigned int size, uint64_t value64)
{
	struct serial *s = dev;
	uint8_t value = (uint8_t)value64;

	(void)size;
	atomic_store_explicit(&s->lsr_polls, 0, memory_order_relaxed);
	if (offset == UART_TX) {
		write_thr(s, value);
		return;
	}
	pthread_mutex_lock(&s->lock);
	switch (offset) {
	case UART_IER:
		if (s->lcr & UART_LCR_DLAB)
			s->dlm = value;
		else
			write_ier(s, value);
		break;
	case UART_FCR:
		write_fcr(s, value);
		break;
	case UART_LCR:
		write_lcr(s, value);
		break;
	case UART_MCR:
		write_mcr(s, value);
		break;
	case UART_SCR:
		s->scr = value;
		break;
	default: /* LSR and MSR are for the factory's tests */
		break;
	}
	update_and_unlock(s);
}

static uint8_t read_locked(struct serial *s, uint64_t offset)
{
	bool dlab = s->lcr & UART_LCR_DLAB;

	switch (offset) {
	case UART_RX:
		return dlab ? s->dll : read_rbr(s);
	case UART_IER:
		return dlab ? s->dlm : s->ier;
	case UART_IIR:
		return read_iir(s);
	case UART_LCR:
		return s->lcr;
	case UART_MCR:
		return s->mcr;
	case UART_LSR:
		return read_lsr(s);
	case UART_MSR:
		return read_msr(s);
	default:
		return s->scr;
	}
}

/*
 * Whether a read of LSR needs the lock: it clears something, or it is the one after which the guest
 * counts as listening.
 */
static bool lsr_read_matters(struct serial *s, uint8_t lsr)
{
	uint8_t polls = atomic_load_explicit(&s->lsr_polls, memory_order_relaxed);

	if (polls < LISTENING_POLLS)
		atomic_store_explicit(&s->lsr_polls, polls + 1, memory_order_relaxed);
	return (lsr & (LSR_ERRORS | UART_LSR_FIFOE)) || polls == LISTENING_POLLS - 1;
}

static uint64_t serial_read(void *dev, uint64_t offset, unsigned int size)
{
	struct serial *s = dev;
	uint8_t value;

	(void)size;
	if (offset == UART_LSR) {
		/* A byte may follow that no exit brings. */
		if (atomic_load_explicit(&s->coalescing, memory_order_relaxed) && s->chardev)
			chardev_tick_soon(s->chardev);
		value = atomic_load(&s->lsr);
		if (!unlikely(lsr_read_matters(s, value)))
			return value;
	} else if (offset != UART_RX) {
		atomic_store_explicit(&s->lsr_polls, 0, memory_order_relaxed);
	}
	pthread_mutex_lock(&s->lock);
	value = read_locked(s, offset);
	update_and_unlock(s);
	return value;
}

bool serial_had_driver(const struct serial *s)
{
	return atomic_load_explicit(&s->had_driver, memory_order_relaxed);
}

const struct bus_ops serial_bus_ops = { .read = serial_read, .write = serial_write, .width = 1 };

static size_t on_rx_room(void *ctx)
{
	struct serial *s = ctx;
	unsigned int room;

	pthread_mutex_lock(&s->lock);
	room = rx_room(s);
	s->rx_stalled = !room;
	pthread_mutex_unlock(&s->lock);
	return room;
}

static void on_receive(void *ctx, const uint8_t *bytes, size_t len)
{
	struct serial *s = ctx;

	pthread_mutex_lock(&s->lock);
	/*
	 * Room may have shrunk since on_rx_room(): the guest has turned its FIFO off, or looped
	 * back.
	 */
	for (size_t i = 0; i < len && s->rx_len < rx_capacity(s); i++)
		rx_push(s, bytes[i]);
	update_and_unlock(s);
}

static void on_event(void *ctx, enum chardev_event event)
{
	struct serial *s = ctx;

	if (event != CHARDEV_BREAK)
		return;
	pthread_mutex_lock(&s->lock);
	if (s->rx_len < rx_capacity(s))
		rx_push(s, FIFO_BREAK);
	update_and_unlock(s);
}

static bool on_tick(void *ctx)
{
	struct serial *s = ctx;

	if (!atomic_load(&s->coalescing))
		return false;
	s->coalesce->drain(s->coalesce->ctx);
	return true;
}

static void bind_chardev(struct serial *s)
{
	struct chardev_client client = { on_rx_room, on_receive, on_event, s };

	chardev_set_client(s->chardev, &client);
	if (s->coalesce)
		chardev_set_tick(s->chardev, on_tick, s);
}

struct serial *serial_create(struct chardev *chardev, const struct irq_line *irq,
			     const struct serial_coalesce *coalesce)
{
	struct serial *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->chardev = chardev;
	s->coalesce = coalesce;
	s->coalesce_after = COALESCE_AFTER;
	s->irq = *irq;
	/* The divisor of 115200 baud, in case the guest looks. */
	s->dll = 1;
	s->msr = chardev ? MSR_PEER : 0;
	pthread_mutex_init(&s->lock, NULL);
	update_lsr(s);
	update_thr(s);
	if (chardev)
		bind_chardev(s);
	return s;
}

void serial_destroy(struct serial *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s);
}
