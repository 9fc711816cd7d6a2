/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Emulates the keyboard controller of the PC/AT and PS/2, and the MF II keyboard at its end (IBM
 * PS/2 Hardware Interface Technical Reference, "Keyboard and Auxiliary Device Controller").
 *
 * Bytes for the guest wait in two places. When the output buffer at 0x60 is empty, they reach it in
 * this order: the controller's reply, then the keyboard's own queue, which the disable bit of the
 * command byte holds back. A reply overwrites an older one that was not read, as in the chip: Linux
 * leaves one unread when it finds no AUX port. Everything the guest writes is processed at once, so
 * the input buffer is never full and no driver waits.
 *
 * The interrupt lines are functions of the state: output buffer full, with data of that side, and
 * enabled. They go down at each read of 0x60, even when the next byte is there already, because the
 * I/O APIC takes them as edges.
 *
 * The keyboard sends scan code set 2; the controller translates on the way out if the command byte
 * says so. Its table holds the few codes that this keyboard can send. No mouse is modelled: the
 * controller answers a byte for one by its transmit time-out.
 *
 * vCPU threads access the chip through the bus; any thread may call i8042_ctrl_alt_del(). One mutex
 * covers the whole chip, but a reset is requested after it is released. A20 is remembered and has
 * no effect.
 */
#include "hw/i8042.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Status register */
#define ST_OUTPUT_FULL 0x01
#define ST_SYSTEM 0x04
#define ST_COMMAND 0x08 /* the last write went to 0x64 */
#define ST_UNLOCKED 0x10
#define ST_AUX_DATA 0x20
#define ST_TIMEOUT 0x40

/* Command byte: byte 0 of the controller's RAM */
#define CTR_KBD_INT 0x01
#define CTR_AUX_INT 0x02
#define CTR_SYSTEM 0x04
#define CTR_KBD_DISABLE 0x10
#define CTR_AUX_DISABLE 0x20
#define CTR_TRANSLATE 0x40
#define CTR_UNUSED 0x80

/*
 * Controller commands with a name; 0x20..0x3f and 0x60..0x7f access RAM, 0xf0..0xff pulse output
 * lines.
 */
#define CMD_READ_RAM 0x20
#define CMD_WRITE_RAM 0x60
#define CMD_PASSWORD_TEST 0xa4
#define CMD_AUX_DISABLE 0xa7
#define CMD_AUX_ENABLE 0xa8
#define CMD_AUX_TEST 0xa9
#define CMD_SELF_TEST 0xaa
#define CMD_KBD_TEST 0xab
#define CMD_KBD_DISABLE 0xad
#define CMD_KBD_ENABLE 0xae
#define CMD_READ_INPUT 0xc0
#define CMD_READ_OUTPUT 0xd0
#define CMD_WRITE_OUTPUT 0xd1
#define CMD_LOOP_KBD 0xd2
#define CMD_LOOP_AUX 0xd3
#define CMD_SEND_AUX 0xd4
#define CMD_A20_OFF 0xdd
#define CMD_A20_ON 0xdf
#define CMD_READ_TEST 0xe0
#define CMD_PULSE 0xf0

#define RAM_BYTES 32
#define SELF_TEST_OK 0x55
#define NO_PASSWORD 0xf1
#define LINE_OK 0x00
#define LINE_CLOCK_HIGH 0x02 /* the result of the test of a missing AUX port */
#define INPUT_PORT 0xa0	     /* keyboard not locked, no manufacturing jumper */

/*
 * Output port: the two lines a guest sets, the two that show interrupts, and the idle keyboard
 * lines.
 */
#define OUT_NOT_RESET 0x01
#define OUT_A20 0x02
#define OUT_KBD_INT 0x10
#define OUT_AUX_INT 0x20
#define OUT_IDLE 0xc0

/* Bytes that the keyboard sends */
#define KBD_ACK 0xfa
#define KBD_RESEND 0xfe
#define KBD_TEST_PASSED 0xaa
#define KBD_ECHO 0xee
#define KBD_BREAK 0xf0

#define KBD_QUEUE_BYTES 16 /* a power of two */
#define KBD_QUEUE_MASK (KBD_QUEUE_BYTES - 1)

struct keyboard {
	uint8_t queue[KBD_QUEUE_BYTES];
	unsigned int head, count;
	uint8_t command; /* waits for its parameter; 0: none */
	uint8_t last;	 /* what "resend" repeats */
	uint8_t scan_set;
	bool scanning; /* off until a driver enables it: before, no driver would read the keys */
};

struct i8042 {
	_Atomic uint64_t accesses;
	pthread_mutex_t lock; /* protects all that follows it */
	struct irq_line kbd_irq, aux_irq;
	struct power power;
	bool has_aux;
	uint8_t ram[RAM_BYTES];
	uint8_t output_port;
	uint8_t command; /* waits for its parameter at 0x60; 0: none */
	bool last_was_command;
	uint8_t output;
	uint8_t output_status; /* ST_OUTPUT_FULL, ST_AUX_DATA, ST_TIMEOUT */
	bool output_is_reply;
	uint8_t reply;
	uint8_t reply_status; /* 0: no reply waits */
	bool break_seen;      /* translation: the code after 0xf0 is a release */
	struct keyboard keyboard;
};

static void kbd_say(struct keyboard *kb, uint8_t byte)
{
	if (kb->count == KBD_QUEUE_BYTES)
		return;
	kb->queue[(kb->head + kb->count++) & KBD_QUEUE_MASK] = byte;
}

static uint8_t kbd_take(struct keyboard *kb)
{
	uint8_t byte = kb->queue[kb->head & KBD_QUEUE_MASK];

	kb->head = (kb->head + 1) & KBD_QUEUE_MASK;
	kb->count--;
	kb->last = byte;
	return byte;
}

static void kbd_defaults(struct keyboard *kb, bool scanning)
{
	kb->count = 0;
	kb->scan_set = 2;
	kb->scanning = scanning;
}

static void kbd_parameter(struct keyboard *kb, uint8_t command, uint8_t value)
{
	if (command == 0xf0 && value > 3) {
		kbd_say(kb, KBD_RESEND);
		return;
	}
	kbd_say(kb, KBD_ACK);
	if (command == 0xf0 && value == 0)
		kbd_say(kb, kb->scan_set);
	else if (command == 0xf0)
		kb->scan_set = value;
}

static void kbd_command(struct keyboard *kb, uint8_t command)
{
	switch (command) {
	case 0xed: /* lamps */
	case 0xf0: /* scan code set */
	case 0xf3: /* repeat rate */
		kb->command = command;
		kbd_say(kb, KBD_ACK);
		break;
	case KBD_ECHO:
		kbd_say(kb, KBD_ECHO);
		break;
	case 0xf2: /* identify */
		kbd_say(kb, KBD_ACK);
		kbd_say(kb, 0xab);
		kbd_say(kb, 0x83);
		break;
	case 0xf4: /* enable */
		kb->count = 0;
		kb->scanning = true;
		kbd_say(kb, KBD_ACK);
		break;
	case 0xf5: /* defaults and disable */
		kbd_defaults(kb, false);
		kbd_say(kb, KBD_ACK);
		break;
	case 0xf6: /* defaults */
		kbd_defaults(kb, kb->scanning);
		kbd_say(kb, KBD_ACK);
		break;
	case 0xf7 ... 0xfd: /* which keys repeat or release, in set 3 */
		kbd_say(kb, KBD_ACK);
		break;
	case 0xfe:
		kbd_say(kb, kb->last);
		break;
	case 0xff:
		kbd_defaults(kb, false);
		kbd_say(kb, KBD_ACK);
		kbd_say(kb, KBD_TEST_PASSED);
		break;
	default:
		kbd_say(kb, KBD_RESEND);
	}
}

static void kbd_receive(struct keyboard *kb, uint8_t byte)
{
	uint8_t command = kb->command;

	kb->command = 0;
	if (command && byte < 0x80)
		kbd_parameter(kb, command, byte);
	else /* a command in a parameter's place is a command */
		kbd_command(kb, byte);
}

/* From set 2 to set 1, for what this keyboard sends; its other bytes are the same in both. */
static uint8_t translate(uint8_t code)
{
	switch (code) {
	case 0x01:
		return 0x43;
	case 0x02:
		return 0x41;
	case 0x03:
		return 0x3f;
	case 0x11: /* Alt */
		return 0x38;
	case 0x14: /* Ctrl */
		return 0x1d;
	case 0x71: /* Del */
		return 0x53;
	case 0x83: /* second byte of the identity */
		return 0x41;
	default:
		return code;
	}
}

/* Takes the next byte from the keyboard. Returns false if there is none. */
static bool next_from_kbd(struct i8042 *k, uint8_t *byte)
{
	while (k->keyboard.count) {
		*byte = kbd_take(&k->keyboard);
		if (!(k->ram[0] & CTR_TRANSLATE))
			return true;
		if (*byte == KBD_BREAK) {
			k->break_seen = true;
			continue;
		}
		*byte = translate(*byte);
		if (k->break_seen)
			*byte |= 0x80;
		k->break_seen = false;
		return true;
	}
	return false;
}

static void update_irqs(struct i8042 *k)
{
	bool aux = k->output_status & ST_AUX_DATA;
	bool full = k->output_status & ST_OUTPUT_FULL;

	irq_set(&k->kbd_irq, full && !aux && (k->ram[0] & CTR_KBD_INT));
	irq_set(&k->aux_irq, full && aux && (k->ram[0] & CTR_AUX_INT));
}

/* Fills an empty output buffer with what waits for it, and sets the lines accordingly. */
static void advance(struct i8042 *k)
{
	if (!(k->output_status & ST_OUTPUT_FULL)) {
		k->output_is_reply = k->reply_status;
		if (k->reply_status) {
			k->output = k->reply;
			k->output_status = k->reply_status;
			k->reply_status = 0;
		} else if (!(k->ram[0] & CTR_KBD_DISABLE) && next_from_kbd(k, &k->output)) {
			k->output_status = ST_OUTPUT_FULL;
		}
	}
	update_irqs(k);
}

static void reply_as(struct i8042 *k, uint8_t byte, uint8_t side)
{
	k->reply = byte;
	k->reply_status = ST_OUTPUT_FULL | side;
	if (k->output_is_reply)
		k->output_status = 0;
}

static void reply(struct i8042 *k, uint8_t byte)
{
	reply_as(k, byte, 0);
}

static void write_ram(struct i8042 *k, unsigned int index, uint8_t value)
{
	if (index == 0) {
		value &= (uint8_t)~CTR_UNUSED;
		/*
		 * so that a guest that enables AUX and looks for the effect sees that there is none
		 */
		if (!k->has_aux)
			value = (uint8_t)((value & ~CTR_AUX_INT) | CTR_AUX_DISABLE);
	}
	k->ram[index & (RAM_BYTES - 1)] = value;
}

static void change_ctr(struct i8042 *k, uint8_t clear, uint8_t set)
{
	write_ram(k, 0, (uint8_t)((k->ram[0] & ~clear) | set));
}

static uint8_t read_output_port(const struct i8042 *k)
{
	uint8_t value = k->output_port | OUT_IDLE | OUT_NOT_RESET;

	if (k->kbd_irq.level)
		value |= OUT_KBD_INT;
	if (k->aux_irq.level)
		value |= OUT_AUX_INT;
	return value;
}

static void test_command(struct i8042 *k, uint8_t command)
{
	switch (command) {
	case CMD_PASSWORD_TEST:
		reply(k, NO_PASSWORD);
		break;
	case CMD_AUX_TEST:
		reply(k, k->has_aux ? LINE_OK : LINE_CLOCK_HIGH);
		break;
	case CMD_SELF_TEST:
		change_ctr(k, 0, CTR_SYSTEM);
		reply(k, SELF_TEST_OK);
		break;
	case CMD_KBD_TEST:
		reply(k, LINE_OK);
		break;
	case CMD_READ_INPUT:
		reply(k, INPUT_PORT);
		break;
	case CMD_READ_OUTPUT:
		reply(k, read_output_port(k));
		break;
	case CMD_READ_TEST:
		reply(k, 0);
		break;
	default:
		break; /* the chip ignores what it does not know */
	}
}

/* Processes a byte written to 0x64. Returns whether it resets the machine. */
static bool controller_command(struct i8042 *k, uint8_t command)
{
	k->last_was_command = true;
	k->command = 0;
	switch (command) {
	case CMD_READ_RAM ... CMD_READ_RAM + RAM_BYTES - 1:
		reply(k, k->ram[command - CMD_READ_RAM]);
		break;
	case CMD_WRITE_RAM ... CMD_WRITE_RAM + RAM_BYTES - 1:
	case CMD_WRITE_OUTPUT ... CMD_SEND_AUX:
		k->command = command;
		break;
	case CMD_AUX_DISABLE:
		change_ctr(k, 0, CTR_AUX_DISABLE);
		break;
	case CMD_AUX_ENABLE:
		change_ctr(k, CTR_AUX_DISABLE, 0);
		break;
	case CMD_KBD_DISABLE:
		change_ctr(k, 0, CTR_KBD_DISABLE);
		break;
	case CMD_KBD_ENABLE:
		change_ctr(k, CTR_KBD_DISABLE, 0);
		break;
	case CMD_A20_OFF:
		k->output_port &= (uint8_t)~OUT_A20;
		break;
	case CMD_A20_ON:
		k->output_port |= OUT_A20;
		break;
	case CMD_PULSE ... 0xff: /* lines whose bit is 0 go low for a moment: line 0 is the reset */
		return !(command & OUT_NOT_RESET);
	default:
		test_command(k, command);
	}
	return false;
}

/* Processes the byte at 0x60 for which @command waits. Returns whether it resets the machine. */
static bool controller_parameter(struct i8042 *k, uint8_t command, uint8_t value)
{
	switch (command) {
	case CMD_WRITE_OUTPUT:
		k->output_port = value & OUT_A20;
		return !(value & OUT_NOT_RESET);
	case CMD_LOOP_KBD:
		reply(k, value);
		break;
	case CMD_LOOP_AUX:
		/*
		 * DEVIATION: a controller without AUX does not know this command, and a driver
		 * would wait for the answer (Linux: half a second). An answer from the wrong side
		 * tells the driver the same at once.
		 */
		reply_as(k, value, k->has_aux ? ST_AUX_DATA : 0);
		break;
	case CMD_SEND_AUX:
		change_ctr(k, CTR_AUX_DISABLE, 0);
		reply_as(k, KBD_RESEND, ST_AUX_DATA | ST_TIMEOUT);
		break;
	default:
		write_ram(k, command - CMD_WRITE_RAM, value);
	}
	return false;
}

/* Processes a byte written to 0x60. Returns whether it resets the machine. */
static bool data_write(struct i8042 *k, uint8_t value)
{
	uint8_t command = k->command;

	k->last_was_command = false;
	k->command = 0;
	if (command)
		return controller_parameter(k, command, value);
	/* A byte to the keyboard enables its clock again. */
	change_ctr(k, CTR_KBD_DISABLE, 0);
	kbd_receive(&k->keyboard, value);
	return false;
}

static void write_with(struct i8042 *k, bool (*fn)(struct i8042 *k, uint8_t value), uint8_t value)
{
	bool reset;

	k->accesses++;
	pthread_mutex_lock(&k->lock);
	reset = fn(k, value);
	advance(k);
	pthread_mutex_unlock(&k->lock);
	if (reset)
		power_request(&k->power, POWER_RESET, value, "i8042");
}

static void write_data_port(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	(void)offset;
	(void)size;
	write_with(dev, data_write, (uint8_t)value);
}

static void write_command_port(void *dev, uint64_t offset, unsigned int size, uint64_t value)
{
	(void)offset;
	(void)size;
	write_with(dev, controller_command, (uint8_t)value);
}

/* If there is nothing to read, the guest reads the last byte again. */
static uint64_t read_data_port(void *dev, uint64_t offset, unsigned int size)
{
	struct i8042 *k = dev;
	uint8_t byte;

	(void)offset;
	(void)size;
	k->accesses++;
	pthread_mutex_lock(&k->lock);
	byte = k->output;
	k->output_status = 0;
	update_irqs(k);
	advance(k);
	pthread_mutex_unlock(&k->lock);
	return byte;
}

static uint64_t read_status_port(void *dev, uint64_t offset, unsigned int size)
{
	struct i8042 *k = dev;
	uint8_t status;

	(void)offset;
	(void)size;
	k->accesses++;
	pthread_mutex_lock(&k->lock);
	status = k->output_status | ST_UNLOCKED;
	if (k->ram[0] & CTR_SYSTEM)
		status |= ST_SYSTEM;
	if (k->last_was_command)
		status |= ST_COMMAND;
	pthread_mutex_unlock(&k->lock);
	return status;
}

const struct bus_ops i8042_data_ops = { .read = read_data_port,
					.write = write_data_port,
					.width = 1 };
const struct bus_ops i8042_command_ops = { .read = read_status_port,
					   .write = write_command_port,
					   .width = 1 };

int i8042_ctrl_alt_del(struct i8042 *k)
{
	static const uint8_t chord[] = { 0x14, 0x11, 0xe0, 0x71, 0xe0, 0xf0,
					 0x71, 0xf0, 0x11, 0xf0, 0x14 };
	struct keyboard *kb = &k->keyboard;
	int err = -EAGAIN;

	pthread_mutex_lock(&k->lock);
	if (kb->scanning && kb->scan_set == 2 && KBD_QUEUE_BYTES - kb->count >= ARRAY_SIZE(chord)) {
		for (size_t i = 0; i < ARRAY_SIZE(chord); i++)
			kbd_say(kb, chord[i]);
		advance(k);
		err = 0;
	}
	pthread_mutex_unlock(&k->lock);
	return err;
}

uint64_t i8042_accesses(const struct i8042 *k)
{
	return k->accesses;
}

struct i8042 *i8042_create(const struct irq_line *kbd, const struct irq_line *aux,
			   const struct power *power)
{
	struct i8042 *k = calloc(1, sizeof(*k));

	if (!k)
		return NULL;
	pthread_mutex_init(&k->lock, NULL);
	k->kbd_irq = *kbd;
	k->has_aux = aux;
	if (aux)
		k->aux_irq = *aux;
	k->power = *power;
	k->output_port = OUT_A20;
	kbd_defaults(&k->keyboard, false);
	/* As firmware leaves it: tested, translating, the keyboard's interrupt on. */
	write_ram(k, 0, CTR_KBD_INT | CTR_SYSTEM | CTR_AUX_DISABLE | CTR_TRANSLATE);
	return k;
}

void i8042_destroy(struct i8042 *k)
{
	if (!k)
		return;
	pthread_mutex_destroy(&k->lock);
	free(k);
}
