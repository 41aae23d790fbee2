/* SPDX-License-Identifier: MIT */
/*
 * argv -> a checked configuration -> service_run(). Everything else is in the library, so that
 * tests run the same code.
 *
 * Without --config, root reads /etc/pagepool/pagepoold.conf where it exists; anybody else, and root
 * without that file, gets the embedded default: one pool for the user who started it.
 */

#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config.h"
#include "service/log.h"

enum exit_status { EXIT_OK, EXIT_FAILED, EXIT_USAGE };

struct options {
	const char *config_path;
	const char *socket_path;
	bool check_config;
};

static const char usage[] =
	"Usage: pagepoold [OPTION]...\n"
	"Owns memory and grants pages and objects of it to the processes of this host.\n"
	"\n"
	"  -c, --config FILE   read FILE, then conf.d/*.conf beside it\n"
	"                      (default: " CONFIG_DEFAULT_FILE " if it exists and\n"
	"                      root starts it, else one pool for the calling user)\n"
	"      --check-config  say whether the configuration is right, and exit\n"
	"  -s, --socket PATH   listen there, whatever the configuration says\n"
	"  -h, --help          show this, and exit\n"
	"  -V, --version       show the version, and exit\n"
	"\n"
	"See pagepoold(8) and pagepoold.conf(5).\n";

/* Returns -1 to go on, or an exit status. */
static int parse_options(int argc, char **argv, struct options *options)
{
	static const struct option table[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check-config", no_argument, NULL, 'C' },
		{ "socket", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "c:s:hV", table, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->config_path = optarg;
			break;
		case 'C':
			options->check_config = true;
			break;
		case 's':
			options->socket_path = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_OK;
		case 'V':
			puts("pagepoold " PAGEPOOL_VERSION);
			return EXIT_OK;
		default:
			fputs("Try 'pagepoold --help'.\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "pagepoold: what is '%s'? Try 'pagepoold --help'.\n", argv[optind]);
	return EXIT_USAGE;
}

static int load(struct service_config *ret, FILE *messages, void *data)
{
	const struct options *options = data;

	return config_load(options->config_path, options->socket_path, messages, ret);
}

static int serve(struct service_config *config, struct options *options)
{
	const struct service_source source = {
		.load = load,
		.unload = config_deinit,
		.data = options,
	};
	const char *path = options->config_path;

	log_set_level(config->log_level);
	if (path)
		log_info("configuration: %s", path);
	else
		log_info("no configuration file: pool '%s' of %" PRIu64 " MiB a node, for uid %u",
			 config->pools[0].name, config->pools[0].size.bytes >> 20,
			 (unsigned)geteuid());
	return service_run(config, &source) < 0 ? EXIT_FAILED : EXIT_OK;
}

static int check(const struct service_config *config, const char *path)
{
	printf("%s: ok\n", path ? path : "embedded default");
	config_print(config, stdout);
	return EXIT_OK;
}

int main(int argc, char **argv)
{
	struct options options = { 0 };
	struct service_config config;
	int status;

	status = parse_options(argc, argv, &options);
	if (status >= 0)
		return status;
	if (!options.config_path && geteuid() == 0 && access(CONFIG_DEFAULT_FILE, F_OK) == 0)
		options.config_path = CONFIG_DEFAULT_FILE;
	if (config_load(options.config_path, options.socket_path, stderr, &config) < 0)
		return EXIT_FAILED;
	status = options.check_config ? check(&config, options.config_path)
				      : serve(&config, &options);
	config_deinit(&config);
	return status;
}
