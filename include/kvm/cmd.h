/* SPDX-License-Identifier: GPL-2.0-only */
/* The verbs: kvm/cmd_NAME.c each. argv[0] is the verb; the result is the process's exit code. */
#ifndef KVM_CMD_H
#define KVM_CMD_H

int cmd_run(int argc, char **argv);
int cmd_host(int argc, char **argv);
int cmd_inspect(int argc, char **argv);
int cmd_smoke(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_debug(int argc, char **argv);
int cmd_dmesg(int argc, char **argv);
int cmd_stop(int argc, char **argv);

#endif
