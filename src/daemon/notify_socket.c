/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sender's half of sd_notify(3). Opened by main alone; any thread may send. */
#include "notify_socket.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storyclip/common/macros.h"

/* A number in the environment, or 0: there is none, or it is none. */
static uint64_t env_number(const char *name)
{
	const char *text = getenv(name);
	char *end;
	unsigned long long number;

	if (!text || text[0] < '0' || text[0] > '9')
		return 0;
	errno = 0;
	number = strtoull(text, &end, 10);
	return errno || *end ? 0 : number;
}

/* Half of what is allowed, as sd_watchdog_enabled(3) advises: one late wake-up is no death. */
static int watchdog_interval_ms(void)
{
	uint64_t pid = env_number("WATCHDOG_PID"), ms = env_number("WATCHDOG_USEC") / 2000;

	if (getenv("WATCHDOG_PID") && pid != (uint64_t)getpid())
		return 0;
	if (!env_number("WATCHDOG_USEC"))
		return 0;
	return ms > INT_MAX ? INT_MAX : ms < 1 ? 1 : (int)ms;
}

static int address_parse(const char *text, struct sockaddr_un *address, socklen_t *len)
{
	size_t n = strlen(text);

	if (text[0] != '/' && text[0] != '@')
		return strchr(text, ':') ? -EPROTONOSUPPORT
					 : -EINVAL; /* "vsock:…" of newer managers */
	if (n < 2)
		return -EINVAL;
	if (n >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(address->sun_path, text, n);
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	if (text[0] == '@')
		address->sun_path[0] = '\0'; /* abstract: its length is all of it, no NUL behind */
	else
		*len += 1;
	return 0;
}

int notify_socket_open(struct notify_socket *n)
{
	const char *text = getenv("NOTIFY_SOCKET");
	int r = 0;

	*n = (struct notify_socket)NOTIFY_SOCKET_NONE;
	if (text && *text)
		r = address_parse(text, &n->address, &n->address_len);
	if (r == 0 && text && *text) {
		n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (n->fd < 0)
			r = -errno;
		else
			n->watchdog_ms = watchdog_interval_ms();
	}
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return r;
}

int notify_socket_send(const struct notify_socket *n, const char *state)
{
	ssize_t sent;

	if (n->fd < 0)
		return 0;
	do
		sent = sendto(n->fd, state, strlen(state), MSG_NOSIGNAL,
			      (const struct sockaddr *)&n->address, n->address_len);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

void notify_socket_close(struct notify_socket *n)
{
	if (n->fd >= 0)
		close(n->fd);
	*n = (struct notify_socket)NOTIFY_SOCKET_NONE;
}
