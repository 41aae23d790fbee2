/* SPDX-License-Identifier: MIT */
/*
 * Three processes share a table of objects. One makes a cache with a constructor and fills rows;
 * two others open the cache by its name, visit each row that they are told of, and put rows of
 * their own into the table. What travels between them is where rows are. Each may free its own
 * alone, and when one of them is killed, its rows are back.
 *
 * A row has a lock that works across processes. The constructor makes it once; a row that is freed
 * keeps it for whoever gets it next.
 */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <pagepool.h>

#define NR_ROWS 20000u /* of each process */
#define NR_OTHERS 2u
#define PATIENCE_MS 10000

struct row {
	pthread_mutex_t lock;
	uint64_t key;
	uint64_t nr_visits;
};

static void row_construct(void *object)
{
	struct row *row = object;
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&row->lock, &attributes);
	pthread_mutexattr_destroy(&attributes);
}

/* Each of the three has this for itself. */
struct member {
	struct pp_client *client;
	struct pp_pool *pool;
	struct pp_cache *cache;
	void *rows[NR_ROWS]; /* its own */
	pp_offset offsets[NR_ROWS];
};

static void member_fail(const char *what, int error)
{
	fprintf(stderr, "table: %s: %s\n", what, strerror(error));
	exit(1);
}

static void member_join(struct member *member)
{
	struct pp_cache_config config = { .struct_size = sizeof(config),
					  .name = "table rows",
					  .object_size = sizeof(struct row),
					  .ctor = row_construct };
	int error = pp_client_new(&member->client, NULL);

	if (error)
		member_fail("no pagepool daemon", -error);
	error = pp_pool_open(member->client, "default", 0, &member->pool);
	if (error)
		member_fail("can't open pool 'default'", -error);
	/* Whoever comes first makes it, the others find it. */
	error = pp_cache_create(member->pool, &config, &member->cache);
	if (error)
		member_fail("no cache", -error);
}

/* Rows come constructed: their locks can be taken at once. */
static void member_add_rows(struct member *member, uint64_t first_key)
{
	ssize_t nr_rows = pp_cache_alloc_bulk(member->cache, 0, member->rows, NR_ROWS);

	if (nr_rows < 0)
		member_fail("no rows", (int)-nr_rows);
	if (nr_rows < NR_ROWS)
		member_fail("not all rows", ENOMEM);
	for (size_t i = 0; i < NR_ROWS; i++) {
		struct row *row = member->rows[i];

		pthread_mutex_lock(&row->lock);
		row->key = first_key + i;
		row->nr_visits = 0;
		pthread_mutex_unlock(&row->lock);
		member->offsets[i] = pp_to_offset(member->pool, row);
	}
}

static void member_visit(struct member *member, const pp_offset offsets[NR_ROWS])
{
	for (size_t i = 0; i < NR_ROWS; i++) {
		struct row *row = pp_from_offset(member->pool, offsets[i]);

		if (!row)
			member_fail("a row that is nowhere", errno);
		pthread_mutex_lock(&row->lock);
		row->nr_visits++;
		pthread_mutex_unlock(&row->lock);
	}
}

/* What goes between them. */

static void send_bytes(int fd, const void *bytes, size_t size_bytes)
{
	while (size_bytes > 0) {
		ssize_t nr_sent = send(fd, bytes, size_bytes, MSG_NOSIGNAL);

		if (nr_sent < 0)
			member_fail("nobody listens", errno);
		bytes = (const char *)bytes + nr_sent;
		size_bytes -= (size_t)nr_sent;
	}
}

/* False when the other side has ended before. */
static bool receive_bytes(int fd, void *bytes, size_t size_bytes)
{
	return recv(fd, bytes, size_bytes, MSG_WAITALL) == (ssize_t)size_bytes;
}

/* The two others. */

struct other {
	pid_t pid;
	int fd;
	pp_offset offsets[NR_ROWS]; /* of its rows */
};

static void other_run(int fd, uint64_t first_key)
{
	static struct member member;
	static pp_offset shared[NR_ROWS];
	char go;
	int error;

	if (!receive_bytes(fd, shared, sizeof(shared)))
		exit(1);
	member_join(&member);
	member_visit(&member, shared);
	member_add_rows(&member, first_key);
	send_bytes(fd, member.offsets, sizeof(member.offsets));

	/* Until it is killed or told to go on. */
	if (!receive_bytes(fd, &go, 1))
		exit(1);
	error = pp_cache_free(member.cache, pp_from_offset(member.pool, shared[0]));
	printf("%d frees a row that is another's: %s\n", (int)getpid(), strerror(-error));
	error = pp_cache_free_bulk(member.cache, member.rows, NR_ROWS);
	if (error)
		member_fail("can't give rows back", -error);
	printf("%d frees its %u rows\n", (int)getpid(), NR_ROWS);
	pp_client_free(member.client);
	exit(0);
}

static void other_start(struct other *other, uint64_t first_key)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		member_fail("no pipe", errno);
	other->pid = fork();
	if (other->pid < 0)
		member_fail("no process", errno);
	if (other->pid == 0) {
		close(fds[0]);
		other_run(fds[1], first_key);
	}
	close(fds[1]);
	other->fd = fds[0];
}

static void other_finish(struct other *other)
{
	int status;

	send_bytes(other->fd, "g", 1);
	if (waitpid(other->pid, &status, 0) < 0 || status != 0)
		member_fail("one of the processes has failed", ECHILD);
}

/* The first. */

static void pause_ms(long ms)
{
	const struct timespec time = { .tv_nsec = ms * 1000000 };

	nanosleep(&time, NULL);
}

static uint64_t pool_free_bytes(struct member *member)
{
	struct pp_pool_stat stat = { .struct_size = sizeof(stat) };
	int error = pp_pool_stat(member->pool, &stat);

	if (error)
		member_fail("can't ask the pool", -error);
	return stat.free_bytes;
}

/* The daemon learns of an end from the kernel: soon, but not before kill() returns. */
static void kill_and_watch(struct member *member, struct other *other)
{
	uint64_t wanted = pool_free_bytes(member) + NR_ROWS * sizeof(struct row) / 2;
	uint64_t free_bytes = 0;

	kill(other->pid, SIGKILL);
	waitpid(other->pid, NULL, 0);
	for (int ms = 0; free_bytes < wanted && ms < PATIENCE_MS; ms += 10) {
		pause_ms(10);
		pp_cache_shrink(member->cache); /* slabs without a row go to the pool */
		free_bytes = pool_free_bytes(member);
	}
	if (free_bytes < wanted)
		member_fail("its rows do not come back", ETIMEDOUT);
	printf("%d is killed, and the pages of its rows are free\n", (int)other->pid);
}

/* Every row of every process has been visited by all who know of it. */
static void look_at_table(struct member *member, struct other *others)
{
	uint64_t nr_visits = 0;

	for (size_t i = 0; i < NR_OTHERS; i++) {
		if (!receive_bytes(others[i].fd, others[i].offsets, sizeof(others[i].offsets)))
			member_fail("one of the processes has failed", ECHILD);
		member_visit(member, others[i].offsets);
	}
	for (size_t i = 0; i < NR_ROWS; i++)
		nr_visits += ((struct row *)member->rows[i])->nr_visits;
	printf("%d has a table of %u rows of three processes; its own were visited %llu times\n",
	       (int)getpid(), (NR_OTHERS + 1) * NR_ROWS, (unsigned long long)nr_visits);
	if (nr_visits != (uint64_t)NR_OTHERS * NR_ROWS)
		member_fail("rows were missed", ENODATA);
}

/* It can only go when nobody holds a row: not a living process, not a dead one. */
static void destroy_cache(struct member *member)
{
	int error = pp_cache_destroy(member->cache);

	for (int ms = 0; error == -EBUSY && ms < PATIENCE_MS; ms += 10) {
		pause_ms(10);
		error = pp_cache_destroy(member->cache);
	}
	if (error)
		member_fail("can't unmake the cache", -error);
	printf("no row is left, and the cache is unmade\n");
}

int main(void)
{
	static struct other others[NR_OTHERS];
	static struct member member;
	int error;

	setvbuf(stdout, NULL, _IOLBF, 0); /* so that lines come in the order of what they tell */
	for (size_t i = 0; i < NR_OTHERS; i++)
		other_start(&others[i], (i + 1) * NR_ROWS);
	member_join(&member);
	member_add_rows(&member, 0);
	for (size_t i = 0; i < NR_OTHERS; i++)
		send_bytes(others[i].fd, member.offsets, sizeof(member.offsets));
	look_at_table(&member, others);
	kill_and_watch(&member, &others[1]);
	other_finish(&others[0]);
	error = pp_cache_free_bulk(member.cache, member.rows, NR_ROWS);
	if (error)
		member_fail("can't give rows back", -error);
	destroy_cache(&member);
	pp_client_free(member.client);
	return 0;
}
