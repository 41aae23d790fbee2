/* SPDX-License-Identifier: MIT */
/* What a pool's configured sizes come to on a node. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/page.h"
#include "service/settings.h"
#include "service/sizing.h"
#include "service/topology.h"

#define MIB (UINT64_C(1) << 20)
#define TIB (UINT64_C(1) << 40)

static struct topology topology;
static struct service_pool_config config;
static struct sizing sizing;
static char why[SIZING_WHY_BYTES];

static int setup(void **state)
{
	(void)state;
	topology = (struct topology){ .nr_nodes = 2 };
	for (unsigned i = 0; i < 2; i++) {
		topology.nodes[i].node = 4 + i;
		topology.nodes[i].host_node = (int)i;
		topology.nodes[i].mem_bytes = 1000 * MIB;
	}
	settings_init_pool(&config, "default");
	config.size = (struct service_size){ .bytes = 100 * MIB };
	return 0;
}

static void assert_refused(const char *words)
{
	sizing.size_bytes = 42;
	assert_int_equal(sizing_resolve(&config, &topology, 1, &sizing, why), -EINVAL);
	assert_int_equal(sizing.size_bytes, 42);
	if (!strstr(why, words))
		fail_msg("'%s' does not say '%s'", why, words);
}

static void test_sizing_of_parts(void **state)
{
	(void)state;
	config.contiguous = (struct service_size){ .permyriad = 1000 };
	assert_int_equal(sizing_resolve(&config, &topology, 0, &sizing, why), 0);
	assert_int_equal(sizing.size_bytes, 100 * MIB);
	assert_int_equal(sizing.min_bytes, MIB); /* the defaults are 1%, 2%, 4% */
	assert_int_equal(sizing.low_bytes, 2 * MIB);
	assert_int_equal(sizing.high_bytes, 4 * MIB);
	assert_int_equal(sizing.contiguous_bytes, 10 * MIB);

	config.size = (struct service_size){ .permyriad = 5000 };
	assert_int_equal(sizing_resolve(&config, &topology, 0, &sizing, why), 0);
	assert_int_equal(sizing.size_bytes, 500 * MIB);
	assert_int_equal(sizing.high_bytes, 20 * MIB);
}

static void test_sizing_is_rounded_to_what_backs_the_pool(void **state)
{
	(void)state;
	topology.nodes[0].mem_bytes = 1000 * MIB + 4095;
	config.size = (struct service_size){ .permyriad = 33 }; /* 3.3 MiB */
	assert_int_equal(sizing_resolve(&config, &topology, 0, &sizing, why), 0);
	assert_int_equal(sizing.size_bytes % PAGE_BYTES, 0);
	assert_in_range(sizing.size_bytes, 33 * MIB / 10 - PAGE_BYTES, 33 * MIB / 10);
	assert_int_equal(sizing.capacity_bytes, 1000 * MIB);

	config.page_bytes = 2 * MIB;
	topology.nodes[0].mem_bytes = 1001 * MIB;
	assert_int_equal(sizing_resolve(&config, &topology, 0, &sizing, why), 0);
	assert_int_equal(sizing.size_bytes, 2 * MIB);
	assert_int_equal(sizing.capacity_bytes, 1000 * MIB);
}

static void test_sizing_has_room_for_all_that_the_node_has(void **state)
{
	(void)state;
	assert_int_equal(sizing_resolve(&config, &topology, 0, &sizing, why), 0);
	assert_int_equal(sizing.capacity_bytes, 1000 * MIB);
	/* Or for what is asked, where that is more. */
	config.size = (struct service_size){ .bytes = 3000 * MIB };
	assert_int_equal(sizing_resolve(&config, &topology, 0, &sizing, why), 0);
	assert_int_equal(sizing.capacity_bytes, 3000 * MIB);
	/* But never for more than a zone can have. */
	topology.nodes[0].mem_bytes = 4 * TIB;
	assert_int_equal(sizing_resolve(&config, &topology, 0, &sizing, why), 0);
	assert_int_equal(sizing.capacity_bytes, TIB);
	/* Invented nodes share the host's memory. */
	topology.nodes[0].mem_bytes = 600 * MIB;
	topology.nodes[0].host_node = topology.nodes[1].host_node = -1;
	config.size = (struct service_size){ .bytes = 100 * MIB };
	assert_int_equal(sizing_resolve(&config, &topology, 0, &sizing, why), 0);
	assert_int_equal(sizing.capacity_bytes, 1600 * MIB);
	assert_int_equal(sizing_node_bytes(&topology, 1), 1600 * MIB);
}

static void test_sizing_refuses_what_can_not_be(void **state)
{
	(void)state;
	config.size = (struct service_size){ .bytes = PAGE_BYTES - 1 };
	assert_refused("its size on node 5 is below one page of 4 KiB");
	config.page_bytes = 1024 * MIB;
	config.size = (struct service_size){ .permyriad = 10000 };
	assert_refused("below one page of 1048576 KiB");
	config.page_bytes = PAGE_BYTES;
	config.size = (struct service_size){ .bytes = TIB + PAGE_BYTES };
	assert_refused("is above the largest zone");

	/* Of parts and sizes together nothing is known before the node is. */
	config.size = (struct service_size){ .permyriad = 100 };
	config.watermark_high = (struct service_size){ .bytes = 11 * MIB };
	assert_refused("its high watermark of 11264 KiB is above its size on node 5, 10240 KiB");
	config.watermark_high = (struct service_size){ .bytes = 10 * MIB };
	assert_int_equal(sizing_resolve(&config, &topology, 1, &sizing, why), 0);
	config.contiguous = (struct service_size){ .bytes = 20 * MIB };
	assert_refused("its contiguous area of 20480 KiB is larger");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_sizing_of_parts, setup),
		cmocka_unit_test_setup(test_sizing_is_rounded_to_what_backs_the_pool, setup),
		cmocka_unit_test_setup(test_sizing_has_room_for_all_that_the_node_has, setup),
		cmocka_unit_test_setup(test_sizing_refuses_what_can_not_be, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
