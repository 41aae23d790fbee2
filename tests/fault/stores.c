/* SPDX-License-Identifier: MIT */

/*
 * Seeing stores without a hook in the product.
 *
 * The compilers can call a function before each access to memory: that is how the thread sanitizer
 * learns of them. The core's sources are compiled a second time in that way, unchanged, and linked
 * with the functions below in place of the sanitizer's. They are told the address before the store;
 * the value is read when the next store to the watched memory is about to happen, or at the end.
 *
 * So one store is one step, in the program's order, whatever the processor. What order the compiler
 * gives them in the product is for test_every_instruction to see. A store of many bytes at once
 * counts as one a word, as nothing says that it can't be divided. Compilers make some of these
 * calls to memcpy() and the like, which the linker brings here. A store that is not told shows when
 * the trail does not lead to what is in the memory.
 */

#include <stdint.h>

#include "fault/sanitizer.h"
#include "fault/stores.h"
#include "fault/trail.h"

static struct {
	uint32_t *memory;
	size_t size_bytes;
	struct trail *trail;
	size_t begin, end; /* words that a store was announced for; none: equal */
	bool is_divided;
} watched;

/* Takes down the values of the store that was announced last. */
static void settle(void)
{
	for (size_t i = watched.begin; i < watched.end; i++) {
		trail_append(watched.trail, (uint32_t)i, watched.memory[i]);
		watched.trail->nr_steps += watched.is_divided || i + 1 == watched.end;
	}
	watched.begin = watched.end = 0;
}

static void announce(const volatile void *address, size_t size_bytes, bool is_divided)
{
	size_t at = (size_t)((uintptr_t)address - (uintptr_t)watched.memory);

	if (at >= watched.size_bytes)
		return;
	settle();
	watched.begin = at / sizeof(uint32_t);
	watched.end = (at + size_bytes + sizeof(uint32_t) - 1) / sizeof(uint32_t);
	watched.is_divided = is_divided;
}

void stores_watch(void *memory, size_t size_bytes, struct trail *trail)
{
	watched.memory = memory;
	watched.trail = trail;
	watched.size_bytes = size_bytes;
}

void stores_unwatch(void)
{
	settle();
	watched.size_bytes = 0;
}

#define WRAPPED(name, source)                                                                      \
	void *__real_##name(void *to, source, size_t size_bytes);                                  \
	void *__wrap_##name(void *to, source, size_t size_bytes);                                  \
	void *__wrap_##name(void *to, source, size_t size_bytes)                                   \
	{                                                                                          \
		announce(to, size_bytes, true);                                                    \
		return __real_##name(to, from, size_bytes);                                        \
	}

WRAPPED(memcpy, const void *from)
WRAPPED(memmove, const void *from)
WRAPPED(memset, int from)

#if IS_THREAD_SANITIZED

bool stores_are_seen(void)
{
	return false;
}

#else

bool stores_are_seen(void)
{
	return true;
}

/* What the compilers call. Names and meaning are theirs; a call that is missing does not link. */

#define STORE_OF(name, size_bytes)                                                                 \
	void name(void *address);                                                                  \
	void name(void *address)                                                                   \
	{                                                                                          \
		announce(address, size_bytes, false);                                              \
	}

#define NO_STORE(name)                                                                             \
	void name(void *address);                                                                  \
	void name(void *address)                                                                   \
	{                                                                                          \
		(void)address;                                                                     \
	}

#define ATOMIC_STORE_OF(name, type)                                                                \
	void name(volatile void *address, type value, int order);                                  \
	void name(volatile void *address, type value, int order)                                   \
	{                                                                                          \
		(void)order;                                                                       \
		announce(address, sizeof(type), false);                                            \
		*(volatile type *)address = value;                                                 \
	}

#define ATOMIC_LOAD_OF(name, type)                                                                 \
	type name(const volatile void *address, int order);                                        \
	type name(const volatile void *address, int order)                                         \
	{                                                                                          \
		(void)order;                                                                       \
		return *(const volatile type *)address;                                            \
	}

STORE_OF(__tsan_write1, 1)
STORE_OF(__tsan_write2, 2)
STORE_OF(__tsan_write4, 4)
STORE_OF(__tsan_write8, 8)
STORE_OF(__tsan_write16, 16)
STORE_OF(__tsan_unaligned_write2, 2)
STORE_OF(__tsan_unaligned_write4, 4)
STORE_OF(__tsan_unaligned_write8, 8)
STORE_OF(__tsan_unaligned_write16, 16)

NO_STORE(__tsan_read1)
NO_STORE(__tsan_read2)
NO_STORE(__tsan_read4)
NO_STORE(__tsan_read8)
NO_STORE(__tsan_read16)
NO_STORE(__tsan_unaligned_read2)
NO_STORE(__tsan_unaligned_read4)
NO_STORE(__tsan_unaligned_read8)
NO_STORE(__tsan_unaligned_read16)
NO_STORE(__tsan_func_entry)
NO_STORE(__tsan_func_exit)

ATOMIC_STORE_OF(__tsan_atomic32_store, uint32_t)
ATOMIC_STORE_OF(__tsan_atomic64_store, uint64_t)
ATOMIC_LOAD_OF(__tsan_atomic32_load, uint32_t)
ATOMIC_LOAD_OF(__tsan_atomic64_load, uint64_t)

void __tsan_init(void);
void __tsan_init(void)
{
}

void __tsan_atomic_signal_fence(int order);
void __tsan_atomic_signal_fence(int order)
{
	(void)order;
}

void __tsan_write_range(void *address, long size_bytes);
void __tsan_write_range(void *address, long size_bytes)
{
	announce(address, (size_t)size_bytes, true);
}

void __tsan_read_range(void *address, long size_bytes);
void __tsan_read_range(void *address, long size_bytes)
{
	(void)address;
	(void)size_bytes;
}

#endif
