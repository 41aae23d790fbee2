/* SPDX-License-Identifier: MIT */
/*
 * pagepoolctl check: has the daemon compare its ledger, which is the truth, with the index that it
 * derived from it; or, with --objects, look for what clients wrote where they may not. A fault ends
 * the program with 1, so that scripts can rely on it.
 */

#include <inttypes.h>
#include <stdio.h>

#include "cli/check_objects.h"
#include "cli/connection.h"
#include "cli/document.h"
#include "cli/options.h"
#include "cli/text.h"

static void print_for_people(uint64_t pages, uint64_t faults, const char *first)
{
	char first_text[TEXT_BYTES_MAX];

	if (faults == 0) {
		printf("%" PRIu64 " pages checked: no fault\n", pages);
		return;
	}
	text_escape(first, first_text, sizeof(first_text));
	printf("%" PRIu64 " pages checked: %" PRIu64 " fault%s, first: %s\n", pages, faults,
	       faults == 1 ? "" : "s", first_text);
}

const char *check_conflict(const struct options *options)
{
	if (options->given & OPTION_POOL && !(options->given & OPTION_OBJECTS))
		return "--pool goes with --objects only: the ledgers of all pools are checked";
	return NULL;
}

static enum command_exit check_ledgers(struct connection *connection, bool json)
{
	struct message request = { .type = MESSAGE_CHECK };
	const struct message *reply;
	enum command_exit outcome = connection_ask(connection, &request, &reply);
	uint64_t pages, faults;

	if (outcome != COMMAND_DONE)
		return outcome;
	pages = reply->u.check_result.pages;
	faults = reply->u.check_result.faults;
	if (json)
		outcome = document_print(
			json_pack("{s:o, s:o, s:s}", "pages", document_number(pages), "faults",
				  document_number(faults), "first", reply->u.check_result.first));
	else
		print_for_people(pages, faults, reply->u.check_result.first);
	return faults > 0 ? COMMAND_REFUSED : outcome;
}

enum command_exit check_run(struct connection *connection, const struct options *options)
{
	if (options->given & OPTION_OBJECTS)
		return check_objects_run(connection, options);
	return check_ledgers(connection, options->json);
}
