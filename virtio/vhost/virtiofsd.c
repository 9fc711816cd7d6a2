/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Starts and stops virtiofsd for a file system device. Two programs have that name, with different
 * options: that of QEMU up to 7.2, and its successor in Rust. --version tells them apart.
 *
 * The socket. Both programs take a listening socket (--fd) and accept one connection, ours. The
 * kernel chooses the socket's name, in no file system, so that no file is left. Other processes on
 * this host could connect to that name. So we connect first, before the program runs: with a
 * backlog of 0, a connection that succeeds is the only one in the queue.
 *
 * Rights.
 *
 *   - With CAP_SYS_ADMIN virtiofsd makes its own namespaces (sandbox=namespace), except for the
 *     host's root folder: there is no other root to move to.
 *   - Without it, virtiofsd gets a user namespace, in which it is root and no other user is mapped,
 *     and enters the folder by chroot. There the user's own files belong to root and others' to
 *     nobody; virtiofsd may do exactly what the user may do.
 *   - QEMU's program insists on dropping the user's supplementary groups, which such a namespace
 *     forbids. A seccomp filter makes setgroups() succeed without an effect; the program keeps the
 *     groups, which are the user's own rights.
 *   - Where user namespaces are forbidden, the successor can run without one.
 *
 * Read-only does not depend on virtiofsd: it gets its own mount namespace, in which all mounts are
 * read-only.
 *
 * The process ends when this process ends, in any way: its socket closes, and the kernel sends it
 * SIGKILL when our main thread ends.
 */
#include "virtiofsd.h"

#include "kvm/log.h"
#include "kvm/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_WAIT_MS 2000
#define MAX_OPEN_FILES 1000000 /* virtiofsd keeps one open for each file that the guest remembers */
/* With fewer, a user's virtiofsd runs out of them when the guest walks through a larger tree. */
#define FEW_OPEN_FILES 65536
/* The successor's minor version since which it takes --inode-file-handles=prefer. */
#define FIRST_WITH_HANDLES 4
#define MAX_ARGS 12

/* Distributions that keep it out of PATH have it in these places. */
static const char *const names[] = { "virtiofsd", "/usr/libexec/virtiofsd",
				     "/usr/lib/qemu/virtiofsd", "/usr/lib/virtiofsd" };

/* All that the new process needs, prepared before fork(). */
struct plan {
	const char *program;
	bool old;	  /* QEMU's program */
	bool has_handles; /* it may keep handles of files instead of descriptors */
	bool privileged, read_only;
	bool chroot; /* instead of pivot_root, which does not work for / */
	int listen_fd, log_fd, null_fd;
	pid_t parent;
	char uid_map[40], gid_map[40];
	char source[2 * PATH_MAX + 64], fd_arg[24];
	char *argv[MAX_ARGS];
	char **sandbox; /* the entry of @argv that selects the sandbox */
};

/* ---- which program --------------------------------------------------------------------------- */

/* Keeps the beginning of the output and discards the rest. */
static void read_start(int fd, char *text, size_t size)
{
	char rest[256];
	size_t len = 0;
	ssize_t n;

	do {
		n = len + 1 < size ? read(fd, text + len, size - 1 - len)
				   : read(fd, rest, sizeof(rest));
		if (n > 0 && len + 1 < size)
			len += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	text[len] = '\0';
}

/* Whether this program exists: 0 and p->old, or -errno. */
static int probe(struct plan *p, const char *program)
{
	char *const argv[] = { (char *)(uintptr_t)program, (char *)(uintptr_t) "--version", NULL };
	char text[64];
	int ends[2], err;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	err = spawn_program(&pid, &(struct spawn){ .argv = argv,
						   .in = SPAWN_NULL,
						   .out = ends[1],
						   .err = SPAWN_NULL,
						   .keep = SPAWN_NONE });
	close(ends[1]);
	if (!err) {
		read_start(ends[0], text, sizeof(text));
		spawn_wait(pid, SPAWN_FOREVER);
		p->program = program;
		/*
		 * "virtiofsd 1.13.2"; the old one prints "virtiofsd version 7.2.22", or nothing to
		 * an ordinary user.
		 */
		p->old = strncmp(text, "virtiofsd ", 10) != 0 || text[10] < '0' || text[10] > '9';
		p->has_handles = !p->old && !strncmp(text + 10, "1.", 2) &&
				 strtoul(text + 12, NULL, 10) >= FIRST_WITH_HANDLES;
	}
	close(ends[0]);
	return err;
}

static int find_program(struct plan *p, const struct virtiofsd_options *o)
{
	int err = -ENOENT;

	/* A folder of PATH that we may not search gives EACCES. */
	for (size_t i = 0; i < ARRAY_SIZE(names) && (err == -ENOENT || err == -EACCES); i++)
		err = probe(p, names[i]);
	if (err == -ENOENT || err == -EACCES)
		pr_err("%s: there is no virtiofsd on this host; install the package virtiofsd (Debian 12: qemu-system-common)",
		       o->option);
	else if (err)
		pr_err("%s: cannot start virtiofsd: %s", o->option, strerror(-err));
	return err;
}

/* ---- the socket ------------------------------------------------------------------------------ */

/* Makes a listening socket and the only connection to it. */
static int connect_pair(int *listening, int *connected)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(addr.sun_family); /* no name: the kernel chooses one */
	int l = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err;
	int c = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (l >= 0 && c >= 0 && !bind(l, (struct sockaddr *)&addr, len) && !listen(l, 0)) {
		len = sizeof(addr);
		/* EAGAIN if another process connected first. */
		if (!getsockname(l, (struct sockaddr *)&addr, &len) &&
		    !connect(c, (struct sockaddr *)&addr, len) && !fcntl(c, F_SETFL, 0)) {
			*listening = l;
			*connected = c;
			return 0;
		}
	}
	err = -errno;
	if (l >= 0)
		close(l);
	if (c >= 0)
		close(c);
	return err;
}

/* ---- the plan -------------------------------------------------------------------------------- */

/* Commas separate options of QEMU's program; a backslash escapes a comma in a name. */
static void escape_commas(char *to, const char *from)
{
	for (; *from; from++) {
		if (*from == ',' || *from == '\\')
			*to++ = '\\';
		*to++ = *from;
	}
	*to = '\0';
}

static void add_arg(struct plan *p, unsigned int *nr, const char *arg)
{
	p->argv[(*nr)++] = (char *)(uintptr_t)arg;
}

static void plan_args(struct plan *p, const struct virtiofsd_options *o)
{
	unsigned int nr = 0;

	snprintf(p->fd_arg, sizeof(p->fd_arg), "--fd=%d", p->listen_fd);
	add_arg(p, &nr, p->program);
	add_arg(p, &nr, p->fd_arg);
	if (p->old) {
		memcpy(p->source, "source=", 7);
		escape_commas(p->source + 7, o->dir);
		add_arg(p, &nr, "-o");
		add_arg(p, &nr, p->source);
		add_arg(p, &nr, "-o");
		add_arg(p, &nr, "log_level=err,cache=auto");
		add_arg(p, &nr, "-o");
	} else {
		snprintf(p->source, sizeof(p->source), "--shared-dir=%s", o->dir);
		add_arg(p, &nr, p->source);
		add_arg(p, &nr, "--log-level=error");
		add_arg(p, &nr, "--no-announce-submounts");
		/* Only root may open files by handles; then only open files need a descriptor. */
		if (p->has_handles && p->privileged)
			add_arg(p, &nr, "--inode-file-handles=prefer");
	}
	p->sandbox = &p->argv[nr++];
	add_arg(p, &nr, "--rlimit-nofile=0"); /* do not change the limit that we set */
	add_arg(p, &nr, NULL);
}

/* ---- the new process: no call that takes a lock; other threads' locks are in any state ------- */

static __attribute__((noreturn)) void leave(const char *what)
{
	const char *why = strerrordesc_np(errno), *const parts[] = { what, ": ", why ? why : "?",
								     "\n" };

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (write(STDERR_FILENO, parts[i], strlen(parts[i])) < 0)
			break;
	}
	for (;;)
		syscall(SYS_exit_group, 127);
}

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		leave(path);
	close(fd);
}

/* Makes setgroups() return success without an effect, see above. */
static void keep_groups(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setgroups, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = ARRAY_SIZE(code), .filter = code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		leave("cannot filter system calls");
}

/*
 * Whether setgroups() is denied, as in every user namespace that an ordinary user has made, whether
 * we made it or run inside it.
 */
static bool groups_are_kept(void)
{
	char text[4] = "";
	int fd = open("/proc/self/setgroups", O_RDONLY | O_CLOEXEC);
	bool kept = fd >= 0 && read(fd, text, sizeof(text)) > 0 && !strncmp(text, "deny", 4);

	if (fd >= 0)
		close(fd);
	return kept;
}

static const char *choose_sandbox(const struct plan *p)
{
	if (p->privileged && p->chroot)
		return p->old ? "sandbox=chroot" : "--sandbox=chroot";
	if (p->privileged)
		return p->old ? "sandbox=namespace" : "--sandbox=namespace";
	if (unshare(CLONE_NEWUSER) < 0) {
		if (!p->old && !p->read_only)
			return "--sandbox=none";
		leave("an ordinary user needs user namespaces for virtiofsd, and this host does not allow them");
	}
	write_file("/proc/self/setgroups", "deny");
	write_file("/proc/self/uid_map", p->uid_map);
	write_file("/proc/self/gid_map", p->gid_map);
	return p->old ? "sandbox=chroot" : "--sandbox=chroot";
}

static void see_all_read_only(void)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	/* Private: later mounts on the host do not appear here. */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		leave("cannot make the files read-only for virtiofsd (this needs Linux 5.12)");
}

static void set_signals(void)
{
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void set_open_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	/* Only root may raise the hard limit, up to fs.nr_open. */
	if (limit.rlim_max < MAX_OPEN_FILES &&
	    !setrlimit(RLIMIT_NOFILE, &(struct rlimit){ MAX_OPEN_FILES, MAX_OPEN_FILES }))
		return;
	limit.rlim_cur = limit.rlim_max < MAX_OPEN_FILES ? limit.rlim_max : MAX_OPEN_FILES;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static __attribute__((noreturn)) void become_virtiofsd(const struct plan *p)
{
	set_signals();
	setpgid(0, 0); /* so that Ctrl-C at our terminal does not reach it */
	if (dup2(p->null_fd, STDIN_FILENO) < 0 || dup2(p->log_fd, STDOUT_FILENO) < 0 ||
	    dup2(p->log_fd, STDERR_FILENO) < 0 || fcntl(p->listen_fd, F_SETFD, 0) < 0)
		leave("cannot set up its descriptors");
	set_open_files();
	*p->sandbox = (char *)(uintptr_t)choose_sandbox(p);
	if (p->old && groups_are_kept())
		keep_groups();
	if (p->read_only)
		see_all_read_only();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == p->parent)
		execvp(p->program, p->argv);
	leave("cannot be executed");
}

/* ---- starting and stopping ------------------------------------------------------------------- */

static int start(struct virtiofsd *d, struct plan *p)
{
	int ends[2], err = 0;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	p->log_fd = ends[1];
	fcntl(ends[1], F_SETFL, 0); /* only our end is non-blocking */
	p->parent = getpid();
	d->pid = fork();
	if (!d->pid)
		become_virtiofsd(p);
	close(ends[1]);
	if (d->pid < 0) {
		err = -errno;
		d->pid = 0;
		close(ends[0]);
		return err;
	}
	setpgid(d->pid, d->pid); /* both processes call this; one of them is first */
	d->log_fd = ends[0];
	return 0;
}

/* Root raises the limit itself, see set_open_files(). */
static void check_open_files(const struct virtiofsd_options *o)
{
	struct rlimit limit;

	if (o->privileged || getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_max >= FEW_OPEN_FILES)
		return;
	pr_warn("%s %s: virtiofsd may only open %llu files, and needs one for each that the guest knows; raise the hard limit (`ulimit -Hn`)",
		o->option, o->dir, (unsigned long long)limit.rlim_max);
}

int virtiofsd_start(struct virtiofsd *d, const struct virtiofsd_options *o, int *fd)
{
	struct plan *p = calloc(1, sizeof(*p));
	int err;

	*d = (struct virtiofsd){ .log_fd = -1 };
	if (!p)
		return -ENOMEM;
	err = find_program(p, o);
	if (err) {
		free(p);
		return err;
	}
	p->privileged = o->privileged;
	p->read_only = o->read_only;
	p->chroot = !strcmp(o->dir, "/");
	check_open_files(o);
	snprintf(p->uid_map, sizeof(p->uid_map), "0 %u 1", geteuid());
	snprintf(p->gid_map, sizeof(p->gid_map), "0 %u 1", getegid());
	p->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	err = p->null_fd < 0 ? -errno : connect_pair(&p->listen_fd, fd);
	if (!err) {
		plan_args(p, o);
		err = start(d, p);
		close(p->listen_fd);
		if (err)
			close(*fd);
	}
	if (err)
		pr_err("%s %s: cannot start virtiofsd: %s", o->option, o->dir, strerror(-err));
	if (p->null_fd >= 0)
		close(p->null_fd);
	free(p);
	return err;
}

/*
 * Waits up to @wait_ms for the end. Returns whether virtiofsd has ended. It may be several
 * processes, in a namespace of their own: when the log has no writer, all have ended and freed
 * guest memory.
 */
static bool wait_for(const struct virtiofsd *d, int wait_ms)
{
	struct pollfd log = { .fd = d->log_fd };
	int n = 0;

	while (d->log_fd >= 0 && (n = poll(&log, 1, wait_ms)) < 0 && errno == EINTR)
		;
	if (d->log_fd >= 0 && n != 1)
		return waitpid(d->pid, NULL, WNOHANG) != 0;
	while (waitpid(d->pid, NULL, 0) < 0 && errno == EINTR)
		;
	return true;
}

void virtiofsd_stop(struct virtiofsd *d, bool patient)
{
	if (!d->pid)
		return;
	if (!patient || !wait_for(d, STOP_WAIT_MS)) {
		kill(-d->pid, SIGKILL);
		wait_for(d, STOP_WAIT_MS);
	}
	d->pid = 0;
}

int virtiofsd_read_log(struct virtiofsd *d, char *text, size_t size)
{
	ssize_t n = d->log_fd < 0 ? 0 : read(d->log_fd, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return n > 0 ? (int)n : 0;
	if (d->log_fd >= 0)
		close(d->log_fd);
	d->log_fd = -1;
	return -1;
}
