/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Telling a service manager how we are: the datagrams of sd_notify(3), spoken directly, so that
 * nothing of systemd is linked. Without $NOTIFY_SOCKET all of it does nothing.
 */
#pragma once

#include <sys/socket.h>
#include <sys/un.h>

struct notify_socket {
	int fd; /* -1: nobody listens */
	struct sockaddr_un address;
	socklen_t address_len;
	int watchdog_ms; /* say NOTIFY_ALIVE at least this often; 0: nobody waits for it */
};

#define NOTIFY_SOCKET_NONE \
	{                  \
		.fd = -1   \
	}

#define NOTIFY_READY    "READY=1"
#define NOTIFY_STOPPING "STOPPING=1"
#define NOTIFY_ALIVE    "WATCHDOG=1"

/**
 * Take what the service manager left in the environment (NOTIFY_SOCKET, WATCHDOG_USEC,
 * WATCHDOG_PID) and remove it there, so that no child speaks in our name. Call once, before threads
 * exist, in the process that stays (after going to the background).
 *
 * @param n  always left usable: after an error it stands for nobody listening
 * @return 0 (also when nobody listens), -EINVAL or -EPROTONOSUPPORT for an address that is none of
 *         a path and an abstract name, -ENAMETOOLONG, or the errno of socket(2)
 */
int notify_socket_open(struct notify_socket *n);

/**
 * Send one state, or several with newlines between. Never blocks for long: the receiver is the
 * service manager.
 * @return 0 or a negative errno. Threads: any.
 */
int notify_socket_send(const struct notify_socket *n, const char *state);

/** Later sends do nothing. */
void notify_socket_close(struct notify_socket *n);
