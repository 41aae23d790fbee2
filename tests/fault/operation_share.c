/* SPDX-License-Identifier: MIT */

/*
 * Sharing a block. Whatever frees blocks ends a hold of it, so that needs no operation of its own.
 *
 * Half of them are of the block that has the most holders, so that some block has more than a
 * record has room for; and the records are few, so that sharing is refused as well.
 */

#include "fault/operation_type.h"

static bool choose_most_held(struct operation *operation, const struct model *model,
			     struct random *random)
{
	unsigned nr_holders = CORE_NR_SLOTS;

	while (nr_holders && !operation_choose_block(operation, model, 0, nr_holders, random))
		nr_holders--;
	return nr_holders > 0;
}

static bool choose_share(struct operation *operation, const struct operation_taste *taste,
			 const struct model *model, struct random *random)
{
	uint32_t pfn = random_below(random, model->room);

	(void)taste;
	operation->other = 1 + random_below(random, CORE_NR_SLOTS - 1);
	if (model->slots[operation->other].state != SLOT_LIVE)
		return false;
	return random_once_in(random, 2) ? choose_most_held(operation, model, random)
					 : operation_choose_block(operation, model, pfn, 1, random);
}

static struct word_owner other_owner(const struct operation *operation)
{
	struct word_owner other = operation->owner;

	other.slot = operation->other;
	other.tag = (other.tag + operation->other) % WORD_NR_TAGS;
	return other;
}

static void run_share(struct operation *operation, struct core *core)
{
	operation->result = zone_share(&core->zone, operation->pfn, operation->order,
				       operation->owner.slot, other_owner(operation));
}

static bool apply_share(const struct operation *operation, const struct operation_taste *taste,
			struct model *model)
{
	bool is_held = model_word(model, operation->pfn, operation->other) != 0;

	(void)taste;
	if (operation->result == ZONE_E_HELD)
		return is_held;
	if (operation->result == ZONE_E_SHARES)
		return !is_held;
	return operation->result == 0 &&
	       model_share(model, operation->pfn,
			   word_make(WORD_PAGE, other_owner(operation), operation->order));
}

const struct operation_type operation_share = {
	.name = "share",
	.weight = 15,
	.choose = choose_share,
	.run = run_share,
	.apply = apply_share,
};
