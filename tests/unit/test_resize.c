/* SPDX-License-Identifier: MIT */
/* Zones that change their size, round by round of the loop, and what clients do to their room. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/zone.h"
#include "service/backing.h"
#include "service/log.h"
#include "service/loop.h"
#include "service/resize.h"
#include "support/service_fixture.h"

#define MIB (UINT64_C(1) << 20)
#define LARGE_BYTES (512 * MIB) /* its words take several slices */
#define SMALL_BYTES (4 * MIB)
#define STRAY_BYTES ((size_t)8 << 20)
#define ROUNDS_MAX 40u /* more than a shrink takes */
#define PATIENCE_S 20

/* Runs in each round of the loop. */
struct watch {
	struct fixture *fixture;
	struct loop_task *task;
	const struct pools_zone *zone;
	unsigned nr_rounds;
	unsigned grow_at;          /* the round in which it is to grow again */
	uint64_t until_size_bytes; /* what is waited for */
	int until_fd;              /* -1: not for this */
	uint64_t until_backed_bytes;
	time_t deadline;
};

static uint64_t backed_bytes(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void set_size(struct watch *watch, uint64_t size_bytes)
{
	const struct sizing sizing = { .size_bytes = size_bytes };

	resizes_set(&watch->fixture->service.resizes, watch->zone, &sizing);
}

static bool is_over(const struct watch *watch)
{
	if (time(NULL) > watch->deadline)
		return true;
	if (watch->until_fd >= 0)
		return backed_bytes(watch->until_fd) == watch->until_backed_bytes;
	return watch->nr_rounds > watch->grow_at &&
	       backing_size_bytes(watch->zone->backing) == watch->until_size_bytes &&
	       zone_nr_draining(watch->zone->zone) == 0;
}

static void on_round(void *data)
{
	struct watch *watch = data;

	if (watch->nr_rounds++ == watch->grow_at)
		set_size(watch, LARGE_BYTES);
	resizes_trim(&watch->fixture->service.resizes);
	if (is_over(watch))
		loop_quit(watch->fixture->service.loop);
	else
		loop_task_schedule(watch->task);
}

static void run(struct watch *watch)
{
	watch->nr_rounds = 0;
	watch->deadline = time(NULL) + PATIENCE_S;
	loop_task_schedule(watch->task);
	assert_int_equal(loop_run(watch->fixture->service.loop), 0);
}

static void begin(struct watch *watch, struct fixture *fixture)
{
	log_set_level(LOG_EMERG);
	*watch = (struct watch){ .fixture = fixture,
				 .zone = &fixture->service.pools.pools[0].zones[0],
				 .grow_at = UINT32_MAX,
				 .until_fd = -1 };
	assert_int_equal(loop_task_new(fixture->service.loop, on_round, watch, &watch->task), 0);
}

static void end(struct watch *watch)
{
	loop_task_free(watch->task);
	fixture_free(watch->fixture);
}

static void hold_everything(struct fixture_client *client)
{
	struct message request = { .type = MESSAGE_ALLOC };

	request.u.alloc.pool = fixture_open(client, FIXTURE_POOL, false);
	for (unsigned i = 0; i < client->nr_fds; i++)
		close(client->fds[i]);
	request.u.alloc.order = FIXTURE_MAX_ORDER;
	request.u.alloc.count = (uint32_t)(2 * LARGE_BYTES >> (PAGE_SHIFT + FIXTURE_MAX_ORDER));
	assert_int_equal(fixture_call(client, &request)->type, MESSAGE_GRANTED);
	assert_int_equal(fixture_held_pages(client), 2 * LARGE_BYTES >> PAGE_SHIFT);
}

/* What is wanted is not lost, wherever shrinking has got to by then. */
static void test_resize_follows_a_change_in_any_round(void **state)
{
	struct fixture_client *client;
	struct watch watch;

	(void)state;
	begin(&watch, fixture_new_large((uint32_t)(LARGE_BYTES >> PAGE_SHIFT)));
	client = fixture_client_greeted(watch.fixture, FIXTURE_UID);
	hold_everything(client); /* so that nothing goes back, and walking is all that there is */
	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		set_size(&watch, SMALL_BYTES);
		watch.grow_at = round;
		watch.until_size_bytes = LARGE_BYTES;
		run(&watch);
		if (backing_size_bytes(watch.zone->backing) != LARGE_BYTES)
			fail_msg("what was wanted in round %u was lost", round);
		assert_int_equal(zone_nr_pages(watch.zone->zone), LARGE_BYTES >> PAGE_SHIFT);
		assert_int_equal(zone_nr_draining(watch.zone->zone), 0);
	}
	fixture_client_free(client);
	end(&watch);
}

static void touch(int fd, uint64_t offset, size_t size_bytes)
{
	char data[PAGE_BYTES];

	memset(data, 't', sizeof(data));
	for (size_t at = 0; at < size_bytes; at += sizeof(data))
		assert_int_equal(pwrite(fd, data, sizeof(data), (off_t)(offset + at)),
				 sizeof(data));
}

/* Memory beyond the size, where nothing is granted, goes back each time; within it stays. */
static void test_resize_trims_what_clients_touch_beyond_the_size(void **state)
{
	struct watch watch;

	(void)state;
	begin(&watch, fixture_new(SERVICE_COMMIT_GRANT));
	int fd = backing_open_fd(watch.zone->backing, false);
	assert_true(fd >= 0);
	touch(fd, SMALL_BYTES - PAGE_BYTES, PAGE_BYTES);
	assert_int_equal(backing_stray_bytes(watch.zone->backing), 0);
	watch.until_fd = fd;
	watch.until_backed_bytes = PAGE_BYTES;
	for (unsigned i = 0; i < 2; i++) {
		uint64_t capacity_bytes = backing_capacity_bytes(watch.zone->backing);

		touch(fd, SMALL_BYTES, STRAY_BYTES / 2);
		touch(fd, capacity_bytes - STRAY_BYTES / 2, STRAY_BYTES / 2);
		assert_int_equal(backing_stray_bytes(watch.zone->backing),
				 STRAY_BYTES + PAGE_BYTES - SMALL_BYTES);
		run(&watch);
		assert_int_equal(backed_bytes(fd), PAGE_BYTES);
	}
	close(fd);
	end(&watch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resize_follows_a_change_in_any_round),
		cmocka_unit_test(test_resize_trims_what_clients_touch_beyond_the_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
