/* SPDX-License-Identifier: MIT */
/*
 * QEMU's two sockets. The first byte says which; what follows is sent in pieces, parted by zero
 * bytes: one when the connection is there, then one for each piece that the tool sends, or when it
 * sends nothing.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "fuzz.h"

static struct {
	int fd;
	const uint8_t *data;
	size_t size;
} server = {-1, NULL, 0};

static void *serve(void *arg)
{
	const uint8_t *p = server.data, *end = p + server.size;
	const struct timeval patience = {0, 2000};
	int fd = accept(server.fd, NULL, NULL);
	char buf[4096];

	(void)arg;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (fd >= 0 && p < end) {
		size_t n = strnlen((const char *)p, (size_t)(end - p));

		if (send(fd, p, n, MSG_NOSIGNAL) < 0)
			break;
		p += n + 1;
		if (p >= end || read(fd, buf, sizeof(buf)) == 0)
			break;
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[64];
	pthread_t thread;

	if (server.fd < 0) {
		struct sockaddr_un a = {.sun_family = AF_UNIX};

		snprintf(path, sizeof(path), "/tmp/kaiser-fuzz.%d", getpid());
		strcpy(a.sun_path, path);
		unlink(path);
		server.fd = socket(AF_UNIX, SOCK_STREAM, 0);
		if (server.fd < 0 || bind(server.fd, (struct sockaddr *)&a, sizeof(a)) ||
		    listen(server.fd, 8))
			abort();
	}
	if (!size)
		return 0;
	server.data = data + 1;
	server.size = size - 1;
	if (pthread_create(&thread, NULL, serve, NULL))
		abort();
	fuzz_audit("--timeout", "0", "--when", "now", data[0] & 1 ? "--qmp" : "--gdb", path, NULL);
	pthread_join(thread, NULL);
	return 0;
}
