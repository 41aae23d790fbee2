/* SPDX-License-Identifier: MIT */
/*
 * The configuration's files.
 *
 * Two passes. While files are read, sections open drafts and each key goes to its setter
 * (service/settings.h); every section remembers where each of its keys was last set. When all files
 * have been read, what concerns several keys is checked (config_check.c), and told at the key that
 * is to be changed. Errors are written as they are found and counted, so that one run tells them
 * all.
 *
 * A later file overrides an earlier one key by key. Within one file a section or a key that comes
 * twice is a mistake; only access lists, which may be longer than a line, add up there. A limit is
 * known by its heading and its pool, which comes below the heading: so each of its sections is read
 * as one of its own, and those that mean the same are put together at the end.
 */

#include "config.h"
#include "config_parser.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "service/inifile.h"
#include "service/settings.h"
#include "service/size.h"

void parser_complain(struct parser *parser, struct place place, const struct section *section,
		     const char *key, const char *format, ...)
{
	va_list args;

	fprintf(parser->messages, "%s:%u: ", parser->paths[place.file], place.line);
	if (section)
		fprintf(parser->messages, "[%s] ", section->heading);
	if (key)
		fprintf(parser->messages, "%s: ", key);
	va_start(args, format);
	vfprintf(parser->messages, format, args);
	va_end(args);
	fputc('\n', parser->messages);
	parser->nr_errors++;
}

static void warn_no_effect(struct parser *parser, unsigned line, const char *key)
{
	fprintf(parser->messages, "%s:%u: warning: [%s] %s: has no effect in this version\n",
		parser->paths[parser->file], line, parser->section->heading, key);
}

/* Sections. */

static struct section *find_section(struct parser *parser, const char *heading)
{
	for (size_t i = 0; i < parser->nr_sections; i++)
		if (parser->sections[i].keys != settings_limit_keys &&
		    strcmp(parser->sections[i].heading, heading) == 0)
			return &parser->sections[i];
	return NULL;
}

static struct section *add_section(struct parser *parser, const char *heading,
				   const struct settings_key *keys, void *values)
{
	struct section *section = &parser->sections[parser->nr_sections++];

	snprintf(section->heading, sizeof(section->heading), "%s", heading);
	section->keys = keys;
	section->values = values;
	return section;
}

static bool is_pool_name(const char *name)
{
	size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789._-");

	return size > 0 && size <= SERVICE_NAME_BYTES_MAX && name[size] == '\0';
}

static const char *add_pool(struct parser *parser, const char *heading)
{
	const char *name = heading + strlen("pool ");
	struct service_pool_config *pool = &parser->pools[parser->nr_pools];

	if (!is_pool_name(name))
		return "a pool's name is 1 to 63 letters, digits, '.', '_' and '-'";
	if (parser->nr_pools == SERVICE_POOLS_MAX)
		return "more than 16 pools";
	settings_init_pool(pool, name);
	parser->nr_pools++;
	parser->section = add_section(parser, heading, settings_pool_keys, pool);
	return NULL;
}

static const char *add_limit(struct parser *parser, const char *heading,
			     char why[SETTINGS_WHY_BYTES_MAX])
{
	struct service_limit_config *limit = &parser->limits[parser->nr_limits];

	if (parser->nr_limits == CONFIG_LIMITS_MAX)
		return "more than 1024 sections with limits";
	if (settings_init_limit(limit, heading + strlen("limit "), why))
		return why;
	parser->nr_limits++;
	parser->section = add_section(parser, heading, settings_limit_keys, limit);
	return NULL;
}

/* Opens a section that no file has named before; NULL, or what is wrong with it, perhaps in `why`.
 */
static const char *open_new_section(struct parser *parser, const char *heading,
				    char why[SETTINGS_WHY_BYTES_MAX])
{
	if (strncmp(heading, "pool ", 5) == 0)
		return add_pool(parser, heading);
	if (strncmp(heading, "limit ", 6) == 0)
		return add_limit(parser, heading, why);
	return "no such section: there are [daemon], [pool NAME] and [limit KIND:NAME]";
}

static void on_section(void *data, unsigned line, const char *heading)
{
	struct parser *parser = data;
	struct place here = { parser->file, line };
	char why[SETTINGS_WHY_BYTES_MAX];
	const char *wrong = NULL;

	parser->section = find_section(parser, heading);
	if (!parser->section)
		wrong = open_new_section(parser, heading, why);
	else if (parser->section->opened.file == here.file)
		parser_complain(parser, here, parser->section, NULL,
				"is here twice, first in line %u", parser->section->opened.line);
	if (wrong) {
		parser->section = &parser->unknown;
		snprintf(parser->unknown.heading, sizeof(parser->unknown.heading), "%s", heading);
		parser_complain(parser, here, parser->section, NULL, "%s", wrong);
	}
	parser->section->opened = here;
}

/* Keys. */

static struct access_list *list_of(const struct section *section, int key)
{
	struct service_pool_config *pool = section->values;

	if (section->keys != settings_pool_keys)
		return NULL;
	if (key == SETTINGS_POOL_ACCESS)
		return &pool->access;
	return key == SETTINGS_POOL_READ_ACCESS ? &pool->read_access : NULL;
}

static void set_key(struct parser *parser, int key, const char *value, struct place here)
{
	struct section *section = parser->section;
	const char *name = section->keys[key].name;
	struct access_list *list = list_of(section, key);
	bool is_repeated = section->set[key].file == here.file;
	char why[SETTINGS_WHY_BYTES_MAX];

	if (is_repeated && !list) {
		parser_complain(parser, here, section, name, "is here twice, first in line %u",
				section->set[key].line);
		return;
	}
	if (list && !is_repeated)
		list->nr_entries = 0; /* another file's */
	section->set[key] = here;
	switch (section->keys[key].set(section->values, value, why)) {
	case SETTINGS_E_BAD:
		parser_complain(parser, here, section, name, "%s", why);
		break;
	case SETTINGS_E_NO_EFFECT:
		warn_no_effect(parser, here.line, name);
		break;
	}
}

static void on_key(void *data, unsigned line, const char *key, const char *value)
{
	struct parser *parser = data;
	struct section *section = parser->section;
	struct place here = { parser->file, line };
	char why[SETTINGS_WHY_BYTES_MAX];
	int position;

	if (!section) {
		parser_complain(parser, here, NULL, key,
				"belongs into a section: put [daemon], [pool NAME] or "
				"[limit KIND:NAME] above it");
		return;
	}
	if (!section->keys)
		return; /* the section has been complained about */
	position = settings_find(section->keys, key);
	if (position < 0) {
		settings_say_keys(section->keys, why);
		parser_complain(parser, here, section, key, "%s", why);
		return;
	}
	set_key(parser, position, value, here);
}

static void on_error(void *data, unsigned line, const char *what)
{
	struct parser *parser = data;

	parser_complain(parser, (struct place){ parser->file, line }, parser->section, NULL, "%s",
			what);
}

/* Files. */

static void complain_unreadable(const struct parser *parser, const char *path, int error)
{
	const char *advice = "";

	if (parser->file == 1 && error == -ENOENT)
		advice = ": copy the example pagepoold.conf there, or start without --config";
	else if (error == -EACCES)
		advice = ": let the daemon's user read it";
	fprintf(parser->messages, "pagepoold: %s: %s%s\n", path,
		error == -ENOTSUP ? "not a regular file" : strerror(-error), advice);
}

static int read_file(struct parser *parser, const char *path)
{
	static const struct inifile_events events = { on_section, on_key, on_error };
	int error;

	if (parser->file == CONFIG_FILES_MAX) {
		fprintf(parser->messages, "pagepoold: %s: more than %u files\n", path,
			CONFIG_FILES_MAX);
		return -E2BIG;
	}
	parser->paths[++parser->file] = strdup(path);
	if (!parser->paths[parser->file])
		return -ENOMEM;
	parser->section = NULL;
	error = inifile_read(path, &events, parser);
	if (error)
		complain_unreadable(parser, path, error);
	return error;
}

static int is_conf(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot && strcmp(dot, ".conf") == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name); /* in every locale */
}

/* The files of conf.d beside `path`; none when there is no such folder. */
static int read_folder(struct parser *parser, const char *path)
{
	const char *slash = strrchr(path, '/');
	int folder_size = slash ? (int)(slash - path + 1) : 0;
	struct dirent **entries;
	char *folder;
	int nr_entries, error = 0;

	if (asprintf(&folder, "%.*sconf.d", folder_size, path) < 0)
		return -ENOMEM;
	nr_entries = scandir(folder, &entries, is_conf, by_name);
	if (nr_entries < 0 && errno != ENOENT && errno != ENOTDIR) {
		error = -errno;
		complain_unreadable(parser, folder, error);
	}
	for (int i = 0; i < nr_entries; i++) {
		char *file = NULL;

		if (!error && asprintf(&file, "%s/%s", folder, entries[i]->d_name) < 0)
			error = -ENOMEM;
		if (!error)
			error = read_file(parser, file);
		free(file);
		free(entries[i]);
	}
	if (nr_entries >= 0)
		free(entries);
	free(folder);
	return error;
}

/* Who is not told whom to serve serves himself. */
static void default_access(struct parser *parser)
{
	for (size_t i = 0; i < parser->nr_pools; i++)
		if (parser->pools[i].access.nr_entries == 0)
			access_list_add_uid(&parser->pools[i].access, geteuid());
}

/* A service's folder is its manager's to choose; root's is the host's, another user's is his own.
 */
static char *default_socket_path(FILE *messages)
{
	const char *service_folder = getenv("RUNTIME_DIRECTORY");
	const char *folder = getenv("XDG_RUNTIME_DIR");
	char *path = NULL;

	if (service_folder && *service_folder == '/')
		return asprintf(&path, "%s/pagepool.sock", service_folder) < 0 ? NULL : path;
	if (geteuid() == 0)
		return strdup("/run/pagepool/pagepool.sock");
	if (folder && *folder == '/')
		return asprintf(&path, "%s/pagepool/pagepool.sock", folder) < 0 ? NULL : path;
	fputs("XDG_RUNTIME_DIR is not set, so there is no place for the socket: set it (to "
	      "/run/user/UID), or give --socket PATH, or socket = PATH in [daemon]\n",
	      messages);
	return NULL;
}

static int choose_socket_path(struct parser *parser, const char *socket_path)
{
	char **path = &parser->config->socket_path;
	char why[SETTINGS_WHY_BYTES_MAX];

	if (socket_path) {
		free(*path);
		*path = strdup(socket_path);
	} else if (!*path) {
		*path = default_socket_path(parser->messages);
	}
	if (!*path)
		return -EINVAL;
	if (settings_check_socket_path(*path, why) == 0)
		return 0;
	fprintf(parser->messages, "the socket's path %s\n", why);
	return -EINVAL;
}

static int take_pools(struct parser *parser)
{
	struct service_config *config = parser->config;

	config->pools = calloc(parser->nr_pools, sizeof(*config->pools));
	if (!config->pools)
		return -ENOMEM;
	memcpy(config->pools, parser->pools, parser->nr_pools * sizeof(*config->pools));
	config->nr_pools = parser->nr_pools;
	return 0;
}

static int load(struct parser *parser, const char *path, const char *socket_path)
{
	int error = 0;

	add_section(parser, "daemon", settings_daemon_keys, parser->config);
	if (path) {
		error = read_file(parser, path);
		if (!error)
			error = read_folder(parser, path);
	} else {
		add_pool(parser, "pool default");
	}
	if (error)
		return error;
	if (parser->nr_pools == 0 && parser->nr_errors == 0) {
		fprintf(parser->messages, "%s: nothing to serve: add a section [pool default]\n",
			path);
		return -EINVAL;
	}
	error = parser_check(parser);
	if (error)
		return error;
	default_access(parser);
	error = choose_socket_path(parser, socket_path);
	if (parser->nr_errors > 0)
		error = -EINVAL;
	return error ? error : take_pools(parser);
}

int config_load(const char *path, const char *socket_path, FILE *messages,
		struct service_config *ret)
{
	struct service_config config = { .log_level = LOG_INFO };
	struct parser *parser = calloc(1, sizeof(*parser));
	int error;

	if (!parser)
		return -ENOMEM;
	parser->messages = messages;
	parser->config = &config;
	error = load(parser, path, socket_path);
	for (unsigned i = 1; i <= parser->file; i++)
		free(parser->paths[i]);
	free(parser);
	if (error)
		config_deinit(&config);
	else
		*ret = config;
	return error;
}

void config_deinit(struct service_config *config)
{
	free(config->socket_path);
	free(config->pools);
	free(config->limits);
	*config = (struct service_config){ 0 };
}

static void print_limit(const struct service_limit_config *limit, FILE *out)
{
	const struct service_size *const marks[] = { &limit->min, &limit->low, &limit->high,
						     &limit->max };
	const char *before = ":";

	fprintf(out, "  limit %s:%s of pool %s", settings_limit_kind_name(limit->kind), limit->name,
		limit->pool);
	for (unsigned i = 0; i < 4; i++) {
		char size[SIZE_TEXT_BYTES_MAX];

		if (!marks[i]->bytes && !marks[i]->permyriad)
			continue;
		fprintf(out, "%s %s %s", before, settings_limit_keys[SETTINGS_LIMIT_MIN + i].name,
			size_format(marks[i], size));
		before = ",";
	}
	fputc('\n', out);
}

static void print_pool(const struct service_pool_config *pool, FILE *out)
{
	const struct service_size page = { .bytes = pool->page_bytes };
	char size[SIZE_TEXT_BYTES_MAX], page_size[SIZE_TEXT_BYTES_MAX];
	char min[SIZE_TEXT_BYTES_MAX], low[SIZE_TEXT_BYTES_MAX], high[SIZE_TEXT_BYTES_MAX];
	char contiguous[SIZE_TEXT_BYTES_MAX];

	fprintf(out,
		"  pool %s: %s a node in pages of %s, commit %s, scrub %s, "
		"access for %zu, read access for %zu\n",
		pool->name, size_format(&pool->size, size), size_format(&page, page_size),
		settings_commit_name(pool->commit), settings_scrub_name(pool->scrub),
		pool->access.nr_entries, pool->read_access.nr_entries);
	fprintf(out, "    watermark %s %s %s, contiguous %s, max_order %u, debug_objects %s\n",
		size_format(&pool->watermark_min, min), size_format(&pool->watermark_low, low),
		size_format(&pool->watermark_high, high),
		size_format(&pool->contiguous, contiguous), pool->max_order,
		pool->debug_objects ? "yes" : "no");
}

void config_print(const struct service_config *config, FILE *out)
{
	fprintf(out, "  socket %s, topology ", config->socket_path);
	if (config->fake_nodes)
		fprintf(out, "fake:%u\n", config->fake_nodes);
	else
		fprintf(out, "host\n");
	for (size_t i = 0; i < config->nr_pools; i++)
		print_pool(&config->pools[i], out);
	for (size_t i = 0; i < config->nr_limits; i++)
		print_limit(&config->limits[i], out);
}
