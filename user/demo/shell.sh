#!/bin/sh
# SPDX-License-Identifier: MIT
# /init of `make shell`: a shell with job control on the serial line; its exit powers off.
PATH=/bin
HOME=/root
TERM=${TERM:-vt100}
PS1='\w \$ '
export PATH HOME TERM PS1
mount -t proc proc /proc 2>/dev/null
mount -t devtmpfs dev /dev 2>/dev/null
stty -F /dev/console rows 24 cols 80 2>/dev/null
echo "$(uname -srm). /proc/kaiser has the isolation report; 'exit' powers off."
cd /root || cd /
setsid cttyhack sh -i
poweroff -f
