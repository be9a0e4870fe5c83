/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writes one text to a control file by one write(2) and says what came of it, in one line: the
 * errno's name of the write ("0" when it went well), then what the same descriptor gives to read.
 *
 *     fs_errno FILE TEXT     e.g.  EINVAL {"success":false,"error":"…","code":"INVALID_REQUEST"}
 *
 * With "-" for TEXT it is read from standard input. An error of the close (a request left
 * incomplete) follows in a second line, "close EINVAL". Exit code 0 whatever came of it, 2 when it
 * could not try.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX (1 << 20)

static const char *name_of(int err)
{
	const char *name = err ? strerrorname_np(err) : "0";

	return name ? name : "?";
}

/* All of standard input, NUL-terminated. */
static char *read_stdin(size_t *ret_len)
{
	char *text = malloc(TEXT_MAX + 1);
	size_t n = 0;
	ssize_t got = 1;

	while (text && n < TEXT_MAX && got > 0) {
		got = read(STDIN_FILENO, text + n, TEXT_MAX - n);
		n += got > 0 ? (size_t)got : 0;
	}
	*ret_len = n;
	return text;
}

/* The reply, without the newline at its end. */
static void print_reply(int fd)
{
	static char reply[TEXT_MAX + 1];
	size_t n = 0;
	ssize_t got;

	while (n < TEXT_MAX && (got = read(fd, reply + n, TEXT_MAX - n)) != 0) {
		if (got < 0) {
			printf("(reading: %s)", name_of(errno));
			break;
		}
		n += (size_t)got;
	}
	while (n && reply[n - 1] == '\n')
		n--;
	printf("%.*s\n", (int)n, reply);
}

int main(int argc, char **argv)
{
	size_t len;
	char *text;
	int fd;

	if (argc != 3) {
		fprintf(stderr, "usage: fs_errno FILE TEXT|-\n");
		return 2;
	}
	text = strcmp(argv[2], "-") != 0 ? argv[2] : read_stdin(&len);
	if (text == argv[2])
		len = strlen(text);
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0 || !text) {
		printf("open %s\n", name_of(errno));
		return 2;
	}
	errno = 0;
	if (write(fd, text, len) != (ssize_t)len && !errno)
		errno = EIO; /* short without a reason */
	printf("%s ", name_of(errno));
	print_reply(fd);
	if (close(fd) < 0)
		printf("close %s\n", name_of(errno));
	if (text != argv[2])
		free(text);
	return 0;
}
