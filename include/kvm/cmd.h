/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs the verbs of the command line, each in its own kvm/cmd/cmd_NAME.c.
 *
 * argv[0] is the verb; @arch is the architecture of machines on this host. Return the process's
 * exit code. Thread: main.
 */
#ifndef KVM_CMD_H
#define KVM_CMD_H

struct arch;

int cmd_run(int argc, char **argv, const struct arch *arch);
int cmd_host(int argc, char **argv, const struct arch *arch);
int cmd_inspect(int argc, char **argv, const struct arch *arch);
int cmd_smoke(int argc, char **argv, const struct arch *arch);
int cmd_report(int argc, char **argv, const struct arch *arch);
int cmd_list(int argc, char **argv, const struct arch *arch);
int cmd_debug(int argc, char **argv, const struct arch *arch);
int cmd_dmesg(int argc, char **argv, const struct arch *arch);
int cmd_stop(int argc, char **argv, const struct arch *arch);

#endif
