/* SPDX-License-Identifier: MIT */
/*
 * Reading the command line.
 *
 * Options may stand before or after the command, so all of them are read in one pass and main()
 * asks afterwards whether the command understands what was given, and given together. Values are
 * checked here: what reaches the daemon makes sense, and what makes none is a usage error rather
 * than the daemon's no.
 */

#include "cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>

#include "cli/complain.h"
#include "pagepool.h"
#include "proto/message.h"
#include "proto/text.h"

enum {
	LONG_SOCKET = 256,
	LONG_JSON,
	LONG_VERSION,
	LONG_CLIENT,
	LONG_POOL,
	LONG_COUNT,
	LONG_IN_THE_WAY,
	LONG_NODE,
	LONG_OBJECTS
};

static const struct option long_options[] = {
	{ "socket", required_argument, NULL, LONG_SOCKET },
	{ "json", no_argument, NULL, LONG_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, LONG_VERSION },
	{ "client", required_argument, NULL, LONG_CLIENT },
	{ "pool", required_argument, NULL, LONG_POOL },
	{ "count", required_argument, NULL, LONG_COUNT },
	{ "in-the-way", required_argument, NULL, LONG_IN_THE_WAY },
	{ "node", required_argument, NULL, LONG_NODE },
	{ "objects", no_argument, NULL, LONG_OBJECTS },
	{ NULL, 0, NULL, 0 },
};

static bool parse_number(const char *option, const char *text, uint32_t min, uint32_t max,
			 uint32_t *ret)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 || n < min || n > max) {
		complain("%s wants a number from %u to %u, not '%s'", option, min, max, text);
		return false;
	}
	*ret = (uint32_t)n;
	return true;
}

static bool parse_socket(const char *text, const char **ret)
{
	if (text[0] == '\0') {
		complain("--socket wants a path");
		return false;
	}
	*ret = text;
	return true;
}

static bool parse_pool(const char *text, const char **ret)
{
	if (text[0] == '\0' || !text_is_printable(text, MESSAGE_NAME_BYTES_MAX)) {
		complain("--pool wants a name of 1 to %u bytes of printable UTF-8",
			 MESSAGE_NAME_BYTES_MAX);
		return false;
	}
	*ret = text;
	return true;
}

static bool add_word(struct options *options, const char *word)
{
	if (options->nr_words == OPTIONS_WORDS_MAX) {
		complain("what is '%s'? One command at a time", word);
		return false;
	}
	options->words[options->nr_words++] = word;
	return true;
}

static bool take_option(struct options *options, int option)
{
	switch (option) {
	case 1:
		return add_word(options, optarg);
	case LONG_SOCKET:
		return parse_socket(optarg, &options->socket);
	case LONG_JSON:
		options->json = true;
		return true;
	case LONG_VERSION:
		options->version = true;
		return true;
	case 'h':
		options->help = true;
		return true;
	case LONG_CLIENT:
		options->given |= OPTION_CLIENT;
		return parse_number("--client", optarg, 1, UINT32_MAX, &options->client);
	case LONG_POOL:
		options->given |= OPTION_POOL;
		return parse_pool(optarg, &options->pool);
	case LONG_COUNT:
		options->given |= OPTION_COUNT;
		return parse_number("--count", optarg, 1, OPTIONS_COUNT_MAX, &options->count);
	case LONG_IN_THE_WAY:
		options->given |= OPTION_IN_THE_WAY;
		return parse_number("--in-the-way", optarg, OPTIONS_IN_THE_WAY_ORDER_MIN,
				    PP_ORDER_MAX, &options->order);
	case LONG_NODE:
		options->given |= OPTION_NODE;
		return parse_number("--node", optarg, 0, UINT32_MAX, &options->node);
	case LONG_OBJECTS:
		options->given |= OPTION_OBJECTS;
		return true;
	default:
		return false; /* getopt has said why */
	}
}

bool options_parse(struct options *options, int argc, char **argv)
{
	int option;

	*options = (struct options){ .count = OPTIONS_COUNT_DEFAULT };
	/* The leading '-' gives words in their place, as option 1, whatever POSIXLY_CORRECT says.
	 */
	while ((option = getopt_long(argc, argv, "-h", long_options, NULL)) != -1)
		if (!take_option(options, option))
			return false;
	for (; optind < argc; optind++)
		if (!add_word(options, argv[optind]))
			return false;
	return true;
}
