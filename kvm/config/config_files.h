/* SPDX-License-Identifier: GPL-2.0-only */
/* Checks that the files of a machine's options do not conflict. */
#ifndef KVM_CONFIG_CONFIG_FILES_H
#define KVM_CONFIG_CONFIG_FILES_H

struct config;

/*
 * Refuses a file that one option would write and another reads, or writes in a different way. Opens
 * nothing. Returns 0, or -errno (reported). Thread: setup.
 */
int config_check_files(const struct config *config);

#endif
