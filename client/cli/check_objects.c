/* SPDX-License-Identifier: MIT */
/*
 * pagepoolctl check --objects: has the daemon look at the bytes that belong to nobody in its debug
 * caches, those between objects and those of free ones, and tells who may have written there.
 *
 * That is most likely whoever holds the object, or held it last, so each fault names both. Like a
 * list it comes in parts and nothing of it is kept: one client with a wrong idea of an object's
 * size makes a fault of every object that it has.
 */

#include "cli/check_objects.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/connection.h"
#include "cli/document.h"
#include "cli/list.h"
#include "cli/options.h"
#include "cli/text.h"

struct findings {
	bool json, begun;
	struct document_stream stream;
	uint64_t nr_objects, nr_faults;
};

/* Of one that is gone, its name is not known any more, and its pid not for long. */
static void print_party(const char *role, const struct message_party *party)
{
	char name[TEXT_BYTES_MAX];

	if (party->client == 0)
		return;
	printf("  %s client %" PRIu32, role, party->client);
	text_escape(party->name, name, sizeof(name));
	if (name[0] != '\0')
		printf(", %s", name);
	if (party->pid != 0)
		printf(", pid %" PRId32, party->pid);
	puts(party->gone ? ", which is gone" : "");
}

static void print_fault(const struct message_object_fault *fault)
{
	char pool[TEXT_BYTES_MAX], cache[TEXT_BYTES_MAX], what[TEXT_BYTES_MAX];

	text_escape(fault->pool, pool, sizeof(pool));
	text_escape(fault->cache, cache, sizeof(cache));
	text_escape(fault->what, what, sizeof(what));
	printf("Pool %s, cache %s, object 0x%016" PRIx64 ": %s\n", pool, cache, fault->object,
	       what);
	printf("  byte %" PRId32 ": expected %02" PRIx32 ", found %02" PRIx32 "\n", fault->at,
	       fault->expected, fault->found);
	if (fault->holder.client == 0)
		puts("  free");
	print_party("held by", &fault->holder);
	print_party("held before by", &fault->previous);
}

static json_t *party_document(const struct message_party *party)
{
	if (party->client == 0)
		return json_null();
	return json_pack("{s:I, s:s, s:i, s:b}", "client", (json_int_t)party->client, "name",
			 party->name, "pid", party->pid, "gone", party->gone);
}

static json_t *fault_document(const struct message_object_fault *fault)
{
	return json_pack("{s:s, s:s, s:o, s:i, s:I, s:I, s:s, s:o, s:o}", "pool", fault->pool,
			 "cache", fault->cache, "object", document_number(fault->object), "at",
			 fault->at, "expected", (json_int_t)fault->expected, "found",
			 (json_int_t)fault->found, "what", fault->what, "holder",
			 party_document(&fault->holder), "previous",
			 party_document(&fault->previous));
}

static enum command_exit take_part(const struct message *part, void *data)
{
	struct findings *findings = data;
	enum command_exit outcome = COMMAND_DONE;
	size_t nr_faults = part->u.object_faults.nr_faults;

	if (findings->json && !findings->begun)
		document_stream_begin(&findings->stream, "faults");
	findings->begun = true;
	for (size_t i = 0; i < nr_faults && outcome == COMMAND_DONE; i++) {
		const struct message_object_fault *fault = &part->u.object_faults.faults[i];

		if (findings->json)
			outcome = document_stream_add(&findings->stream, fault_document(fault));
		else
			print_fault(fault);
	}
	findings->nr_objects += part->u.object_faults.objects;
	findings->nr_faults += nr_faults;
	return outcome;
}

static void print_end(const struct findings *findings)
{
	if (findings->json)
		document_stream_end(&findings->stream, "objects", findings->nr_objects);
	else if (findings->nr_faults > 0)
		printf("%" PRIu64 " objects checked: %" PRIu64 " fault%s\n", findings->nr_objects,
		       findings->nr_faults, findings->nr_faults == 1 ? "" : "s");
	else if (findings->nr_objects > 0)
		printf("%" PRIu64 " objects checked: no fault\n", findings->nr_objects);
	else
		puts("no objects of debug caches to check");
}

enum command_exit check_objects_run(struct connection *connection, const struct options *options)
{
	struct message request = { .type = MESSAGE_CHECK_OBJECTS };
	struct findings findings = { .json = options->json };
	enum command_exit outcome;

	request.u.check_objects.pool = options->pool ? options->pool : "";
	outcome = list_walk(connection, &request, take_part, &findings);
	if (outcome != COMMAND_DONE)
		return outcome;
	print_end(&findings);
	return findings.nr_faults > 0 ? COMMAND_REFUSED : COMMAND_DONE;
}
