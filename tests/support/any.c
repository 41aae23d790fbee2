/* SPDX-License-Identifier: MIT */
/*
 * Values as they show mistakes: numbers of every length, texts of characters of every length, lists
 * mostly short and at times as long as they may be. All of it follows from the seed.
 */

#include "support/any.h"

#include <stdlib.h>
#include <string.h>

#include "proto/arena.h"
#include "proto/message.h"

#define NR(array) (sizeof(array) / sizeof((array)[0]))

/* splitmix64 */
uint64_t any_bits(struct any *m)
{
	uint64_t x = *m->seed += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

uint64_t any_below(struct any *m, uint64_t n)
{
	return any_bits(m) % n;
}

uint64_t any_u64(struct any *m)
{
	return any_bits(m) >> any_below(m, 64);
}

uint32_t any_u32(struct any *m)
{
	return (uint32_t)any_u64(m);
}

bool any_bool(struct any *m)
{
	return any_bits(m) & 1;
}

void *any_room(struct any *m, size_t size_bytes)
{
	void *memory = arena_alloc(m->arena, size_bytes);

	if (!memory)
		abort(); /* the test's arena is too small */
	return memory;
}

size_t any_count(struct any *m, size_t max)
{
	return any_below(m, 8) == 0 ? max : any_below(m, max < 8 ? max + 1 : 8);
}

const char *any_text(struct any *m, size_t max_bytes)
{
	static const char *const characters[] = {
		"a", "Z", "0", " ", "~", "/", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x90\xa7"
	};
	size_t want = any_count(m, max_bytes), length = 0;
	char *text = any_room(m, max_bytes + 1);

	for (;;) {
		const char *character = characters[any_below(m, NR(characters))];

		if (length + strlen(character) > want)
			break;
		memcpy(text + length, character, strlen(character));
		length += strlen(character);
	}
	text[length] = '\0';
	return text;
}

const char *any_name(struct any *m)
{
	return any_text(m, MESSAGE_NAME_BYTES_MAX);
}

const struct message_run *any_runs(struct any *m, size_t *ret_nr)
{
	size_t nr = any_count(m, MESSAGE_BATCH_BLOCKS_MAX);
	struct message_run *runs = any_room(m, nr * sizeof(*runs));

	for (size_t i = 0; i < nr; i++)
		runs[i] = (struct message_run){ .base = any_u64(m), .mask = any_bits(m) };
	*ret_nr = nr;
	return runs;
}

const uint64_t *any_masks(struct any *m, size_t nr_runs, size_t *ret_nr)
{
	size_t nr = any_bool(m) ? nr_runs : 0;
	uint64_t *masks = any_room(m, nr * sizeof(*masks));

	for (size_t i = 0; i < nr; i++)
		masks[i] = any_bits(m);
	*ret_nr = nr;
	return masks;
}
