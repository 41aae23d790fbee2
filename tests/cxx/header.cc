/* SPDX-License-Identifier: MIT */
/*
 * The public header from C++: each function called with the types that a C++ program has at hand,
 * without a daemon. Compiled, linked and run, it shows that names, types and linkage are right
 * there. The exit status is 0 when they are.
 */

#include <pagepool.h>

#include <cerrno>
#include <cstring>

static bool refuses_no_pool()
{
	struct pp_pool *pool = nullptr;
	struct pp_pool_stat stat = {};
	void *addrs[2] = {};

	stat.struct_size = sizeof(stat);
	return pp_pool_stat(pool, &stat) == -EINVAL && !pp_alloc_pages(pool, 0, PP_ZERO) &&
	       !pp_alloc_exact(pool, 12288, PP_NODE(1) | PP_THISNODE) &&
	       pp_alloc_bulk(pool, 0, PP_INTERLEAVE, addrs, 2) == -EINVAL &&
	       pp_free_pages(pool, addrs[0], 0) == -EINVAL &&
	       pp_free_exact(pool, addrs[0], 12288) == -EINVAL &&
	       pp_free_bulk(pool, 0, addrs, 2) == -EINVAL &&
	       pp_to_offset(pool, addrs[0]) == PP_OFFSET_INVALID && !pp_from_offset(pool, 0) &&
	       !pp_pool_close(pool);
}

static void construct(void *object)
{
	*static_cast<int *>(object) = 1;
}

static bool refuses_no_cache()
{
	struct pp_pool *pool = nullptr;
	struct pp_cache *cache = nullptr;
	struct pp_cache_config config = {};
	void *objects[2] = {};

	config.struct_size = sizeof(config);
	config.name = "c++";
	config.object_size = sizeof(int);
	config.flags = PP_CACHE_DEBUG | PP_CACHE_MERGE | PP_MOVABLE;
	config.ctor = construct;
	return pp_cache_create(pool, &config, &cache) == -EINVAL && !cache &&
	       !pp_cache_alloc(cache, PP_HIGH) && pp_cache_free(cache, objects[0]) == -EINVAL &&
	       pp_cache_alloc_bulk(cache, 0, objects, 2) == -EINVAL &&
	       pp_cache_free_bulk(cache, objects, 2) == -EINVAL &&
	       pp_cache_shrink(cache) == -EINVAL && pp_cache_destroy(cache) == -EINVAL &&
	       !pp_cache_close(cache) && !pp_malloc(pool, 100, PP_ZERO) &&
	       pp_free(pool, objects) == -EINVAL && pp_usable_size(pool, objects[0]) == 0;
}

static bool refuses_no_client()
{
	struct pp_client *client = nullptr;
	struct pp_pool *pool = nullptr;
	struct pp_client_config config = {};

	config.struct_size = sizeof(config);
	config.socket = "/nowhere/pagepool.sock";
	config.name = "c++";
	config.flags = PP_CLIENT_NO_THREAD;
	config.timeout_ms = 100;
	return pp_client_new(&client, &config) == -ENOENT && !client &&
	       pp_pool_open(client, "default", PP_POOL_READONLY, &pool) == -EINVAL &&
	       pp_client_fd(client) == -EINVAL && pp_client_dispatch(client, 0) == -EINVAL &&
	       !pp_client_free(client);
}

int main()
{
	static_assert(PP_PAGE_SIZE == 4096 && PP_ORDER_MAX == 18, "the constants are constant");
	return std::strlen(pp_version()) > 0 && refuses_no_pool() && refuses_no_cache() &&
			       refuses_no_client()
		       ? 0
		       : 1;
}
