#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# In the guest of tests/net.sh: brings eth0 up, by DHCP or as net= on the kernel's command line says, and moves data both ways.
# Prints `ok WHAT` and `bad WHAT`.
how=$(sed -n 's/.*net=\([^ ]*\).*/\1/p' /proc/cmdline)
mib=8

tell() { if [ "$1" = 0 ]; then echo "guest: ok $2"; else echo "guest: bad $2"; fi; }

ifconfig lo up
echo "guest: mac $(cat /sys/class/net/eth0/address)"
if [ "$how" = dhcp ]; then
	cat >/tmp/dhcp <<-'END'
	#!/bin/sh
	[ "$1" = bound ] || exit 0
	ifconfig $interface $ip netmask ${subnet:-255.255.255.0} up
	for r in $router; do route add default gw $r; echo $r >/tmp/host; done
	END
	chmod +x /tmp/dhcp
	ifconfig eth0 up
	udhcpc -q -n -f -i eth0 -s /tmp/dhcp >/tmp/udhcpc 2>&1
	rc=$?
	[ $rc = 0 ] || cat /tmp/udhcpc
	tell $rc dhcp
	host=$(cat /tmp/host)
else
	ifconfig eth0 192.0.2.2 netmask 255.255.255.0 up
	host=192.0.2.1
	ping -c 4 -i 0.2 $host >/tmp/ping 2>&1
	tell $? ping
	ping -c 2 -i 0.2 -s 20000 $host >/tmp/ping 2>&1
	tell $? "ping in fragments"
fi
[ "$(cat /sys/class/net/eth0/carrier)" = 1 ]
tell $? carrier

sum=$(wget -q -O - http://$host:8080/sum)
[ -n "$sum" ] && [ "$(wget -q -O - http://$host:8080/data | md5sum)" = "$sum" ]
tell $? "download of a file"

mkdir -p /tmp/www
head -c $((mib << 20)) /dev/urandom >/tmp/www/data
md5sum </tmp/www/data >/tmp/www/sum
httpd -p 80 -h /tmp/www
echo "guest: serving"
# The host fetches both, and then the file that says it is done exists over there.
for i in $(seq 60); do
	wget -q -O /dev/null http://$host:8080/done && break
	sleep 0.5
done
cat /proc/interrupts | grep -i virtio
ifconfig eth0 | grep -E 'packets|errors'
