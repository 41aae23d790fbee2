/* SPDX-License-Identifier: MIT */
/*
 * Who broke an object?
 *
 * Nobody can say for sure: memory is shared, and whoever has the pool open can write anywhere in
 * it. Most likely it was one of two: who holds the object, or who had it before and still writes to
 * it. So both are named, by what the ledger keeps of them: a slot, and which of its users in turn.
 * A slot is taken again some time after its client is gone; its user of today had nothing to do
 * with it and is never named.
 */

#include "service/object_report.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/slots.h"
#include "core/zone_object.h"
#include "proto/message.h"
#include "service/clients.h"
#include "service/log.h"

#define REPORT_PARTY_BYTES 160u /* more than id, name and process id */
#define REPORT_LINE_BYTES 640u  /* two of these, and two names */
#define REPORT_FIELD_BYTES 128u

void object_report_party(const struct clients *clients, const struct zone_leaver *leaver,
			 struct message_party *ret)
{
	const struct slot *slot = &clients->slots.slots[leaver->slot];
	const struct client *client = clients->by_slot[leaver->slot];
	unsigned nr_left = (slot->generation - leaver->generation) % WORD_NR_TAGS;

	*ret = (struct message_party){ .client = leaver->slot, .name = "", .gone = true };
	if (nr_left == 0 && slot->state != SLOT_FREE && client)
		*ret = (struct message_party){ .client = leaver->slot,
					       .pid = slot->pid,
					       .name = client->name };
	else if (nr_left == 1 && slot->state == SLOT_FREE)
		ret->pid = slot->pid;
}

static const char *print_party(const struct message_party *party, char ret[REPORT_PARTY_BYTES])
{
	char pid[32] = "";

	if (party->pid)
		snprintf(pid, sizeof(pid), " (pid %" PRId32 ")", party->pid);
	if (!party->client)
		snprintf(ret, REPORT_PARTY_BYTES, "nobody");
	else if (party->gone)
		snprintf(ret, REPORT_PARTY_BYTES, "client %" PRIu32 "%s, which is gone",
			 party->client, pid);
	else
		snprintf(ret, REPORT_PARTY_BYTES, "client %" PRIu32 " '%s'%s", party->client,
			 party->name, pid);
	return ret;
}

void object_report_print(const struct message_object_fault *fault, char *ret, size_t size_bytes)
{
	char holder[REPORT_PARTY_BYTES], previous[REPORT_PARTY_BYTES];

	snprintf(ret, size_bytes,
		 "pool '%s' cache '%s' object 0x%" PRIx64 ": byte %" PRId32 ", %s, is 0x%02" PRIx32
		 " and not 0x%02" PRIx32 "; it is held by %s, before by %s",
		 fault->pool, fault->cache, fault->object, fault->at, fault->what, fault->found,
		 fault->expected, print_party(&fault->holder, holder),
		 print_party(&fault->previous, previous));
}

void object_report_log(const struct message_object_fault *fault, const char *when)
{
	char line[REPORT_LINE_BYTES], text[10][REPORT_FIELD_BYTES];
	const char *fields[11];

	object_report_print(fault, line, sizeof(line));
	snprintf(text[0], sizeof(text[0]), "PAGEPOOL_POOL=%s", fault->pool);
	snprintf(text[1], sizeof(text[1]), "PAGEPOOL_CACHE=%s", fault->cache);
	snprintf(text[2], sizeof(text[2]), "PAGEPOOL_OBJECT=%#" PRIx64, fault->object);
	snprintf(text[3], sizeof(text[3]), "PAGEPOOL_BYTE=%" PRId32, fault->at);
	snprintf(text[4], sizeof(text[4]), "PAGEPOOL_EXPECTED=%#" PRIx32, fault->expected);
	snprintf(text[5], sizeof(text[5]), "PAGEPOOL_FOUND=%#" PRIx32, fault->found);
	snprintf(text[6], sizeof(text[6]), "PAGEPOOL_HOLDER=%" PRIu32, fault->holder.client);
	snprintf(text[7], sizeof(text[7]), "PAGEPOOL_HOLDER_PID=%" PRId32, fault->holder.pid);
	snprintf(text[8], sizeof(text[8]), "PAGEPOOL_PREVIOUS=%" PRIu32, fault->previous.client);
	snprintf(text[9], sizeof(text[9]), "PAGEPOOL_PREVIOUS_PID=%" PRId32, fault->previous.pid);
	for (unsigned i = 0; i < 10; i++)
		fields[i] = text[i];
	fields[10] = NULL;
	log_print_caused_with(LOG_ERR, fields, "object check %s: %s", when, line);
}
