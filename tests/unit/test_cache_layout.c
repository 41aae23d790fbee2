/* SPDX-License-Identifier: MIT */

/* How objects lie in slabs: in their place whatever they are, and with little around them. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/cache.h"
#include "core/slab.h"
#include "support/random.h"

#define BYTES_MAX (UINT32_C(1) << 22) /* that cache_object_at() is asked for */

/* Many checks a layout, of very many layouts: assert_true() alone would take most of the time. */
#define expect(condition)                                                                          \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail_msg("%u bytes, align %u, flags %#x: not %s", config->object_bytes,    \
				 config->align, config->flags, #condition);                        \
	} while (0)

static struct cache_config config_of(uint32_t object_bytes, uint32_t align, unsigned flags)
{
	return (struct cache_config){ .name = "x",
				      .object_bytes = object_bytes,
				      .align = align,
				      .flags = flags,
				      .mobility = MOBILITY_MOVABLE };
}

static struct cache_layout lay_out(uint32_t object_bytes, uint32_t align, unsigned flags)
{
	struct cache_config config = config_of(object_bytes, align, flags);
	struct cache_layout layout;

	assert_int_equal(cache_lay_out(&config, &layout), 0);
	return layout;
}

static uint32_t slab_bytes(const struct cache_layout *layout)
{
	return (uint32_t)PAGE_BYTES << layout->order;
}

/* Objects and zones of a slab of one colour. */
static void check_slab(const struct cache_config *config, const struct cache_layout *layout,
		       uint32_t colour)
{
	uint32_t align = config->align ? config->align : CACHE_ALIGN_MIN;
	uint32_t red_bytes = config->flags & CACHE_DEBUG ? CACHE_RED_BYTES : 0;
	uint32_t first = layout->first_bytes + colour;
	uint32_t last = first + (layout->nr_objects - 1) * layout->stride_bytes;

	/* All else follows from the first and the last, as strides are alike. */
	expect(first % align == 0 && layout->stride_bytes % align == 0);
	expect(first >= red_bytes);
	expect(layout->stride_bytes >= layout->object_bytes + 2 * red_bytes);
	expect(last - red_bytes + layout->stride_bytes <= slab_bytes(layout));
}

static void check(const struct cache_config *config)
{
	bool is_debug = config->flags & CACHE_DEBUG;
	struct cache_layout layout;

	expect(cache_lay_out(config, &layout) == 0);
	expect(layout.object_bytes == config->object_bytes);
	expect(layout.flags == config->flags && layout.mobility == config->mobility);
	expect(layout.stride_bytes >= CACHE_STRIDE_MIN);
	expect(is_debug || layout.first_bytes == 0);
	expect(layout.order <= CACHE_ORDER_MAX);
	expect(layout.nr_objects >= 1 && layout.nr_objects <= CACHE_SLAB_OBJECTS_MAX);
	expect(layout.nr_words == layout.nr_objects * (is_debug ? 2 : 1));
	expect(layout.waste_bytes == slab_bytes(&layout) - layout.nr_objects * layout.stride_bytes);
	expect(layout.nr_colours >= 1 && layout.colour_bytes % 64 == 0);
	check_slab(config, &layout, 0);
	check_slab(config, &layout, (layout.nr_colours - 1) * layout.colour_bytes);
}

static void test_cache_layout_keeps_objects_apart_aligned_and_inside(void **state)
{
	static const unsigned flags[] = { 0, CACHE_DEBUG, CACHE_CTOR | CACHE_MERGE,
					  CACHE_CTOR | CACHE_DEBUG };
	struct random random = random_from_environment();

	(void)state;
	for (uint32_t align = 0; align <= CACHE_ALIGN_MAX; align = align ? 2 * align : 8) {
		for (unsigned i = 0; i < 4; i++) {
			for (uint32_t bytes = 1; bytes <= 40000; bytes++) {
				struct cache_config config = config_of(bytes, align, flags[i]);

				check(&config);
			}
			for (unsigned n = 0; n < 5000; n++) {
				uint32_t bytes = 1 + random_below(&random, CACHE_OBJECT_BYTES_MAX);
				struct cache_config config = config_of(bytes, align, flags[i]);

				check(&config);
			}
			for (uint32_t less = 0; less < 100; less++) {
				struct cache_config config =
					config_of(CACHE_OBJECT_BYTES_MAX - less, align, flags[i]);

				check(&config);
			}
		}
	}
}

static void test_cache_layout_refuses_what_can_not_be(void **state)
{
	static const struct cache_config refused[] = {
		{ .object_bytes = 0 },
		{ .object_bytes = CACHE_OBJECT_BYTES_MAX + 1 },
		{ .object_bytes = UINT32_MAX },
		{ .object_bytes = 64, .align = 1 },
		{ .object_bytes = 64, .align = CACHE_ALIGN_MIN / 2 },
		{ .object_bytes = 64, .align = 24 },
		{ .object_bytes = 64, .align = 2 * CACHE_ALIGN_MAX },
		{ .object_bytes = 64, .align = UINT32_C(1) << 31 },
		{ .object_bytes = 64, .flags = 2 * CACHE_MERGE },
		{ .object_bytes = 64, .flags = 1u << 31 },
		{ .object_bytes = 64, .mobility = NR_MOBILITIES },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct cache_layout layout = { .order = 77 };

		assert_int_equal(cache_lay_out(&refused[i], &layout), -EINVAL);
		assert_int_equal(layout.order, 77);
	}
}

static void test_cache_layout_aligns_to_8_by_default(void **state)
{
	(void)state;
	assert_int_equal(lay_out(1, 0, 0).stride_bytes, CACHE_STRIDE_MIN);
	assert_int_equal(lay_out(16, 0, 0).stride_bytes, 16);
	assert_int_equal(lay_out(17, 0, 0).stride_bytes, 24);
	assert_int_equal(lay_out(17, 16, 0).stride_bytes, 32);
	assert_int_equal(lay_out(17, 4096, 0).stride_bytes, 4096);
	assert_int_equal(lay_out(17, 0, CACHE_DEBUG).stride_bytes, 56);
	assert_int_equal(lay_out(17, 64, CACHE_DEBUG).stride_bytes, 64);
	assert_int_equal(lay_out(17, 64, CACHE_DEBUG).first_bytes, 64);
}

/* A power of two lies at a multiple of itself, also where no alignment can be asked for. */
static void test_cache_layout_aligns_powers_of_two_naturally(void **state)
{
	(void)state;
	for (uint32_t bytes = 16; bytes <= CACHE_OBJECT_BYTES_MAX; bytes *= 2) {
		uint32_t align = bytes < CACHE_ALIGN_MAX ? bytes : CACHE_ALIGN_MAX;
		struct cache_layout plain = lay_out(bytes, align, 0);
		struct cache_layout debug = lay_out(bytes, align, CACHE_DEBUG);

		assert_int_equal(plain.stride_bytes, bytes);
		assert_int_equal(plain.first_bytes, 0);
		assert_int_equal(plain.waste_bytes, 0);
		assert_int_equal(plain.nr_colours, 1);
		assert_int_equal(debug.first_bytes % align, 0);
		assert_int_equal(debug.stride_bytes % align, 0);
		assert_int_equal(debug.colour_bytes % align, 0);
	}
}

static void test_cache_layout_shifts_slabs_by_what_is_left(void **state)
{
	struct cache_layout layout = lay_out(192, 0, 0);
	uint32_t seen = 0;

	(void)state;
	/* 42 of them in two pages leave 128 bytes: two steps. */
	assert_int_equal(layout.order, 1);
	assert_int_equal(layout.nr_colours, 3);
	assert_int_equal(layout.colour_bytes, 64);
	for (uint32_t pfn = 100; pfn < 106; pfn += 2)
		seen |= 1u << cache_colour(&layout, pfn) / 64;
	assert_int_equal(seen, 7);

	/* Wide alignments take wide steps, and colours go by slabs, not by pages. */
	layout = lay_out(7 * 128, 128, 0);
	assert_int_equal(layout.colour_bytes, 128);
	assert_true(layout.order > 0 && layout.nr_colours > 1);
	for (uint32_t i = 0; i < 2 * layout.nr_colours; i++)
		assert_int_equal(cache_colour(&layout, i << layout.order),
				 i % layout.nr_colours * 128);
}

/* Whatever its stride, the object at each multiple is found, and none beside it. */
static void test_cache_layout_finds_objects_by_their_bytes(void **state)
{
	uint32_t largest = 0;

	(void)state;
	for (uint32_t stride = 16; stride <= CACHE_OBJECT_BYTES_MAX; stride += 8) {
		struct cache_config made = config_of(stride, 8, 0), *config = &made;
		struct cache_layout layout = lay_out(stride, 8, 0);

		expect(layout.stride_bytes == stride);
		for (uint32_t i = 0; i * stride < BYTES_MAX; i++) {
			expect(cache_object_at(&layout, i * stride) == i);
			expect(cache_object_at(&layout, i * stride + 1) == UINT32_MAX);
			expect(!i || cache_object_at(&layout, i * stride - 1) == UINT32_MAX);
		}
		expect(BYTES_MAX % stride == 1 ||
		       cache_object_at(&layout, BYTES_MAX - 1) == UINT32_MAX);
		largest = stride;
	}
	assert_int_equal(largest, CACHE_OBJECT_BYTES_MAX);
}

static void test_cache_layout_finds_objects_among_every_byte(void **state)
{
	static const struct {
		uint32_t bytes, align;
		unsigned flags;
	} kinds[] = {
		{ 16, 8, 0 },
		{ 24, 8, 0 },
		{ 56, 8, CACHE_DEBUG },
		{ 4096, 4096, 0 },
		{ 40960 + 8, 8, 0 },
		{ CACHE_OBJECT_BYTES_MAX, 8, 0 },
		{ 1048584, 8, 0 },
		{ 4096, 4096, CACHE_DEBUG },
		{ CACHE_OBJECT_BYTES_MAX, 8, CACHE_DEBUG },
		{ CACHE_OBJECT_BYTES_MAX, 4096, CACHE_DEBUG },
	};

	(void)state;
	for (size_t kind = 0; kind < sizeof(kinds) / sizeof(kinds[0]); kind++) {
		struct cache_layout layout =
			lay_out(kinds[kind].bytes, kinds[kind].align, kinds[kind].flags);

		for (uint32_t bytes = 0; bytes < BYTES_MAX; bytes++) {
			uint32_t i = bytes / layout.stride_bytes;
			uint32_t expected = bytes % layout.stride_bytes ? UINT32_MAX : i;

			if (cache_object_at(&layout, bytes) != expected)
				fail_msg("byte %u at stride %u", bytes, layout.stride_bytes);
		}
	}
}

/* Bytes of ledger and index that an object costs: its share of the units that its slab takes. */
static double metadata_bytes(const struct cache_layout *layout)
{
	const uint32_t unit_bytes = SLAB_UNIT_WORDS * sizeof(uint32_t) + sizeof(struct slab) +
				    SLAB_UNIT_WORDS / 8 + sizeof(uint16_t);
	uint32_t nr_units = (layout->nr_words + SLAB_UNIT_WORDS - 1) / SLAB_UNIT_WORDS;

	return (double)nr_units * unit_bytes / layout->nr_objects;
}

static void test_cache_layout_wastes_little(void **state)
{
	double wasted = 0;
	uint32_t nr_sizes = 0;

	(void)state;
	for (uint32_t bytes = 16; bytes <= 32768; bytes += 8, nr_sizes++) {
		struct cache_layout layout = lay_out(bytes, 8, 0);
		double share = (double)layout.waste_bytes / slab_bytes(&layout);

		/* An object less than what would have fitted; eight fit in what is tried at most.
		 */
		assert_true(layout.order <= 6 && layout.nr_objects >= 8);
		assert_true(share < 1.0 / 8);
		assert_true(layout.nr_objects < 16 || share <= 1.0 / 32 || bytes > 8192);
		wasted += share;
	}
	assert_true(wasted / nr_sizes < 0.04);
}

static void test_cache_layout_takes_large_slabs_for_large_objects_alone(void **state)
{
	(void)state;
	assert_int_equal(lay_out(32768, 8, 0).order, 6);
	assert_int_equal(lay_out(65536, 8, 0).order, 6);
	assert_int_equal(lay_out(UINT32_C(1) << 18, 8, 0).order, 6);
	assert_int_equal(lay_out(UINT32_C(1) << 19, 8, 0).order, 7);
	assert_int_equal(lay_out(CACHE_OBJECT_BYTES_MAX, 8, 0).order, 9);
	assert_int_equal(lay_out(CACHE_OBJECT_BYTES_MAX, 4096, CACHE_DEBUG).order, CACHE_ORDER_MAX);
	for (uint32_t bytes = 40000; bytes <= CACHE_OBJECT_BYTES_MAX; bytes += 1000) {
		struct cache_layout layout = lay_out(bytes, 8, 0);
		unsigned least = page_order_of((bytes + 4095) / 4096);

		assert_true(layout.order >= least);
		assert_true(layout.order <= 6 || layout.order <= least + 3);
	}
}

static void test_cache_layout_needs_little_metadata(void **state)
{
	(void)state;
	assert_true(metadata_bytes(&(struct cache_layout){ .nr_words = 16, .nr_objects = 16 }) ==
		    84.0 / 16);
	for (uint32_t bytes = 16; bytes <= 4096; bytes += 8) {
		struct cache_layout layout = lay_out(bytes, 8, 0);

		assert_true(metadata_bytes(&layout) <= 8);
	}
	for (uint32_t bytes = 64; bytes <= 8192; bytes *= 2) {
		struct cache_layout layout = lay_out(bytes, 8, 0);

		assert_true(metadata_bytes(&layout) <= 5.5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cache_layout_keeps_objects_apart_aligned_and_inside),
		cmocka_unit_test(test_cache_layout_refuses_what_can_not_be),
		cmocka_unit_test(test_cache_layout_aligns_to_8_by_default),
		cmocka_unit_test(test_cache_layout_aligns_powers_of_two_naturally),
		cmocka_unit_test(test_cache_layout_shifts_slabs_by_what_is_left),
		cmocka_unit_test(test_cache_layout_finds_objects_by_their_bytes),
		cmocka_unit_test(test_cache_layout_finds_objects_among_every_byte),
		cmocka_unit_test(test_cache_layout_wastes_little),
		cmocka_unit_test(test_cache_layout_takes_large_slabs_for_large_objects_alone),
		cmocka_unit_test(test_cache_layout_needs_little_metadata),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
