/* SPDX-License-Identifier: MIT */

/*
 * The model, and what it means to be between two of them.
 *
 * An operation changes some blocks. Killed amid it, the core may have changed any of these and not
 * the others, but each as a whole: its holders are those of before or those of after, and for each
 * of them the word says the request, the mobility and the order. A block that the operation does
 * not touch is the same in both, so it is neither lost nor changed, and has no holder more. That no
 * two blocks share a page is found when a model is read.
 */

#include <string.h>

#include "fault/model_part.h"

void model_init(struct model *model, uint32_t room, uint32_t nr_pages)
{
	memset(model->is_covered, 0, room * sizeof(model->is_covered[0]));
	memset(model->nr_holders, 0, room * sizeof(model->nr_holders[0]));
	memset(model->words, 0, room * sizeof(model->words[0]));
	memset(model->slots, 0, sizeof(model->slots));
	memset(model->caches, 0, sizeof(model->caches));
	model->room = room;
	model->nr_pages = nr_pages;
	model->nr_covered = 0;
	model->nr_slabs = 0;
}

bool model_grant(struct model *model, uint32_t pfn, uint32_t word)
{
	uint32_t size = UINT32_C(1) << word_order(word);

	if (size > model->room || pfn > model->room - size || pfn % size ||
	    word_slot(word) >= CORE_NR_SLOTS)
		return false;
	for (uint32_t i = 0; i < size; i++)
		if (model->is_covered[pfn + i])
			return false;
	memset(model->is_covered + pfn, true, size);
	model->nr_covered += size;
	model->nr_holders[pfn] = 1;
	model->words[pfn][word_slot(word)] = word;
	return true;
}

/* The word of any holder of the block at pfn. */
static uint32_t any_word(const struct model *model, uint32_t pfn)
{
	for (unsigned slot = 0; slot < CORE_NR_SLOTS; slot++)
		if (model->words[pfn][slot])
			return model->words[pfn][slot];
	return 0;
}

bool model_share(struct model *model, uint32_t pfn, uint32_t word)
{
	uint32_t *words = pfn < model->room ? model->words[pfn] : NULL;
	uint32_t like;

	if (!words || word_slot(word) >= CORE_NR_SLOTS || words[word_slot(word)])
		return false;
	like = any_word(model, pfn);
	if (word_kind(like) != WORD_PAGE || word_order(like) != word_order(word) ||
	    word_mobility(like) != word_mobility(word))
		return false;
	words[word_slot(word)] = word;
	model->nr_holders[pfn]++;
	return true;
}

bool model_leave(struct model *model, uint32_t pfn, unsigned slot)
{
	uint32_t word = model_word(model, pfn, slot), size;

	if (!word)
		return false;
	model->words[pfn][slot] = 0;
	if (--model->nr_holders[pfn])
		return true;
	size = UINT32_C(1) << word_order(word);
	memset(model->is_covered + pfn, false, size);
	model->nr_covered -= size;
	return true;
}

uint32_t model_next_block(const struct model *model, uint32_t pfn, unsigned nr_holders)
{
	for (uint32_t i = 0; i < model->room; i++) {
		uint32_t at = (pfn + i) % model->room;

		if (model->nr_holders[at] && model->nr_holders[at] >= nr_holders &&
		    word_kind(any_word(model, at)) == WORD_PAGE)
			return at;
	}
	return PAGE_NONE;
}

/* Of a shared block: the holders beside the one that it was granted to in the model. */
static bool read_holders(struct model *model, const struct core *core,
			 const struct zone_block *block)
{
	struct word_owner owner;
	uint32_t cursor = 0;

	while (zone_next_holder(&core->zone, block->pfn, &cursor, &owner))
		if (owner.slot != block->owner.slot &&
		    !model_share(model, block->pfn, word_make(WORD_PAGE, owner, block->order)))
			return false;
	return model->nr_holders[block->pfn] > 1;
}

bool model_read(struct model *model, struct core *core, struct zone_fault *ret)
{
	struct zone_block block;
	uint32_t cursor = 0;

	model_init(model, zone_capacity(&core->zone), zone_nr_pages(&core->zone));
	while (zone_next_block(&core->zone, -1, UINT32_MAX, &cursor, &block)) {
		bool is_shared = block.kind == WORD_SHARED;
		enum word_kind kind = is_shared ? WORD_PAGE : block.kind;

		if (!model_grant(model, block.pfn, word_make(kind, block.owner, block.order)))
			return model_found_wrong(ret, block.pfn, "two blocks in one place");
		if (is_shared && !read_holders(model, core, &block))
			return model_found_wrong(ret, block.pfn,
						 "the holders of a block make no sense");
		if (kind == WORD_SLAB && !model_read_slab(model, core, block.pfn))
			return model_found_wrong(ret, block.pfn, "a slab makes no sense");
	}
	memcpy(model->slots, core->slots.slots, sizeof(model->slots));
	memcpy(model->caches, core->caches.records, sizeof(model->caches));
	return true;
}

static bool is_same_client(const struct slot *a, const struct slot *b)
{
	return a->pid == b->pid && a->uid == b->uid && a->start_time == b->start_time;
}

/* The state is stored last: whoever is named in a slot in use is named whole. */
static const char *slot_fault(const struct slot *found, const struct slot *before,
			      const struct slot *after)
{
	const struct slot *like = found->state == after->state ? after : before;

	if (found->state != like->state)
		return "a slot is in a state that nobody gave it";
	if (found->state != SLOT_FREE && !is_same_client(found, like))
		return "a slot in use names another client";
	if (found->generation != before->generation && found->generation != after->generation)
		return "a slot is of another generation";
	if (found->state == SLOT_FREE && found->generation < like->generation)
		return "a slot is free again in its old generation";
	return NULL;
}

static bool are_holds_between(const struct model *found, const struct model *before,
			      const struct model *after, uint32_t pfn, struct zone_fault *ret)
{
	const size_t size_bytes = sizeof(found->words[pfn]);

	if (!found->nr_holders[pfn] &&
	    (!before->nr_holders[pfn] || model_is_given_back(before, after, pfn)))
		return true;
	if (memcmp(found->words[pfn], before->words[pfn], size_bytes) != 0 &&
	    memcmp(found->words[pfn], after->words[pfn], size_bytes) != 0)
		return model_found_wrong(ret, pfn, "a block is neither as before nor as after");
	for (unsigned slot = 0; slot < CORE_NR_SLOTS; slot++)
		if (word_kind(found->words[pfn][slot]) == WORD_PAGE && !found->slots[slot].state)
			return model_found_wrong(ret, pfn, "a block's holder is gone");
	return true;
}

bool model_is_between(const struct model *found, const struct model *before,
		      const struct model *after, struct zone_fault *ret)
{
	if (found->nr_pages != before->nr_pages && found->nr_pages != after->nr_pages)
		return model_found_wrong(ret, found->nr_pages, "the zone has another size");
	for (unsigned i = 0; i < CORE_NR_SLOTS; i++) {
		const char *what =
			slot_fault(&found->slots[i], &before->slots[i], &after->slots[i]);

		if (what)
			return model_found_wrong(ret, i, what);
	}
	for (uint32_t pfn = 0; pfn < found->room; pfn++)
		if (!are_holds_between(found, before, after, pfn, ret))
			return false;
	return model_are_slabs_between(found, before, after, ret) &&
	       model_are_caches_between(found, before, after, ret);
}
