# SPDX-License-Identifier: GPL-2.0-only
# In the guest of the rows `blk`: 4 KiB at a time, one by one and 32 under way.
blkread /dev/vda one 1 2000
blkread /dev/vda many 32 6400
