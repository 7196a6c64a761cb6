/*
 * conn_peer.c: what the kernel knows of the peer.
 */
#include "net/conn.h"

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "net/conn_priv.h"

bool
conn_taken(const struct conn *c)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	int left = 0;

	if (c->out_error != 0 || c->out.len != 0 || c->reset
	    || ioctl(c->fd, SIOCOUTQ, &left) != 0 || left != 0) {
		return false;
	}
	/* A reset that TLS has read is seen in the state alone. */
	return getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0
	       || info.tcpi_state != TCP_CLOSE;
}

bool
conn_waiting(const struct conn *c)
{
	char octet;

	return recv(c->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}
