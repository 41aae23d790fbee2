/* SPDX-License-Identifier: MIT */

/* The life of a client: it takes a slot, hangs up or ends, and what it held is swept. */

#include "fault/operation_type.h"

static bool choose_take_slot(struct operation *operation, const struct operation_taste *taste,
			     const struct model *model, struct random *random)
{
	(void)taste;
	operation->client.pid = (int32_t)(1 + random_below(random, 1u << 22));
	operation->client.uid = random_below(random, 1u << 16);
	operation->client.start_time = random_next(random);
	for (unsigned i = 1; i < CORE_NR_SLOTS; i++)
		if (model->slots[i].state == SLOT_FREE)
			return true;
	return false;
}

static void run_take_slot(struct operation *operation, struct core *core)
{
	const struct slot *client = &operation->client;
	unsigned slot = 0;

	operation->result =
		slot_table_take(&core->slots, client->pid, client->uid, client->start_time, &slot);
	operation->owner.slot = slot;
}

static bool apply_take_slot(const struct operation *operation, const struct operation_taste *taste,
			    struct model *model)
{
	struct slot *slot = &model->slots[operation->owner.slot];

	(void)taste;
	if (operation->result || slot == model->slots || slot->state != SLOT_FREE)
		return false;
	slot->state = SLOT_LIVE;
	slot->pid = operation->client.pid;
	slot->uid = operation->client.uid;
	slot->start_time = operation->client.start_time;
	return true;
}

/* Half of them hold an object, if there is any. */
static bool choose_slot_in(struct operation *operation, const struct model *model,
			   struct random *random, unsigned states)
{
	operation->owner.slot = 1 + random_below(random, CORE_NR_SLOTS - 1);
	if (model->nr_slabs && random_once_in(random, 2))
		operation_choose_holder(
			operation, &model->slabs[random_below(random, model->nr_slabs)], random);
	return states >> model->slots[operation->owner.slot].state & 1;
}

/* A client hangs up, or ends. */
static bool choose_set_state(struct operation *operation, const struct operation_taste *taste,
			     const struct model *model, struct random *random)
{
	(void)taste;
	if (random_once_in(random, 3)) {
		operation->client.state = SLOT_QUARANTINED;
		return choose_slot_in(operation, model, random, 1u << SLOT_LIVE);
	}
	operation->client.state = SLOT_DYING;
	return choose_slot_in(operation, model, random, 1u << SLOT_LIVE | 1u << SLOT_QUARANTINED);
}

static void run_set_state(struct operation *operation, struct core *core)
{
	slot_table_set_state(&core->slots, operation->owner.slot,
			     (enum slot_state)operation->client.state);
}

static bool apply_set_state(const struct operation *operation, const struct operation_taste *taste,
			    struct model *model)
{
	(void)taste;
	model->slots[operation->owner.slot].state = operation->client.state;
	return true;
}

/* The sweep of a slot whose client is gone, perhaps begun by a core that died over it. */
static bool choose_release(struct operation *operation, const struct operation_taste *taste,
			   const struct model *model, struct random *random)
{
	operation->count = taste->slice_pages;
	return choose_slot_in(operation, model, random, 1u << SLOT_DYING);
}

static void run_release(struct operation *operation, struct core *core)
{
	uint32_t cursor = 0;

	while (!zone_release(&core->zone, operation->owner.slot, operation->count, &cursor))
		;
	slot_table_leave(&core->slots, operation->owner.slot);
}

/* What is freed for the dead is raw, and nobody had it. */
static void release_objects(struct model_slab *slab, unsigned slot)
{
	for (uint32_t i = 0; i < slab->nr_objects; i++)
		if (model_is_held_by(slab, i, slot))
			slab->words[i] = SLAB_NEVER_HELD;
}

static bool apply_release(const struct operation *operation, const struct operation_taste *taste,
			  struct model *model)
{
	struct slot *slot = &model->slots[operation->owner.slot];

	(void)taste;
	for (uint32_t pfn = 0; pfn < model->room; pfn++)
		model_leave(model, pfn, operation->owner.slot);
	for (uint32_t at = 0; at < model->nr_slabs; at++)
		release_objects(&model->slabs[at], operation->owner.slot);
	slot->state = SLOT_FREE;
	slot->generation++;
	return true;
}

const struct operation_type operation_take_slot = {
	.name = "take slot",
	.weight = 12,
	.choose = choose_take_slot,
	.run = run_take_slot,
	.apply = apply_take_slot,
};

const struct operation_type operation_set_state = {
	.name = "set state",
	.weight = 8,
	.choose = choose_set_state,
	.run = run_set_state,
	.apply = apply_set_state,
};

const struct operation_type operation_release = {
	.name = "release",
	.weight = 20,
	.gives = -1,
	.choose = choose_release,
	.run = run_release,
	.apply = apply_release,
};
