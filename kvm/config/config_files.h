/* SPDX-License-Identifier: GPL-2.0-only */
/* Whether the files of a machine's options get along. */
#ifndef KVM_CONFIG_CONFIG_FILES_H
#define KVM_CONFIG_CONFIG_FILES_H

struct config;

/*
 * No file that would be written may be one that another option reads, or writes in its own way.
 * Opens nothing. Returns 0, or -EINVAL having said which. Set-up time.
 */
int config_check_files(const struct config *config);

#endif
