/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mounts the host's files by virtiofs: as the root of everything that comes after (--root), and as
 * folders (--share).
 *
 * pivot_root(2) cannot leave the initramfs, which is not mounted on another file system. So the new
 * root is moved over it, as switch_root(8) does. With an overlay, writes go to a tmpfs above the
 * host's files, which are mounted read-only (the launcher ensures that, too).
 *
 * An overlay opens the files below it with O_NOATIME, which an ordinary user's virtiofsd may use
 * only on the user's own files. The overlay omits that flag if the process that mounted it could
 * not use it, as neither the file's owner nor with CAP_FOWNER. But such an overlay could not change
 * the owner of files that it copies up. So there are two:
 * - a read-only one of the host's files and an empty folder, mounted without those rights (NOBODY);
 * - above it the usual one.
 */
#include "guest/guestjob.h"
#include "init.h"

#include <linux/capability.h>
#include <linux/mount.h>

#define LOWER GUESTJOB_DIR "/root"
#define UPPER GUESTJOB_DIR "/top"
#define BOTH GUESTJOB_DIR "/both"
#define SEEN GUESTJOB_DIR "/seen"
#define EMPTY GUESTJOB_DIR "/empty"
#define UPPER_OPTIONS ",upperdir=" UPPER "/upper,workdir=" UPPER "/work"
#define NOBODY 2147483646 /* owns no file */
#define WAIT_MS 2000	  /* for the device to appear */

/* Mounts @what, or ends the machine. */
static void mount_or_fail(const char *what, const char *at, const char *type, unsigned long flags,
			  const char *data)
{
	long err;

	sys(mkdir, at, 0755);
	err = sys(mount, what, at, type, flags, data);
	/* virtiofs: the tag is not there yet. */
	for (long ms = 0; err == -EINVAL && ms < WAIT_MS; ms++) {
		sleep_ms(1);
		err = sys(mount, what, at, type, flags, data);
	}
	if (!err)
		return;
	complain(
		err == -ENODEV
			? "this kernel lacks this file system; it must be built in, or a module (--modules)"
			: "cannot be mounted",
		err == -ENODEV ? type : what, err == -ENODEV ? 0 : err);
	fail();
}

static unsigned long flags_of(char letter)
{
	return letter == JOB_WRITABLE ? 0 : MS_RDONLY;
}

/* Makes all our permitted capabilities effective, except the mask @but. */
static void set_capabilities(unsigned int but)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (sys(capget, &header, data))
		return;
	data[0].effective = data[0].permitted & ~but;
	data[1].effective = data[1].permitted;
	sys(capset, &header, data);
}

static void mount_for_reading(void)
{
	sys(mkdir, EMPTY, 0755);
	sys(setfsuid, NOBODY);
	set_capabilities(1U << CAP_FOWNER);
	mount_or_fail("overlay", SEEN, "overlay", MS_RDONLY, "lowerdir=" LOWER ":" EMPTY);
	sys(setfsuid, 0);
	set_capabilities(0);
}

static void mount_overlay(const char *data)
{
	mount_or_fail("tmpfs", UPPER, "tmpfs", 0, "mode=755");
	sys(mkdir, UPPER "/upper", 0755);
	sys(mkdir, UPPER "/work", 0755);
	mount_or_fail("overlay", BOTH, "overlay", 0, data);
}

void root_enter(const struct job *job)
{
	const char *root = LOWER;

	if (!job->root)
		return;
	mount_or_fail(GUESTJOB_ROOT_TAG, LOWER, "virtiofs", flags_of(job->root[0]), NULL);
	if (job->root[0] == JOB_OVERLAY_OF_USER) {
		mount_for_reading();
		mount_overlay("lowerdir=" SEEN UPPER_OPTIONS);
		root = BOTH;
	} else if (job->root[0] == JOB_OVERLAY) {
		mount_overlay("lowerdir=" LOWER UPPER_OPTIONS);
		root = BOTH;
	}
	if (sys(chdir, root) || sys(mount, ".", "/", NULL, MS_MOVE, NULL) || sys(chroot, ".")) {
		complain("cannot become the root", root, 0);
		fail();
	}
}

void root_add_shares(const struct job *job)
{
	char at[sizeof(GUESTJOB_SHARES) + MAX_TAG_BYTES + 1];

	if (!job->shares[0])
		return;
	sys(mkdir, GUESTJOB_SHARES, 0755);
	if (job->root) /* do not create folders in it */
		sys(mount, "tmpfs", GUESTJOB_SHARES, "tmpfs", 0, "mode=755");
	sync_watch_shares(job->shares);
	for (const char **share = job->shares; *share; share++) {
		join(at, GUESTJOB_SHARES "/", *share + 1);
		mount_or_fail(*share + 1, at, "virtiofs", flags_of(**share), NULL);
	}
}
