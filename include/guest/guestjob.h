/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Defines how the launcher and its own init in the guest (guest/init) communicate when the guest
 * runs a command: `kvm run ... -- CMD`.
 *
 * To the init: the file /.kvm/job of the initramfs, a sequence of records. A record is a letter,
 * text and a NUL byte, so arguments arrive unchanged, with any bytes. Records of one letter keep
 * their order; unknown letters are ignored.
 *
 * From the init: one 32-bit write to an I/O port, which ends the machine. A guest can lie about its
 * own command's exit code, and about nothing else.
 *
 * Constants only, because the init is freestanding.
 */
#ifndef GUEST_GUESTJOB_H
#define GUEST_GUESTJOB_H

#define GUESTJOB_DIR "/.kvm"
#define GUESTJOB_INIT GUESTJOB_DIR "/init"
#define GUESTJOB_FILE GUESTJOB_DIR "/job"

#define JOB_ARG 'a'	/* one of the command's arguments; the first is its own name */
#define JOB_ENV 'e'	/* NAME=VALUE */
#define JOB_PROGRAM 'x' /* the file to execute; one without a slash is searched in PATH */
#define JOB_CWD 'd'	/* the folder to execute it in */
#define JOB_HOST 'h'	/* the host name */
#define JOB_CLOCK 'c'	/* seconds since 1970, decimal: the clock's earliest time */
#define JOB_MODULE 'm'	/* a kernel module's file; insert them in this order */
/* the rest happens in the host's files, mounted by GUESTJOB_ROOT_TAG; one letter, see below */
#define JOB_ROOT 'r'
/* a folder of the host, mounted at GUESTJOB_SHARES/TAG; one letter, and TAG */
#define JOB_SHARE 's'
/* the command gets the terminal, "ROWS COLUMNS" (0: not known), not the ports below */
#define JOB_TERMINAL 't'

#define JOB_READ_ONLY 'r' /* the letters of JOB_ROOT and JOB_SHARE */
#define JOB_WRITABLE 'w'
#define JOB_OVERLAY 'o'		/* what is written stays in memory */
#define JOB_OVERLAY_OF_USER 'u' /* the same, for a virtiofsd with an ordinary user's rights */

#define GUESTJOB_ROOT_TAG "kvm-root"
#define GUESTJOB_SHARES "/mnt"

#define GUESTJOB_STDIN "kvm.stdin"
#define GUESTJOB_STDOUT "kvm.stdout"
#define GUESTJOB_STDERR "kvm.stderr"
/* the launcher writes one byte to it for each signal for the command */
#define GUESTJOB_SIGNALS "kvm.signals"

/*
 * The value that the init writes to PORT_GUESTJOB: one of these, plus a number in the low eight
 * bits.
 */
#define PORT_GUESTJOB 0x610
#define GUESTJOB_PORTS 4
#define GUESTJOB_EXITED 0x000 /* the command exited with this code */
#define GUESTJOB_KILLED 0x100 /* the command was killed by this signal */
#define GUESTJOB_FAILED 0x200 /* the init could not start it; the console says why */

#endif
