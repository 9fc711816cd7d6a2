/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sets up the configuration for a command in the guest, and packs what it needs into an archive.
 *
 * The command's streams:
 * - On a terminal (stdin and stdout both are one) the command gets that terminal, as hvc0, or as
 *   ttyS0 if the kernel has no virtio console; the kernel's log goes to COM2.
 * - Otherwise each of the launcher's stdin, stdout and stderr is a virtio-console port, and the log
 *   goes to COM1.
 * - One more port passes on the signals that the launcher gets.
 *
 * The launcher keeps the log, and prints it when the machine ends badly, or with -v from the start.
 */
#include "guestcmd.h"

#include "guest/guestjob.h"
#include "guestfiles.h"
#include "kvm/base/grow.h"
#include "kvm/base/strlist.h"
#include "kvm/log.h"
#include "kvm/share.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATH_VALUE "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define DEFAULT_HOST_NAME "kvm"

/* guest/init, see guest/Makefile.inc */
extern const uint8_t guest_init[];
extern const uint32_t guest_init_bytes;

static int add_port(struct config *c, const char *port)
{
	if (c->nr_ports == CONFIG_MAX_PORTS) {
		pr_err("-- %s: its streams and signals take 4 of the %d ports; use fewer --port",
		       c->nr_command ? c->command[0] : "", CONFIG_MAX_PORTS);
		return -EINVAL;
	}
	c->port[c->nr_ports++] = port;
	return 0;
}

int guestcmd_configure(struct config *c)
{
	static const char *const streams[] = { GUESTJOB_STDIN "=stdin", GUESTJOB_STDOUT "=stdout",
					       GUESTJOB_STDERR "=stderr" };
	static const char *const signals = GUESTJOB_SIGNALS "=signals";
	int err = 0;

	if (!c->has_command)
		return 0;
	if (c->no_default_params) {
		pr_err("--no-default-params: cannot be used with a command (--), which needs the default parameters; -p can override each");
		return -EINVAL;
	}
	if (c->root && c->nr_adds) {
		pr_err("--add: cannot be used with --root, whose files are the guest's files; use --share");
		return -EINVAL;
	}
	c->on_terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	c->console = c->on_terminal ? CONSOLE_VIRTIO : CONSOLE_SERIAL;
	if (!c->serial[c->on_terminal] || !strcmp(c->serial[c->on_terminal], "stdio"))
		c->serial[c->on_terminal] = "log";
	for (size_t i = 0; i < ARRAY_SIZE(streams) && !c->on_terminal && !err; i++)
		err = add_port(c, streams[i]);
	return err ? err : add_port(c, signals);
}

/* ---- the job --------------------------------------------------------------------------- */

void guestjob_add(struct guestjob *job, char kind, const char *text)
{
	size_t bytes = strlen(text) + 2;
	char *moved = NULL;

	if (!job->err)
		moved = grow_array(job->bytes, &job->room, job->len + bytes, 1);
	if (!moved) {
		job->err = -ENOMEM;
		return;
	}
	job->bytes = moved;
	job->bytes[job->len] = kind;
	memcpy(job->bytes + job->len + 1, text, bytes - 1);
	job->len += bytes;
}

/* Whether the user has set the variable of @pair, NAME=VALUE. */
static bool env_given(const struct config *c, const char *pair)
{
	for (unsigned int i = 0; i < c->nr_envs; i++) {
		if (!strncmp(c->env[i], pair, strcspn(pair, "=") + 1))
			return true;
	}
	return false;
}

static void add_environment(struct guestjob *job, const struct config *c)
{
	const char *term = getenv("TERM");
	char term_pair[64];
	const char *const ours[] = { "PATH=" PATH_VALUE, "HOME=/root", "USER=root", term_pair };

	snprintf(term_pair, sizeof(term_pair), "TERM=%s", c->on_terminal && term ? term : "dumb");
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
		if (!env_given(c, ours[i]))
			guestjob_add(job, JOB_ENV, ours[i]);
	}
	for (unsigned int i = 0; i < c->nr_envs; i++)
		guestjob_add(job, JOB_ENV, c->env[i]);
}

/*
 * Returns the folder to start the command in: that of --cwd; with --root, the current folder if it
 * is inside that root; otherwise /.
 */
static const char *find_cwd(const struct config *c, char cwd[PATH_MAX])
{
	struct share root;
	size_t len;

	if (c->cwd || !c->root || share_parse_root(&root, c->root) || !getcwd(cwd, PATH_MAX))
		return c->cwd ? c->cwd : "/";
	len = strcmp(root.dir, "/") ? strlen(root.dir) : 0;
	return !strncmp(cwd, root.dir, len) && cwd[len] == '/' ? cwd + len : "/";
}

/* Returns 0, or -errno (reported). */
static int add_shares(struct guestjob *job, const struct config *c)
{
	struct share s;
	int err = 0;

	for (unsigned int i = 0; i < share_count(c) && !err; i++) {
		char text[SHARE_MAX_TAG_BYTES + 2];

		err = share_get(&s, c, i);
		snprintf(text, sizeof(text), "%c%s",
			 s.overlay     ? share_by_root() ? JOB_OVERLAY : JOB_OVERLAY_OF_USER
			 : s.read_only ? JOB_READ_ONLY
				       : JOB_WRITABLE,
			 s.tag);
		guestjob_add(job, c->root && !i ? JOB_ROOT : JOB_SHARE, text);
	}
	return err;
}

static void add_circumstances(struct guestjob *job, const struct config *c)
{
	struct winsize size = { 0 };
	char text[48], cwd[PATH_MAX];

	guestjob_add(job, JOB_HOST, c->name ? c->name : DEFAULT_HOST_NAME);
	guestjob_add(job, JOB_CWD, find_cwd(c, cwd));
	snprintf(text, sizeof(text), "%lld", (long long)time(NULL));
	guestjob_add(job, JOB_CLOCK, text);
	if (!c->on_terminal)
		return;
	ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	snprintf(text, sizeof(text), "%u %u", size.ws_row, size.ws_col);
	guestjob_add(job, JOB_TERMINAL, text);
}

/* ---- the command's files ---------------------------------------------------------------- */

/*
 * Returns the absolute path of the host's file for the command @name, or NULL. The caller frees it.
 */
static char *find_command(const char *name)
{
	char cwd[PATH_MAX], *path = NULL;

	if (!strchr(name, '/'))
		return guest_find_program(name);
	if (name[0] == '/')
		path = strdup(name);
	else if (!getcwd(cwd, sizeof(cwd)) || asprintf(&path, "%s/%s", cwd, name) < 0)
		return NULL;
	if (path && !access(path, F_OK))
		return path;
	free(path);
	return NULL;
}

/* Returns why the host's file cannot be run, or NULL if it can. */
static const char *why_not(const char *path)
{
	struct stat st;

	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return "not a file that can be run";
	return access(path, X_OK) ? "not executable; try chmod +x" : NULL;
}

static int add_command(struct guest_files *g, struct guestjob *job, const struct config *c)
{
	const char *name = c->command[0];
	char *path = c->root ? NULL : find_command(name);
	const char *why = path ? why_not(path) : NULL;
	int err;

	if (why && !c->nr_initrds && !c->nr_adds) {
		pr_err("-- %s: %s", name, why);
		free(path);
		return -EACCES;
	}
	if (why) { /* the guest may have one of its own */
		free(path);
		path = NULL;
	}
	err = path ? guest_files_mirror(g, path) : 0;

	if (!path && !c->root && !c->nr_initrds && !c->nr_adds) {
		pr_err("-- %s: no such command on this host; use --add or an initrd (-i) for one that only the guest has",
		       name);
		err = -ENOENT;
	}
	guestjob_add(job, JOB_PROGRAM, path ? path : name);
	for (unsigned int i = 0; i < c->nr_command; i++)
		guestjob_add(job, JOB_ARG, c->command[i]);
	free(path);
	return err;
}

/* Runs the user's own shell ($SHELL) if the root is the host's, otherwise /bin/sh. */
static void add_root_shell(struct guestjob *job, const struct config *c)
{
	const char *shell = getenv("SHELL");
	struct share root;
	bool own = !share_parse_root(&root, c->root) && !strcmp(root.dir, "/");

	if (!own || !shell || shell[0] != '/')
		shell = "/bin/sh";
	guestjob_add(job, JOB_PROGRAM, shell);
	guestjob_add(job, JOB_ARG, strrchr(shell, '/') + 1);
}

/*
 * Adds a shell: busybox, which has the usual programs built in, or else the host's /bin/sh. With an
 * initrd the guest has its own /bin/sh.
 */
static int add_shell(struct guest_files *g, struct guestjob *job, const struct config *c)
{
	char *busybox = guest_find_program("busybox");
	const char *path = busybox ? busybox : "/bin/sh";
	int err = c->nr_initrds ? 0 : guest_files_mirror(g, path);

	guestjob_add(job, JOB_PROGRAM, c->nr_initrds ? "/bin/sh" : path);
	guestjob_add(job, JOB_ARG, "sh");
	free(busybox);
	return err;
}

/* Adds the files of "HOST[:GUEST]": under GUEST, or without it under HOST as an absolute path. */
static int add_one(struct guest_files *g, const char *arg)
{
	const char *colon = config_add_colon(arg);
	size_t host_len = colon ? (size_t)(colon - arg) : strlen(arg);
	char cwd[PATH_MAX], host[PATH_MAX];
	int err;

	if (arg[0] == '/' || !getcwd(cwd, sizeof(cwd)))
		cwd[0] = '\0';
	if (!host_len || (size_t)snprintf(host, sizeof(host), "%s%s%.*s", cwd, cwd[0] ? "/" : "",
					  (int)host_len, arg) >= sizeof(host)) {
		pr_err("--add %s: must be HOST or HOST:/GUEST", arg);
		return -EINVAL;
	}
	if (colon &&
	    (strstr(colon, "/../") || colon[strlen(colon) - 1] == '/' || strstr(colon, "//"))) {
		pr_err("--add %s: the guest's path must be plain, like /root/file", arg);
		return -EINVAL;
	}
	err = colon ? guest_files_copy(g, host, colon + 1) : guest_files_mirror(g, host);
	return err;
}

static int add_user_files(struct guest_files *g, const struct config *c)
{
	/*
	 * On a host where these are links, programs name their libraries and interpreters through
	 * them.
	 */
	static const char *const merged[] = { "/bin", "/sbin", "/lib", "/lib64" };
	int err = 0;

	for (size_t i = 0; i < ARRAY_SIZE(merged); i++)
		guest_files_mirror_links(g, merged[i]);
	for (unsigned int i = 0; i < c->nr_adds && !err; i++)
		err = add_one(g, c->add[i]);
	return err;
}

/* Adds the names of root's user and group, for programs that look them up. */
static void add_users(struct cpio *files, const struct config *c)
{
	static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n",
			  group[] = "root:x:0:\ntty:x:5:\n";

	if (c->nr_initrds || c->nr_adds)
		return;
	cpio_add(files, "etc/passwd", S_IFREG | 0644, 0, passwd, strlen(passwd));
	cpio_add(files, "etc/group", S_IFREG | 0644, 0, group, strlen(group));
}

static int add_modules(struct guest_files *g, struct guestjob *job, const struct config *c,
		       const char *kernel, const char *version)
{
	struct strlist names = { 0 };
	char release[128];
	int err;

	snprintf(release, sizeof(release), "%.*s", (int)strcspn(version, " "), version);
	err = guest_modules_add(g, c, kernel, release, &names);
	for (unsigned int i = 0; i < names.nr; i++)
		guestjob_add(job, JOB_MODULE, names.s[i]);
	strlist_free(&names);
	return err;
}

static int finish(struct cpio *files, struct guestjob *job)
{
	int err = job->err;

	cpio_add(files, &GUESTJOB_FILE[1], S_IFREG | 0600, 0, job->bytes, job->len);
	if (!err)
		err = cpio_finish(files);
	if (err == -EFBIG)
		pr_err("the files for the guest are larger than its memory; use a larger -m, or a disk");
	else if (err)
		pr_err("cannot pack the files for the guest: %s", strerror(-err));
	else
		pr_debug("files for the guest: %llu bytes", (unsigned long long)files->len);
	return err;
}

static int pack(struct cpio *files, const struct config *c, const char *kernel, const char *version)
{
	struct guest_files g = { .cpio = files, .found = guest_libs_add };
	struct guestjob job = { 0 };
	int err;

	cpio_add(files, &GUESTJOB_DIR[1], S_IFDIR | 0755, 0, NULL, 0);
	cpio_add(files, &GUESTJOB_INIT[1], S_IFREG | 0755, 0, guest_init, guest_init_bytes);
	cpio_add(files, "etc", S_IFDIR | 0755, 0, NULL, 0);
	add_circumstances(&job, c);
	add_environment(&job, c);
	err = add_user_files(&g, c);
	if (!err && c->root && !c->nr_command)
		add_root_shell(&job, c);
	else if (!err)
		err = c->nr_command ? add_command(&g, &job, c) : add_shell(&g, &job, c);
	if (!err)
		err = add_shares(&job, c);
	if (!err)
		err = add_modules(&g, &job, c, kernel, version);
	add_users(files, c);
	if (!err)
		err = finish(files, &job);
	guest_files_fini(&g);
	free(job.bytes);
	return err;
}

int guestcmd_archive(const struct config *config, const char *kernel, const char *version,
		     uint8_t **bytes, uint64_t *len)
{
	/* A larger archive fits into no machine of this size: refuse it before it is read. */
	struct cpio files = { .max_bytes = config->mem_bytes };
	int err = pack(&files, config, kernel, version);

	if (err) {
		cpio_free(&files);
		return err;
	}
	*bytes = files.bytes;
	*len = files.len;
	return 0;
}
