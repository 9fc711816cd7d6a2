/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Starting virtiofsd. There are two programs of that name, with different options: that of QEMU up
 * to 7.2, and its successor in Rust. --version tells which one it is.
 *
 * The socket. Both take a listening socket (--fd) and accept one connection, ours. It is bound to a
 * name that the kernel makes up, in no file system, so that nothing is left behind; others on this
 * host could connect to that name. We do so first, and before the program runs: with a backlog of
 * none a connection that is taken is the only one in the queue.
 *
 * Rights. With CAP_SYS_ADMIN virtiofsd makes its own namespaces (sandbox=namespace), but for the
 * host's root, which has no other root to be moved to. Without, it gets a user namespace in which
 * it is root and nobody else exists, and enters the folder by chroot: in it the user's own files
 * belong to root, others' to nobody, and everything is allowed that the user may do, no more.
 * QEMU's program insists on giving up the user's further groups, which such a namespace forbids; so
 * it is made to believe that it has (a seccomp filter on setgroups), and keeps them: they are the
 * user's own rights. Where user namespaces are forbidden, the successor can do without.
 *
 * Read-only is not asked of virtiofsd, which need not know how: it sees all mounts read-only, in a
 * mount namespace of its own.
 *
 * The process ends with us, however we end: its socket closes, and it is sent SIGKILL when our main
 * thread ends.
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
#define MAX_OPEN_FILES 1000000 /* it keeps one for each file that the guest remembers */
#define MAX_ARGS 12

/* Where distributions have it that keep it out of PATH. */
static const char *const names[] = { "virtiofsd", "/usr/libexec/virtiofsd",
				     "/usr/lib/qemu/virtiofsd", "/usr/lib/virtiofsd" };

/* All that the new process needs; made before it is. */
struct plan {
	const char *program;
	bool old; /* QEMU's */
	bool privileged, read_only;
	bool chroot; /* not by pivot_root, which does not work for / */
	int listen_fd, log_fd, null_fd;
	pid_t parent;
	char uid_map[40], gid_map[40];
	char source[2 * PATH_MAX + 64], fd_arg[24];
	char *argv[MAX_ARGS];
	char **sandbox; /* the one of @argv that says which */
};

/* ---- which program --------------------------------------------------------------------------- */

/* The beginning of what it says; the rest is read away. */
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

/* Whether there is such a program: 0 and p->old, or -errno. */
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
		 * "virtiofsd 1.13.2"; the old one says "virtiofsd version 7.2.22", or nothing to an
		 * ordinary user.
		 */
		p->old = strncmp(text, "virtiofsd ", 10) != 0 || text[10] < '0' || text[10] > '9';
	}
	close(ends[0]);
	return err;
}

static int find_program(struct plan *p, const struct virtiofsd_options *o)
{
	int err = -ENOENT;

	/* A folder of PATH that we may not look into says EACCES. */
	for (size_t i = 0; i < ARRAY_SIZE(names) && (err == -ENOENT || err == -EACCES); i++)
		err = probe(p, names[i]);
	if (err == -ENOENT || err == -EACCES)
		pr_err("%s: there is no virtiofsd on this host: install the package virtiofsd (Debian 12: qemu-system-common)",
		       o->option);
	else if (err)
		pr_err("%s: cannot start virtiofsd: %s", o->option, strerror(-err));
	return err;
}

/* ---- the socket --------------------------------------------------------------------------- */

/* A listening socket, and the one connection to it. */
static int connect_pair(int *listening, int *connected)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(addr.sun_family); /* no name: the kernel makes one up */
	int l = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err;
	int c = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (l >= 0 && c >= 0 && !bind(l, (struct sockaddr *)&addr, len) && !listen(l, 0)) {
		len = sizeof(addr);
		/* Somebody else was faster: EAGAIN. */
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

/* ---- the plan --------------------------------------------------------------------------- */

/* Options of QEMU's are separated by commas; one that is in the name has a backslash in front. */
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
	}
	p->sandbox = &p->argv[nr++];
	add_arg(p, &nr, "--rlimit-nofile=0"); /* as we set it */
	add_arg(p, &nr, NULL);
}

/*
 * ---- the new process: from here on nothing that takes a lock, as other threads' are lost in
 * whatever state --------------
 */

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

/* setgroups() does nothing, and well, see above. */
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

/* As in any user namespace that an ordinary user has made, be it ours or one that we are in. */
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
		leave("an ordinary user needs user namespaces for it, and this host has none to give");
	}
	write_file("/proc/self/setgroups", "deny");
	write_file("/proc/self/uid_map", p->uid_map);
	write_file("/proc/self/gid_map", p->gid_map);
	return p->old ? "sandbox=chroot" : "--sandbox=chroot";
}

static void see_all_read_only(void)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY };

	/* Private: what is mounted on the host later does not come in. */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		leave("cannot make the files read-only for it (Linux 5.12 can)");
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
	limit.rlim_cur = limit.rlim_max < MAX_OPEN_FILES ? limit.rlim_max : MAX_OPEN_FILES;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static __attribute__((noreturn)) void become_virtiofsd(const struct plan *p)
{
	set_signals();
	setpgid(0, 0); /* Ctrl-C at our terminal is for us */
	if (dup2(p->null_fd, STDIN_FILENO) < 0 || dup2(p->log_fd, STDOUT_FILENO) < 0 ||
	    dup2(p->log_fd, STDERR_FILENO) < 0 || fcntl(p->listen_fd, F_SETFD, 0) < 0)
		leave("no streams");
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

/* ---- its life --------------------------------------------------------------------------- */

static int start(struct virtiofsd *d, struct plan *p)
{
	int ends[2], err = 0;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	p->log_fd = ends[1];
	fcntl(ends[1], F_SETFL, 0); /* only our end does not wait */
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
	setpgid(d->pid, d->pid); /* both do so: whoever comes first */
	d->log_fd = ends[0];
	return 0;
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
 * Whether it has ended, which may take that long. It may be several processes, in a namespace of
 * their own: the last one has gone when nobody can write to the log any more, and has let go of its
 * memory before.
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
