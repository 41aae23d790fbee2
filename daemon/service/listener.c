/* SPDX-License-Identifier: MIT */
/*
 * The listening socket.
 *
 * Its file mode is the outer wall and the pools' access lists are the inner one. A daemon that
 * serves its own user alone closes the outer wall; one that lists others leaves it open to all, as
 * the system bus does, because a list of users is more than a file mode can say. The file has its
 * mode from the start, by the umask: a chmod() of the path could hit what somebody put in its
 * place. The umask is the whole process's; helper threads make no files.
 *
 * A socket file outlives its daemon. Whether one serves there is found out by connecting: refused
 * means dead, and the file is replaced. At the end the file is removed only if it is still the one
 * that was made here, so that a successor's is left alone.
 *
 * Accepting is bounded a round. When descriptors run out the connection can't be accepted, and
 * can't be refused either; it stays in the backlog and would wake the loop again at once. So
 * listening pauses for a while, which is logged once until it goes well again.
 */

#include "service/listener.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "service/log.h"
#include "service/loop.h"

#define LISTENER_BACKLOG 4096 /* the kernel lowers it to net.core.somaxconn */
#define LISTENER_ROUND_MAX 4u /* at 30 to 40 µs a sixth of a millisecond */
#define LISTENER_PAUSE_MS 100u

struct listener {
	int fd;
	struct loop_io *io;
	struct loop_timer *resume;
	listener_fn fn;
	void *data;
	bool is_short; /* of descriptors, and the log knows */

	struct sockaddr_un address; /* also of an inherited one, for people */
	bool made_file, made_folder;
	dev_t device; /* of the file that was made */
	ino_t inode;
	char folder[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

static void listener_pause(struct listener *listener, int error)
{
	if (!listener->is_short)
		log_print_caused(LOG_WARNING, "can't accept connections for now: %s",
				 strerror(error));
	listener->is_short = true;
	loop_io_set_events(listener->io, 0);
	loop_timer_start(listener->resume, LISTENER_PAUSE_MS);
}

static void listener_on_io(int fd, unsigned events, void *data)
{
	struct listener *listener = data;

	(void)events;
	for (unsigned i = 0; i < LISTENER_ROUND_MAX; i++) {
		int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (connection >= 0) {
			listener->fn(connection, listener->data);
			continue;
		}
		if (errno == EINTR || errno == ECONNABORTED)
			continue;
		if (errno == EAGAIN)
			listener->is_short = false; /* all that waited are in */
		else
			listener_pause(listener, errno);
		return;
	}
}

static void listener_on_resume(void *data)
{
	struct listener *listener = data;

	if (loop_io_set_events(listener->io, LOOP_READ) < 0)
		loop_timer_start(listener->resume, LISTENER_PAUSE_MS);
}

static int listener_set_path(struct listener *listener, const char *path)
{
	size_t length = strlen(path);

	if (length >= sizeof(listener->address.sun_path)) {
		log_error("the socket's path is longer than %zu bytes: %s",
			  sizeof(listener->address.sun_path) - 1, path);
		return -ENAMETOOLONG;
	}
	listener->address.sun_family = AF_UNIX;
	memcpy(listener->address.sun_path, path, length + 1);
	return 0;
}

static int listener_make_folder(struct listener *listener, bool is_private)
{
	const char *path = listener->address.sun_path;
	const char *slash = strrchr(path, '/');

	if (!slash || slash == path)
		return 0;
	memcpy(listener->folder, path, (size_t)(slash - path));
	if (mkdir(listener->folder, is_private ? 0700 : 0755) == 0) {
		listener->made_folder = true;
		return 0;
	}
	if (errno == EEXIST)
		return 0;
	int error = -errno;
	log_error("can't make the folder %s for the socket: %s", listener->folder,
		  strerror(-error));
	return error;
}

/* True when a daemon accepts connections there. */
static bool listener_is_served(const struct listener *listener)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;

	/* EAGAIN: its backlog is full, so somebody listens. */
	bool is_served = connect(fd, (const struct sockaddr *)&listener->address,
				 sizeof(listener->address)) == 0 ||
			 errno == EAGAIN;
	close(fd);
	return is_served;
}

static int listener_clear_path(const struct listener *listener)
{
	const char *path = listener->address.sun_path;
	struct stat status;

	if (lstat(path, &status) < 0)
		return 0;
	if (!S_ISSOCK(status.st_mode)) {
		log_error("%s exists and is not a socket: remove it, or choose another path", path);
		return -EEXIST;
	}
	if (listener_is_served(listener)) {
		log_error("another daemon serves at %s: stop it, or choose another path", path);
		return -EADDRINUSE;
	}
	log_info("replacing %s, which a daemon left that ended", path);
	if (unlink(path) == 0 || errno == ENOENT)
		return 0;
	int error = -errno;
	log_error("can't remove %s: %s", path, strerror(-error));
	return error;
}

static int listener_bind(struct listener *listener, bool is_private)
{
	const char *path = listener->address.sun_path;
	struct stat status;

	listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->fd < 0)
		return -errno;
	mode_t umask_before = umask(is_private ? 0177 : 0111);
	int error = bind(listener->fd, (const struct sockaddr *)&listener->address,
			 sizeof(listener->address)) < 0
			    ? -errno
			    : 0;
	umask(umask_before);
	if (error < 0)
		return error;
	if (lstat(path, &status) < 0)
		return -errno;
	listener->made_file = true;
	listener->device = status.st_dev;
	listener->inode = status.st_ino;
	return listen(listener->fd, LISTENER_BACKLOG) < 0 ? -errno : 0;
}

static int listener_make(struct listener *listener, const struct listener_config *config)
{
	int error = listener_set_path(listener, config->path);
	if (error == 0)
		error = listener_make_folder(listener, config->is_private);
	if (error == 0)
		error = listener_clear_path(listener);
	if (error < 0)
		return error;

	error = listener_bind(listener, config->is_private);
	if (error < 0)
		log_error("can't listen at %s: %s", config->path, strerror(-error));
	return error;
}

/* Somebody else made it, listens on it, and removes it. */
static void listener_inherit(struct listener *listener)
{
	socklen_t size = sizeof(listener->address);

	if (getsockname(listener->fd, (struct sockaddr *)&listener->address, &size) < 0 ||
	    size <= offsetof(struct sockaddr_un, sun_path))
		strcpy(listener->address.sun_path, "an inherited socket");
}

int listener_new(struct loop *loop, const struct listener_config *config, listener_fn fn,
		 void *data, struct listener **ret)
{
	int error = 0;
	struct listener *listener = calloc(1, sizeof(*listener));
	if (!listener) {
		if (config->inherited_fd >= 0)
			close(config->inherited_fd);
		return -ENOMEM;
	}
	listener->fd = config->inherited_fd;
	listener->fn = fn;
	listener->data = data;

	if (listener->fd >= 0)
		listener_inherit(listener);
	else
		error = listener_make(listener, config);
	if (error == 0)
		error = loop_timer_new(loop, listener_on_resume, listener, &listener->resume);
	if (error == 0)
		error = loop_io_new(loop, listener->fd, LOOP_READ, listener_on_io, listener,
				    &listener->io);
	if (error < 0) {
		listener_free(listener);
		return error;
	}
	*ret = listener;
	return 0;
}

static void listener_remove_file(const struct listener *listener)
{
	const char *path = listener->address.sun_path;
	struct stat status;

	if (lstat(path, &status) == 0 && status.st_dev == listener->device &&
	    status.st_ino == listener->inode)
		unlink(path);
}

struct listener *listener_free(struct listener *listener)
{
	if (!listener)
		return NULL;
	loop_io_free(listener->io);
	loop_timer_free(listener->resume);
	if (listener->made_file)
		listener_remove_file(listener);
	if (listener->made_folder)
		rmdir(listener->folder); /* stays when somebody put something into it */
	if (listener->fd >= 0)
		close(listener->fd);
	free(listener);
	return NULL;
}

const char *listener_path(const struct listener *listener)
{
	return listener->address.sun_path;
}
