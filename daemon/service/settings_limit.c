/* SPDX-License-Identifier: MIT */
/*
 * What a section [limit WHO] may say: settings.c goes on.
 *
 * One name may be limited in several pools, by a section each; so it is not the heading alone that
 * says which limit is meant, but the heading and the pool. Whoever reads files puts the sections
 * together when all of them have been read.
 *
 * Marks that are left out give way: no low is the min, no high is the max. Those that are given
 * must rise, and are all sizes or all percents, or it could not be seen here whether they do. A
 * limit without marks limits nothing, but counts.
 */

#include "service/settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/page.h"
#include "service/size.h"

#define CLIENT_PREFIX "client:"

static int set_pool(void *section, const char *value, char *why)
{
	struct service_limit_config *limit = section;

	if (!*value || strlen(value) > SERVICE_NAME_BYTES_MAX) {
		snprintf(why, SETTINGS_WHY_BYTES_MAX, "'%s' is no name of a pool", value);
		return SETTINGS_E_BAD;
	}
	strcpy(limit->pool, value);
	return 0;
}

static int set_min(void *section, const char *value, char *why)
{
	return settings_parse_size(value, &((struct service_limit_config *)section)->min, why);
}

static bool is_given(const struct service_size *size)
{
	return size->bytes || size->permyriad;
}

/* Who is asked to give something back, and who is spared: this version asks nobody. */
static int set_low(void *section, const char *value, char *why)
{
	struct service_size *low = &((struct service_limit_config *)section)->low;

	if (settings_parse_size(value, low, why))
		return SETTINGS_E_BAD;
	return is_given(low) ? SETTINGS_E_NO_EFFECT : 0;
}

/* A limit of nothing is hardly meant: who is to have nothing is not given access. */
static int parse_ceiling(const char *value, struct service_size *ret, char *why)
{
	struct service_size size = { 0 };

	if (strcmp(value, "none") != 0) {
		if (settings_parse_size(value, &size, why))
			return SETTINGS_E_BAD;
		if (!size.permyriad && size.bytes < PAGE_BYTES) {
			snprintf(why, SETTINGS_WHY_BYTES_MAX,
				 "'%s' is below one page of 4K: write none for no such limit",
				 value);
			return SETTINGS_E_BAD;
		}
	}
	*ret = size;
	return 0;
}

static int set_high(void *section, const char *value, char *why)
{
	struct service_size *high = &((struct service_limit_config *)section)->high;

	if (parse_ceiling(value, high, why))
		return SETTINGS_E_BAD;
	return is_given(high) ? SETTINGS_E_NO_EFFECT : 0;
}

static int set_max(void *section, const char *value, char *why)
{
	return parse_ceiling(value, &((struct service_limit_config *)section)->max, why);
}

const struct settings_key settings_limit_keys[] = {
	[SETTINGS_LIMIT_POOL] = { "pool", set_pool }, [SETTINGS_LIMIT_MIN] = { "min", set_min },
	[SETTINGS_LIMIT_LOW] = { "low", set_low },    [SETTINGS_LIMIT_HIGH] = { "high", set_high },
	[SETTINGS_LIMIT_MAX] = { "max", set_max },    [SETTINGS_LIMIT_NR_KEYS] = { NULL, NULL },
};

/* A user or group, looked up as in an access list, of which it is one word. */
static int find_who(struct service_limit_config *limit, const char *who, char *why)
{
	struct access_list list = { .nr_entries = 0 };
	const char *word = who;
	size_t size = 0;

	switch (access_list_parse(&list, who, &word, &size)) {
	case 0:
		break;
	case -ENOENT:
		snprintf(why, SETTINGS_WHY_BYTES_MAX,
			 "this host has no '%s': create it, or write uid:N or gid:N", who);
		return SETTINGS_E_BAD;
	case -EINVAL:
	case -E2BIG:
		list.nr_entries = 0;
		break;
	default:
		snprintf(why, SETTINGS_WHY_BYTES_MAX, "'%s' can't be looked up now", who);
		return SETTINGS_E_BAD;
	}
	if (list.nr_entries != 1) {
		snprintf(why, SETTINGS_WHY_BYTES_MAX,
			 "write [limit user:NAME], group:NAME, uid:N, gid:N or client:NAME");
		return SETTINGS_E_BAD;
	}
	limit->kind = list.entries[0].is_group ? SERVICE_LIMIT_GROUP : SERVICE_LIMIT_USER;
	limit->id = list.entries[0].id;
	return 0;
}

int settings_init_limit(struct service_limit_config *limit, const char *who,
			char why[SETTINGS_WHY_BYTES_MAX])
{
	const char *colon = strchr(who, ':');
	const char *name = colon ? colon + 1 : "";
	size_t size = strlen(name);

	*limit = (struct service_limit_config){ .pool = "default" };
	if (size > SERVICE_NAME_BYTES_MAX) {
		snprintf(why, SETTINGS_WHY_BYTES_MAX,
			 "a name has up to %u bytes: write uid:N or gid:N", SERVICE_NAME_BYTES_MAX);
		return SETTINGS_E_BAD;
	}
	memcpy(limit->name, name, size);
	if (size > 0 && strncmp(who, CLIENT_PREFIX, strlen(CLIENT_PREFIX)) == 0) {
		limit->kind = SERVICE_LIMIT_CLIENT;
		return 0;
	}
	return find_who(limit, who, why);
}

int settings_check_limit(const struct service_limit_config *limit, char why[SETTINGS_WHY_BYTES_MAX])
{
	const struct {
		const struct service_size *size;
		enum settings_limit_key key;
	} marks[] = {
		{ &limit->min, SETTINGS_LIMIT_MIN },
		{ &limit->low, SETTINGS_LIMIT_LOW },
		{ &limit->high, SETTINGS_LIMIT_HIGH },
		{ &limit->max, SETTINGS_LIMIT_MAX },
	};
	int last = -1;

	for (int i = 0; i < 4; i++) {
		const char *name = settings_limit_keys[marks[i].key].name;

		if (!is_given(marks[i].size))
			continue;
		if (last >= 0 && !marks[i].size->permyriad != !marks[last].size->permyriad) {
			snprintf(why, SETTINGS_WHY_BYTES_MAX,
				 "one is a size, %s a percentage: write all in one kind",
				 settings_limit_keys[marks[last].key].name);
			return (int)marks[i].key;
		}
		if (last >= 0 && (marks[i].size->bytes < marks[last].size->bytes ||
				  marks[i].size->permyriad < marks[last].size->permyriad)) {
			snprintf(why, SETTINGS_WHY_BYTES_MAX,
				 "%s is below %s: they must rise, min, low, high, max", name,
				 settings_limit_keys[marks[last].key].name);
			return (int)marks[i].key;
		}
		last = i;
	}
	return -1;
}

bool settings_is_same_limit(const struct service_limit_config *a,
			    const struct service_limit_config *b)
{
	if (a->kind != b->kind || strcmp(a->pool, b->pool) != 0)
		return false;
	return a->kind == SERVICE_LIMIT_CLIENT ? strcmp(a->name, b->name) == 0 : a->id == b->id;
}

void settings_override_limit(struct service_limit_config *limit,
			     const struct service_limit_config *from, enum settings_limit_key key)
{
	switch (key) {
	case SETTINGS_LIMIT_MIN:
		limit->min = from->min;
		break;
	case SETTINGS_LIMIT_LOW:
		limit->low = from->low;
		break;
	case SETTINGS_LIMIT_HIGH:
		limit->high = from->high;
		break;
	case SETTINGS_LIMIT_MAX:
		limit->max = from->max;
		break;
	case SETTINGS_LIMIT_POOL: /* the same in both */
	case SETTINGS_LIMIT_NR_KEYS:
		break;
	}
}

const char *settings_limit_kind_name(enum service_limit_kind kind)
{
	static const char *const names[] = {
		[SERVICE_LIMIT_USER] = "user",
		[SERVICE_LIMIT_GROUP] = "group",
		[SERVICE_LIMIT_CLIENT] = "client",
	};

	return names[kind];
}
