#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# In the guest that tests/disk-nest.sh kills: writes and flushes without end.
exec /flush_writer write /dev/vda "$(sed -n 's/.*round=\([^ ]*\).*/\1/p' /proc/cmdline)"
