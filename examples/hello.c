/* SPDX-License-Identifier: MIT */
/* The shortest whole use of pagepool: get a page, write to it, say where it is, give it back. */

#include <stdio.h>
#include <string.h>

#include <pagepool.h>

int main(void)
{
	struct pp_client *client;
	struct pp_pool *pool;
	int error = pp_client_new(&client, NULL);

	if (error) {
		fprintf(stderr, "no pagepool daemon: %s (start one with `pagepoold`)\n",
			strerror(-error));
		return 1;
	}
	error = pp_pool_open(client, "default", 0, &pool);
	char *page = error ? NULL : pp_alloc_pages(pool, 0, PP_ZERO);

	if (page) {
		strcpy(page, "hello from a page that every process of the pool sees");
		printf("offset %#llx: %s\n", (unsigned long long)pp_to_offset(pool, page), page);
		error = pp_free_pages(pool, page, 0);
	} else {
		fprintf(stderr, "no page: %s\n", error ? strerror(-error) : "the pool is full");
	}
	pp_client_free(client);
	return !page || error;
}
