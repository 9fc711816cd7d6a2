# SPDX-License-Identifier: GPL-2.0-only
/mark # --timeline has the byte that this writes
