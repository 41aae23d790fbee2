/* SPDX-License-Identifier: MIT */
/*
 * What is left to say when all files have been read: whether keys fit together, and what the limits
 * come to.
 *
 * A limit may have several sections: one for each of several pools, and one in each of several
 * files. A later one for the same pool goes over the earlier, key by key, as with other sections;
 * only then is it known which limits there are, and how many.
 */

#include "config_parser.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "service/settings.h"

/* Where a key was left to its default the section itself is to blame. */
static struct place place_of(const struct section *section, int key)
{
	return section->set[key].file ? section->set[key] : section->opened;
}

static void check_pools(struct parser *parser)
{
	for (size_t i = 0; i < parser->nr_sections; i++) {
		struct section *section = &parser->sections[i];
		char why[SETTINGS_WHY_BYTES_MAX];
		int key;

		if (section->keys != settings_pool_keys)
			continue;
		key = settings_check_pool(section->values, why);
		if (key >= 0)
			parser_complain(parser, place_of(section, key), section,
					settings_pool_keys[key].name, "%s", why);
	}
}

/* The first section of the same limit, which may be this one. */
static struct section *find_limit(struct parser *parser, const struct section *section)
{
	struct section *first = parser->sections;

	while (first->keys != settings_limit_keys ||
	       !settings_is_same_limit(first->values, section->values))
		first++;
	return first;
}

/* A section of a limit that has been named before. */
static void override_limit(struct parser *parser, struct section *first,
			   const struct section *section)
{
	if (first->opened.file == section->opened.file)
		parser_complain(parser, section->opened, section, NULL,
				"is here twice for this pool, first in line %u",
				first->opened.line);
	for (int key = 0; key < SETTINGS_LIMIT_NR_KEYS; key++) {
		if (!section->set[key].file)
			continue;
		settings_override_limit(first->values, section->values,
					(enum settings_limit_key)key);
		first->set[key] = section->set[key];
	}
	first->opened = section->opened;
}

static bool has_pool(const struct parser *parser, const char *name)
{
	for (size_t i = 0; i < parser->nr_pools; i++)
		if (strcmp(parser->pools[i].name, name) == 0)
			return true;
	return false;
}

static size_t count_limits(const struct service_config *config, const char *pool)
{
	size_t nr_limits = 0;

	for (size_t i = 0; i < config->nr_limits; i++)
		nr_limits += strcmp(config->limits[i].pool, pool) == 0;
	return nr_limits;
}

static void take_limit(struct parser *parser, const struct section *section)
{
	const struct service_limit_config *limit = section->values;
	struct service_config *config = parser->config;
	char why[SETTINGS_WHY_BYTES_MAX];
	int key = settings_check_limit(limit, why);

	if (key >= 0)
		parser_complain(parser, place_of(section, key), section,
				settings_limit_keys[key].name, "%s", why);
	if (!has_pool(parser, limit->pool))
		parser_complain(parser, place_of(section, SETTINGS_LIMIT_POOL), section, "pool",
				"there is no pool '%s'", limit->pool);
	else if (count_limits(config, limit->pool) == SERVICE_POOL_LIMITS_MAX)
		parser_complain(parser, section->opened, section, NULL,
				"more than %u limits of pool '%s'", SERVICE_POOL_LIMITS_MAX,
				limit->pool);
	config->limits[config->nr_limits++] = *limit;
}

/* Puts the sections of limits together and checks what they come to. */
static int take_limits(struct parser *parser)
{
	struct service_config *config = parser->config;

	if (parser->nr_limits == 0)
		return 0;
	config->limits = calloc(parser->nr_limits, sizeof(*config->limits));
	if (!config->limits)
		return -ENOMEM;
	for (size_t i = 0; i < parser->nr_sections; i++) {
		struct section *section = &parser->sections[i];
		struct section *first;

		if (section->keys != settings_limit_keys)
			continue;
		first = find_limit(parser, section);
		if (first != section)
			override_limit(parser, first, section);
	}
	for (size_t i = 0; i < parser->nr_sections; i++) {
		const struct section *section = &parser->sections[i];

		if (section->keys == settings_limit_keys && find_limit(parser, section) == section)
			take_limit(parser, section);
	}
	return 0;
}

int parser_check(struct parser *parser)
{
	check_pools(parser);
	return take_limits(parser);
}
