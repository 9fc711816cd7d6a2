/* SPDX-License-Identifier: GPL-2.0-only */
/* Ends the machine when the guest powers off, resets or panics; private to x86/board. */
#ifndef X86_BOARD_ENDS_H
#define X86_BOARD_ENDS_H

#include "kvm/chardev.h"
#include "kvm/config.h"
#include "kvm/console_watch.h"
#include "kvm/loop.h"
#include "kvm/power.h"

struct ends;
struct vm;

/* A console, in whose output the launcher looks for the kernel's last messages. */
struct ends_console {
	struct ends *ends;
	unsigned int index;	  /* COM port, from 0 */
	bool is_kernels;	  /* a Linux prints its messages there */
	struct chardev *chardev;  /* NULL: none; the board sets it */
	struct watch watch;	  /* this and the next: under the chardev's output lock */
	unsigned int nr_versions; /* kernels that have begun */
};

struct ends {
	struct vm *vm;
	struct power power; /* for devices that can end the machine */
	struct ends_console console[CONFIG_NR_SERIAL];
	_Atomic uint64_t console_bytes; /* all consoles together */
	_Atomic bool suspected;		/* the panic timer is due, to look into a text */
	_Atomic unsigned int doubts;	/* texts that were no panic */
	_Atomic bool panic_printed;	/* the console has all of the panic */
	_Atomic bool captures;		/* after the panic another kernel has begun (kdump) */
	bool has_kdump;			/* there may be one */
	/* Looks into a panic, and ends a panicked guest once its console is silent. */
	struct loop_timer panic_timer;
	uint64_t panic_seen_bytes;
	unsigned int panic_silent_rounds; /* rounds since then without output */
};

/* @e is zeroed; vm->autopsy is set. Thread: setup. */
void ends_init(struct ends *e, struct vm *vm);
void ends_fini(struct ends *e);

/* Returns the hooks for the chardev of COM port @index, from 0. */
struct chardev_hooks ends_console_hooks(struct ends *e, unsigned int index);

/*
 * Ends the machine after the guest has reset itself by @by: as a panic if it had panicked, as a
 * crash if it has done nothing else yet. Thread: any. Locks: none of a device or chardev is held.
 */
void ends_by_reset(struct ends *e, const char *by);

#endif
