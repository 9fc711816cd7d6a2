/* SPDX-License-Identifier: GPL-2.0-only */
/* Follows a guest's escape sequences, see term_modes.h. Sequences of other kinds are skipped. */
#include "term_modes.h"

#include <stdio.h>
#include <string.h>

#define ESC 0x1b
#define SHIFT_OUT 0x0e
#define SHIFT_IN 0x0f

enum state { GROUND, ESCAPE, CHARSET, CSI };

/* Private modes, and whether a terminal has them on by itself. */
static const struct {
	uint16_t number;
	bool on;
} modes[] = {
	{ 1, false },  /* cursor keys for applications */
	{ 7, true },   /* lines wrap */
	{ 25, true },  /* a visible cursor */
	{ 47, false }, /* the alternate screen, in three versions */
	{ 1047, false }, { 1049, false }, { 1000, false }, /* the mouse types, in several ways */
	{ 1002, false }, { 1003, false }, { 1004, false }, /* the focus types */
	{ 1006, false }, { 1015, false }, { 2004, false }, /* pasted text is in brackets */
};

_Static_assert(ARRAY_SIZE(modes) <= 16, "a bit each");

static void begin_csi(struct term_modes *m)
{
	m->state = CSI;
	m->private = false;
	m->nr_params = 1;
	m->param[0] = 0;
}

static void set_mode(struct term_modes *m, uint16_t number, bool on)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(modes); i++) {
		uint16_t bit = (uint16_t)(1U << i);

		if (modes[i].number == number)
			m->switched = (uint16_t)(on == modes[i].on ? m->switched & ~bit
								   : m->switched | bit);
	}
}

static void end_csi(struct term_modes *m, uint8_t final)
{
	m->state = GROUND;
	if (final == 'm' && !m->private)
		m->coloured = false;
	for (unsigned int i = 0; i < m->nr_params; i++) {
		if (m->private && (final == 'h' || final == 'l'))
			set_mode(m, m->param[i], final == 'h');
		else if (final == 'm' && !m->private && m->param[i])
			m->coloured = true;
	}
}

static void in_csi(struct term_modes *m, uint8_t byte)
{
	uint16_t *param = &m->param[m->nr_params - 1];

	if (byte >= '0' && byte <= '9')
		*param = (uint16_t)(*param < 6000 ? *param * 10 + byte - '0' : 60000);
	else if (byte == '?')
		m->private = true;
	else if (byte == ';' && m->nr_params < TERM_MODES_PARAMS)
		m->param[m->nr_params++] = 0;
	else if (byte >= 0x40 && byte < 0x7f)
		end_csi(m, byte);
	else if (byte < ' ' || byte > 0x7f)
		m->state = GROUND;
}

static void after_escape(struct term_modes *m, uint8_t byte)
{
	m->state = byte == '(' ? CHARSET : GROUND;
	if (byte == '[')
		begin_csi(m);
	else if (byte == 'c')
		*m = (struct term_modes){ 0 }; /* a full reset */
	else if (byte == '=' || byte == '>')
		m->keypad = byte == '=';
}

static void feed(struct term_modes *m, uint8_t byte)
{
	if (byte == ESC)
		m->state = ESCAPE;
	else if (byte == SHIFT_OUT || byte == SHIFT_IN)
		m->shifted = byte == SHIFT_OUT;
	else if (m->state == ESCAPE)
		after_escape(m, byte);
	else if (m->state == CSI)
		in_csi(m, byte);
	else if (m->state == CHARSET) {
		m->graphics = byte != 'B';
		m->state = GROUND;
	}
}

void term_modes_feed(struct term_modes *m, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		feed(m, bytes[i]);
}

size_t term_modes_undo(const struct term_modes *m, char text[TERM_MODES_BYTES])
{
	size_t len = 0;

	if (m->shifted)
		text[len++] = SHIFT_IN;
	text[len] = '\0';
	len = (size_t)(stpcpy(text + len, m->graphics ? "\033(B" : "") - text);
	len = (size_t)(stpcpy(text + len, m->coloured ? "\033[0m" : "") - text);
	len = (size_t)(stpcpy(text + len, m->keypad ? "\033>" : "") - text);
	for (unsigned int i = 0; i < ARRAY_SIZE(modes); i++) {
		if (m->switched & 1U << i)
			len += (size_t)snprintf(text + len, TERM_MODES_BYTES - len, "\033[?%u%c",
						modes[i].number, modes[i].on ? 'h' : 'l');
	}
	return len;
}
