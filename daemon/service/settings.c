/* SPDX-License-Identifier: MIT */
/*
 * What may be configured.
 *
 * A table a section, a setter a key. A setter knows nothing of files and lines: it takes the text,
 * sets its field, or says in one sentence what is wrong and what would be right. Whoever reads the
 * file adds the place.
 *
 * Keys that this version does not act on are parsed like the others and answered with
 * SETTINGS_E_NO_EFFECT, unless they ask for nothing: they must not look as if they worked.
 */

#include "service/settings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <syslog.h>

#include "core/page.h"
#include "core/zone.h"
#include "service/size.h"

#define SETTINGS_PAGEBLOCK_BYTES (PAGE_BYTES << 9)
#define WORD_BYTES_MAX 64u
#define CHOICES_BYTES_MAX 128u
#define SOCKET_PATH_BYTES_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

__attribute__((format(printf, 2, 3))) static int bad(char *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, SETTINGS_WHY_BYTES_MAX, format, args);
	va_end(args);
	return SETTINGS_E_BAD;
}

/* Values. */

int settings_parse_size(const char *value, struct service_size *ret,
			char why[SETTINGS_WHY_BYTES_MAX])
{
	switch (size_parse(value, ret)) {
	case 0:
		return 0;
	case -ERANGE:
		return bad(why, "'%s' is too large", value);
	default:
		return bad(why, "'%s' is no size: write 512M, 64G or 10%%", value);
	}
}

static int parse_number(const char *value, unsigned min, unsigned max, unsigned *ret, char *why)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || errno || number < min || number > max)
		return bad(why, "'%s' is no number from %u to %u", value, min, max);
	*ret = (unsigned)number;
	return 0;
}

/* *ret is the position of `value` in choices, which is also what the enum counts. */
static int parse_choice(const char *value, const char *const *choices, unsigned *ret, char *why)
{
	char list[CHOICES_BYTES_MAX] = "";
	size_t size = 0;

	for (unsigned i = 0; choices[i]; i++) {
		if (strcmp(value, choices[i]) == 0) {
			*ret = i;
			return 0;
		}
		size += (size_t)snprintf(list + size, sizeof(list) - size, "%s%s", i ? ", " : "",
					 choices[i]);
	}
	return bad(why, "'%s' is none of: %s", value, list);
}

/* "N" or "N-M" at *text, which it passes. */
static bool parse_node_range(const char **text, unsigned *ret_first, unsigned *ret_last)
{
	char *end;

	for (unsigned *ret = ret_first;; ret = ret_last) {
		unsigned long node;

		if (**text < '0' || **text > '9')
			return false;
		node = strtoul(*text, &end, 10);
		if (node >= SERVICE_NODES_MAX)
			return false;
		*ret = (unsigned)node;
		*text = end;
		if (ret == ret_last)
			return *ret_first <= *ret_last;
		if (*end != '-')
			break;
		(*text)++;
	}
	*ret_last = *ret_first;
	return true;
}

/* "0,2-3" as bits. */
static bool parse_node_list(const char *text, uint64_t *ret)
{
	uint64_t nodes = 0;

	for (;; text++) {
		unsigned first, last;

		if (!parse_node_range(&text, &first, &last))
			return false;
		nodes |= UINT64_MAX >> (63 - (last - first)) << first;
		if (*text != ',')
			break;
	}
	*ret = nodes;
	return *text == '\0';
}

/* [daemon] */

int settings_check_socket_path(const char *path, char why[SETTINGS_WHY_BYTES_MAX])
{
	if (path[0] == '/' && strlen(path) <= SOCKET_PATH_BYTES_MAX)
		return 0;
	return bad(why, "'%s' must be an absolute path of up to %zu bytes", path,
		   SOCKET_PATH_BYTES_MAX);
}

static int set_socket(void *section, const char *value, char *why)
{
	struct service_config *daemon = section;
	char *path;

	if (settings_check_socket_path(value, why))
		return SETTINGS_E_BAD;
	path = strdup(value);
	if (!path)
		return bad(why, "no memory for '%s'", value);
	free(daemon->socket_path);
	daemon->socket_path = path;
	return 0;
}

static int set_metrics(void *section, const char *value, char *why)
{
	const char *port = strrchr(value, ':');
	unsigned number;
	int error;

	(void)section;
	if (strcmp(value, "off") == 0)
		return 0;
	if (strncmp(value, "unix:", 5) == 0)
		error = settings_check_socket_path(value + 5, why);
	else if (port && port > value)
		error = parse_number(port + 1, 1, UINT16_MAX, &number, why);
	else
		error = bad(why, "'%s' is not off, HOST:PORT or unix:PATH", value);
	return error ? error : SETTINGS_E_NO_EFFECT;
}

static int set_topology(void *section, const char *value, char *why)
{
	struct service_config *daemon = section;

	if (strncmp(value, "fake:", 5) == 0)
		return parse_number(value + 5, 1, SERVICE_NODES_MAX, &daemon->fake_nodes, why);
	if (strcmp(value, "host") != 0)
		return bad(why, "'%s' is not host or fake:N", value);
	daemon->fake_nodes = 0;
	return 0;
}

static int set_log_level(void *section, const char *value, char *why)
{
	static const char *const names[] = { "error", "warning", "notice", "info", "debug", NULL };
	struct service_config *daemon = section;
	unsigned choice;

	if (parse_choice(value, names, &choice, why))
		return SETTINGS_E_BAD;
	daemon->log_level = LOG_ERR + (int)choice;
	return 0;
}

const struct settings_key settings_daemon_keys[] = {
	{ "socket", set_socket },
	{ "metrics", set_metrics },
	{ "topology", set_topology },
	{ "log_level", set_log_level },
	{ NULL, NULL },
};

/* [pool NAME] */

static int parse_access(const char *value, struct access_list *list, char *why)
{
	const char *word = value;
	size_t size = 0;

	switch (access_list_parse(list, value, &word, &size)) {
	case 0:
		return 0;
	case -EINVAL:
		return bad(why, "'%.*s' is not user:NAME, group:NAME, uid:N or gid:N", (int)size,
			   word);
	case -ENOENT:
		return bad(why, "this host has no '%.*s': create it, or write uid:N or gid:N",
			   (int)size, word);
	case -E2BIG:
		return bad(why, "more than %u names: use a group", ACCESS_ENTRIES_MAX);
	default:
		return bad(why, "'%.*s' can't be looked up now", (int)size, word);
	}
}

static int set_access(void *section, const char *value, char *why)
{
	return parse_access(value, &((struct service_pool_config *)section)->access, why);
}

static int set_read_access(void *section, const char *value, char *why)
{
	return parse_access(value, &((struct service_pool_config *)section)->read_access, why);
}

/* What a part of a node comes to is not known here: pools_init() holds that to the same limit. */
static int set_size(void *section, const char *value, char *why)
{
	const struct service_size largest = { .bytes = (uint64_t)ZONE_PAGES_MAX << PAGE_SHIFT };
	struct service_pool_config *pool = section;
	char text[SIZE_TEXT_BYTES_MAX];
	struct service_size size;

	if (settings_parse_size(value, &size, why))
		return SETTINGS_E_BAD;
	if (!size.permyriad && !size.bytes)
		return bad(why, "'%s' is nothing: write 512M, 64G or 10%%", value);
	if (size.bytes > largest.bytes)
		return bad(why, "'%s' is above %s, the largest zone", value,
			   size_format(&largest, text));
	pool->size = size;
	return 0;
}

static int set_nodes(void *section, const char *value, char *why)
{
	struct service_pool_config *pool = section;
	uint64_t nodes = UINT64_MAX;

	if (strcmp(value, "all") != 0 && !parse_node_list(value, &nodes))
		return bad(why, "'%s' is neither all nor a list of nodes such as 0,2-3, up to %u",
			   value, SERVICE_NODES_MAX - 1);
	pool->nodes = nodes;
	return 0;
}

static int set_hugepages(void *section, const char *value, char *why)
{
	static const char *const names[] = { "off", "2M", "1G", NULL };
	static const uint64_t page_bytes[] = { PAGE_BYTES, UINT64_C(2) << 20, UINT64_C(1) << 30 };
	struct service_pool_config *pool = section;
	unsigned choice;

	if (parse_choice(value, names, &choice, why))
		return SETTINGS_E_BAD;
	pool->page_bytes = page_bytes[choice];
	return 0;
}

static int set_contiguous(void *section, const char *value, char *why)
{
	struct service_pool_config *pool = section;
	struct service_size size;

	if (settings_parse_size(value, &size, why))
		return SETTINGS_E_BAD;
	if (!size.permyriad && size.bytes % SETTINGS_PAGEBLOCK_BYTES)
		return bad(why, "'%s' is not a multiple of 2M, of which such an area consists",
			   value);
	pool->contiguous = size;
	return 0;
}

static int set_max_order(void *section, const char *value, char *why)
{
	return parse_number(value, 0, PAGE_ORDER_MAX,
			    &((struct service_pool_config *)section)->max_order, why);
}

static bool is_below(const struct service_size *a, const struct service_size *b)
{
	return a->permyriad < b->permyriad || (a->permyriad == b->permyriad && a->bytes < b->bytes);
}

static bool is_same_kind(const struct service_size *a, const struct service_size *b)
{
	return !a->permyriad == !b->permyriad;
}

static int set_watermark(void *section, const char *value, char *why)
{
	struct service_pool_config *pool = section;
	char words[3][WORD_BYTES_MAX], more[2];
	struct service_size sizes[3];

	if (sscanf(value, "%63s %63s %63s %1s", words[0], words[1], words[2], more) != 3)
		return bad(why, "'%s' is not three sizes, min low high: write 1%% 2%% 4%%", value);
	for (unsigned i = 0; i < 3; i++)
		if (settings_parse_size(words[i], &sizes[i], why))
			return SETTINGS_E_BAD;
	if (!is_same_kind(&sizes[0], &sizes[1]) || !is_same_kind(&sizes[1], &sizes[2]))
		return bad(why, "'%s' mixes sizes and percents: write three of one kind", value);
	if (!is_below(&sizes[0], &sizes[1]) || !is_below(&sizes[1], &sizes[2]))
		return bad(why, "'%s' does not rise: min must be below low, low below high", value);
	pool->watermark_min = sizes[0];
	pool->watermark_low = sizes[1];
	pool->watermark_high = sizes[2];
	return 0;
}

static const char *const commit_names[] = { "grant", "start", "touch", NULL };
static const char *const scrub_names[] = { "uid", "always", "never", NULL };

static int set_commit(void *section, const char *value, char *why)
{
	struct service_pool_config *pool = section;
	unsigned choice;

	if (parse_choice(value, commit_names, &choice, why))
		return SETTINGS_E_BAD;
	pool->commit = (enum service_commit)choice;
	return 0;
}

static int set_scrub(void *section, const char *value, char *why)
{
	struct service_pool_config *pool = section;
	unsigned choice;

	if (parse_choice(value, scrub_names, &choice, why))
		return SETTINGS_E_BAD;
	pool->scrub = (enum service_scrub)choice;
	return 0;
}

static int set_oom(void *section, const char *value, char *why)
{
	static const char *const names[] = { "fail", "revoke", "kill", NULL };
	unsigned choice;

	(void)section;
	if (parse_choice(value, names, &choice, why))
		return SETTINGS_E_BAD;
	return choice == 0 ? 0 : SETTINGS_E_NO_EFFECT;
}

static int set_debug_objects(void *section, const char *value, char *why)
{
	static const char *const names[] = { "no", "yes", NULL };
	struct service_pool_config *pool = section;
	unsigned choice;

	if (parse_choice(value, names, &choice, why))
		return SETTINGS_E_BAD;
	pool->debug_objects = choice;
	return 0;
}

const struct settings_key settings_pool_keys[] = {
	[SETTINGS_POOL_ACCESS] = { "access", set_access },
	[SETTINGS_POOL_READ_ACCESS] = { "read_access", set_read_access },
	[SETTINGS_POOL_SIZE] = { "size", set_size },
	[SETTINGS_POOL_NODES] = { "nodes", set_nodes },
	[SETTINGS_POOL_HUGEPAGES] = { "hugepages", set_hugepages },
	[SETTINGS_POOL_CONTIGUOUS] = { "contiguous", set_contiguous },
	[SETTINGS_POOL_MAX_ORDER] = { "max_order", set_max_order },
	[SETTINGS_POOL_WATERMARK] = { "watermark", set_watermark },
	[SETTINGS_POOL_COMMIT] = { "commit", set_commit },
	[SETTINGS_POOL_SCRUB] = { "scrub", set_scrub },
	[SETTINGS_POOL_OOM] = { "oom", set_oom },
	[SETTINGS_POOL_DEBUG_OBJECTS] = { "debug_objects", set_debug_objects },
	[SETTINGS_POOL_NR_KEYS] = { NULL, NULL },
};

void settings_init_pool(struct service_pool_config *pool, const char *name)
{
	*pool = (struct service_pool_config){
		.size = { .bytes = UINT64_C(256) << 20 },
		.nodes = UINT64_MAX,
		.page_bytes = PAGE_BYTES,
		.max_order = PAGE_ORDER_MAX,
		.watermark_min = { .permyriad = 100 },
		.watermark_low = { .permyriad = 200 },
		.watermark_high = { .permyriad = 400 },
		.commit = SERVICE_COMMIT_GRANT,
		.scrub = SERVICE_SCRUB_UID,
	};
	snprintf(pool->name, sizeof(pool->name), "%s", name);
}

int settings_check_pool(const struct service_pool_config *pool, char why[SETTINGS_WHY_BYTES_MAX])
{
	const struct service_size page = { .bytes = pool->page_bytes };
	char size[SIZE_TEXT_BYTES_MAX], page_size[SIZE_TEXT_BYTES_MAX];

	size_format(&pool->size, size);
	size_format(&page, page_size);
	if (pool->size.permyriad)
		return -1;
	if (pool->size.bytes % pool->page_bytes != 0) {
		bad(why, "%s is not a multiple of the page of %s", size, page_size);
		return SETTINGS_POOL_SIZE;
	}
	if (pool->contiguous.bytes > pool->size.bytes) {
		bad(why, "is larger than the pool's size of %s", size);
		return SETTINGS_POOL_CONTIGUOUS;
	}
	if (pool->watermark_high.bytes > pool->size.bytes) {
		bad(why, "high is above the pool's size of %s", size);
		return SETTINGS_POOL_WATERMARK;
	}
	return -1;
}

int settings_find(const struct settings_key *keys, const char *name)
{
	for (int i = 0; keys[i].name; i++)
		if (strcmp(keys[i].name, name) == 0)
			return i;
	return -1;
}

void settings_say_keys(const struct settings_key *keys, char why[SETTINGS_WHY_BYTES_MAX])
{
	size_t size = (size_t)snprintf(why, SETTINGS_WHY_BYTES_MAX, "no such key: there are ");

	for (int i = 0; keys[i].name && size < SETTINGS_WHY_BYTES_MAX; i++)
		size += (size_t)snprintf(why + size, SETTINGS_WHY_BYTES_MAX - size, "%s%s",
					 i ? ", " : "", keys[i].name);
}

const char *settings_commit_name(enum service_commit commit)
{
	return commit_names[commit];
}

const char *settings_scrub_name(enum service_scrub scrub)
{
	return scrub_names[scrub];
}
