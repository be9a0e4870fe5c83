/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a service manager receives, on real sockets: a path and an abstract name. */
#include "../../src/daemon/notify_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

/* A socket as the service manager has it, at a path or (with '@') an abstract name. */
static int listen_at(const char *text)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	size_t len = strlen(text);

	REQUIRE(fd >= 0 && len < sizeof(address.sun_path));
	memcpy(address.sun_path, text, len);
	if (text[0] == '@')
		address.sun_path[0] = '\0';
	REQUIRE(bind(fd, (struct sockaddr *)&address,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) == 0);
	return fd;
}

static const char *receive(int fd)
{
	static char text[256];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static void check_states(const char *address, int fd)
{
	struct notify_socket n;

	setenv("NOTIFY_SOCKET", address, 1);
	CHECK_INT(notify_socket_open(&n), 0);
	CHECK(n.fd >= 0);
	CHECK_INT(fcntl(n.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	CHECK_INT(n.watchdog_ms, 0);
	CHECK(!getenv("NOTIFY_SOCKET"));
	CHECK_STR(receive(fd), "");
	CHECK_INT(notify_socket_send(&n, NOTIFY_READY), 0);
	CHECK_STR(receive(fd), "READY=1");
	CHECK_INT(notify_socket_send(&n, NOTIFY_ALIVE), 0);
	CHECK_INT(notify_socket_send(&n, NOTIFY_STOPPING "\nSTATUS=Ends"), 0);
	CHECK_STR(receive(fd), "WATCHDOG=1");
	CHECK_STR(receive(fd), "STOPPING=1\nSTATUS=Ends");
	notify_socket_close(&n);
	CHECK_INT(n.fd, -1);
	CHECK_INT(notify_socket_send(&n, NOTIFY_READY), 0);
	CHECK_STR(receive(fd), "");
}

static void check_real_addresses(void)
{
	char dir[] = "/tmp/test_notify_socket.XXXXXX", address[64];
	int fd;

	REQUIRE(mkdtemp(dir));
	snprintf(address, sizeof(address), "%s/notify", dir);
	fd = listen_at(address);
	check_states(address, fd);
	close(fd);
	unlink(address);
	rmdir(dir);

	snprintf(address, sizeof(address), "@test_notify_socket.%ld", (long)getpid());
	fd = listen_at(address);
	check_states(address, fd);
	close(fd);
}

static void check_bad_addresses(void)
{
	char too_long[200] = "/";
	const struct {
		const char *address;
		int r;
	} rows[] = {
		{"", 0},
		{"/", -EINVAL},
		{"@", -EINVAL},
		{"run/notify", -EINVAL},
		{"vsock:2:1234", -EPROTONOSUPPORT},
		{too_long, -ENAMETOOLONG},
	};

	memset(too_long + 1, 'x', sizeof(too_long) - 2);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct notify_socket n;

		setenv("NOTIFY_SOCKET", rows[i].address, 1);
		CHECK_INT(notify_socket_open(&n), rows[i].r);
		CHECK_INT(n.fd, -1);
		CHECK_INT(notify_socket_send(&n, NOTIFY_READY), 0);
		CHECK(!getenv("NOTIFY_SOCKET"));
		notify_socket_close(&n);
	}
}

static void check_nobody(void)
{
	struct notify_socket n;

	unsetenv("NOTIFY_SOCKET");
	CHECK_INT(notify_socket_open(&n), 0);
	CHECK_INT(n.fd, -1);
	CHECK_INT(notify_socket_send(&n, NOTIFY_READY), 0);

	/* Somebody was there and has gone: an error to tell, not a crash. */
	setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
	CHECK_INT(notify_socket_open(&n), 0);
	CHECK_INT(notify_socket_send(&n, NOTIFY_READY), -ENOENT);
	notify_socket_close(&n);
}

static void check_watchdog(void)
{
	char own[32];
	const struct {
		const char *usec, *pid;
		int ms;
	} rows[] = {
		{"60000000", NULL, 30000}, {"60000000", own, 30000}, {"60000000", "1", 0},
		{"60000000", "x", 0},      {"1000", NULL, 1},        {"0", NULL, 0},
		{"-5", NULL, 0},           {"5s", NULL, 0},          {"18446744073709551615", NULL, 2147483647},
		{NULL, own, 0},
	};

	snprintf(own, sizeof(own), "%ld", (long)getpid());
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct notify_socket n;

		setenv("NOTIFY_SOCKET", "@nobody", 1);
		if (rows[i].usec)
			setenv("WATCHDOG_USEC", rows[i].usec, 1);
		if (rows[i].pid)
			setenv("WATCHDOG_PID", rows[i].pid, 1);
		CHECK_INT(notify_socket_open(&n), 0);
		CHECK_AT_(n.watchdog_ms == rows[i].ms, "row %zu: %d ms, not %d", i, n.watchdog_ms,
			  rows[i].ms);
		CHECK(!getenv("WATCHDOG_USEC") && !getenv("WATCHDOG_PID"));
		notify_socket_close(&n);
	}
}

int main(void)
{
	check_real_addresses();
	check_bad_addresses();
	check_nobody();
	check_watchdog();
	return check_result();
}
