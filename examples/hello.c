/* SPDX-License-Identifier: MIT */
/* The shortest whole use of pagepool: get a page, write to it, say where it is, give it back. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <pagepool.h>

static int complain_connect(int error)
{
	if (error == -EACCES)
		fprintf(stderr, "the daemon at its socket is not for this user\n");
	else
		fprintf(stderr, "no pagepool daemon: %s (start one with `pagepoold`)\n",
			strerror(-error));
	return 1;
}

static int complain_open(int error)
{
	if (error == -EACCES)
		fprintf(stderr, "pool 'default' is not for this user: its access in pagepoold.conf "
				"says for whom\n");
	else
		fprintf(stderr, "can't open pool 'default': %s\n", strerror(-error));
	return 1;
}

static int greet(struct pp_pool *pool)
{
	char *page = pp_alloc_pages(pool, 0, PP_ZERO);
	int error;

	if (!page) {
		perror("no page");
		return 1;
	}
	strcpy(page, "hello from a page that every process of the pool sees");
	printf("offset %#llx: %s\n", (unsigned long long)pp_to_offset(pool, page), page);
	error = pp_free_pages(pool, page, 0);
	if (error)
		fprintf(stderr, "can't give the page back: %s\n", strerror(-error));
	return error ? 1 : 0;
}

int main(void)
{
	struct pp_client *client;
	struct pp_pool *pool;
	int outcome, error = pp_client_new(&client, NULL);

	if (error)
		return complain_connect(error);
	error = pp_pool_open(client, "default", 0, &pool);
	outcome = error ? complain_open(error) : greet(pool);
	pp_client_free(client);
	return outcome;
}
