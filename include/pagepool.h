/* SPDX-License-Identifier: MIT */
#ifndef PAGEPOOL_H
#define PAGEPOOL_H

/*
 * libpagepool: pages and objects from a daemon that owns big shared memory for all processes of a
 * host.
 *
 * A client connects, opens a pool by name, and is granted blocks of 2^order pages of 4 KiB, or
 * objects of any size. Every process that opened the pool sees the same bytes; addresses differ
 * between processes, offsets (pp_to_offset()) do not.
 *
 * Functions that return a pointer give NULL and set errno. The others give 0 (or a count) or a
 * negative errno. All functions may be called from any thread. After fork() the child's handles
 * answer -EOWNERDEAD: connect anew there (pp_client_free() and pp_pool_close() still work and
 * touch nothing of the parent's). The memory itself stays mapped in both.
 *
 * Errors that any function which talks to the daemon may give:
 *   -ECONNRESET   the daemon is gone, or closed the connection. What is mapped stays mapped and
 *                 keeps its contents; no call on this client works any more
 *   -EPROTO       the daemon said what can't be true; the connection is closed
 *   -ETIMEDOUT    no answer within the client's timeout; what was granted too late goes back
 *   -EOWNERDEAD   the handle belongs to the process that forked this one
 *   -ENOMEM       the library itself is out of memory, or the pool is (see the function)
 *
 * Structs carry their size first, so that they can grow:
 *   struct pp_client_config config = { .struct_size = sizeof(config), .name = "camera" };
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

struct pp_cache;
struct pp_client;
struct pp_pool;

/* A byte in a pool: the zone in the top 8 bits, bytes within it below. Same in every process. */
typedef uint64_t pp_offset;
#define PP_OFFSET_INVALID UINT64_MAX

#define PP_PAGE_SIZE 4096u
#define PP_ORDER_MAX 18u /* 1 GiB */
#define PP_NODES_MAX 64u

/*
 * How pages are asked for. Without a word about nodes, the node of the calling CPU is preferred and
 * the others follow by distance; pp_pool_set_nodes() rules nodes out for all requests. Flags that
 * contradict each other give EINVAL.
 */
#define PP_ZERO 0x0001u       /* filled with zeros, by the calling thread */
#define PP_THISNODE 0x0020u   /* from the preferred node or not at all */
#define PP_INTERLEAVE 0x0040u /* from the pool's nodes in turn; excludes the two others */
/* Prefer node n (0 .. PP_NODES_MAX - 1) instead of the calling CPU's. */
#define PP_NODE(n) (((unsigned)(n) + 1u) << 16)

/*
 * What the caller says about its use of the pages. Blocks of one kind are kept together, so that
 * those that stay do not break up the large blocks that the others would leave behind; only these
 * two, and whole blocks of 2 MiB, may lie in a pool's contiguous area. Nothing is moved or taken
 * back in this version.
 */
#define PP_MOVABLE 0x0008u     /* the holder could move it */
#define PP_RECLAIMABLE 0x0010u /* the holder could give it back; not together with PP_MOVABLE */

#define PP_HIGH 0x0004u   /* may use what is kept below the min watermark */
#define PP_NOWAIT 0x0002u /* fail rather than wait; in this version nothing ever waits */

/*
 * pp_client_config.flags. The library may come to serve what the daemon asks for on a thread of its
 * own; with this flag it never will, and the caller runs pp_client_dispatch(). In this version the
 * daemon asks for nothing and no thread is started either way.
 */
#define PP_CLIENT_NO_THREAD 0x0001u

/* pp_pool_open() flags */
#define PP_POOL_READONLY 0x0001u /* map for reading only; allocating and freeing give -EACCES */

/* Fields that are zero have their default. */
struct pp_client_config {
	size_t struct_size;
	/*
	 * Path of the daemon's socket. NULL: $PAGEPOOL_SOCKET, else the user's own daemon at
	 * $XDG_RUNTIME_DIR/pagepool/pagepool.sock if that exists (not for root), else
	 * /run/pagepool/pagepool.sock.
	 */
	const char *socket;
	/* Shown by pagepoolctl; NULL: the program's name. Up to 63 bytes of printable UTF-8. */
	const char *name;
	unsigned flags; /* PP_CLIENT_... */
	int timeout_ms; /* for every call; 0: the default of 30000; -1: for ever */
};

struct pp_pool_stat {
	size_t struct_size; /* set by the caller */
	uint64_t size_bytes;
	uint64_t free_bytes;
	uint64_t committed_bytes; /* backed by real memory */
	uint64_t held_bytes;      /* by this client */
	unsigned nr_zones;
	unsigned max_order; /* the largest that can be asked for; changes with the pool's size */
};

/* Connecting. */

/*
 * Connects to the daemon. `config` may be NULL for defaults. The strings are copied.
 * -ENOENT or -ECONNREFUSED when no daemon listens, -EACCES when the socket is not for this user,
 * -EPROTO when what answers is not a pagepool daemon of a version we speak, -EUSERS when the
 * daemon has no room for another client, -EINVAL, -E2BIG (a config of a newer library that asks for
 * what this one does not know) or -ENAMETOOLONG for a config that makes no sense.
 */
int pp_client_new(struct pp_client **ret, const struct pp_client_config *config);

/*
 * Gives everything the client holds back, unmaps its pools and frees the handle; pools of it that
 * are still open become invalid. Accepts NULL. Returns NULL. No other thread may use the client.
 * Waits for the daemon's word that all is free, at most as long as any call.
 */
struct pp_client *pp_client_free(struct pp_client *client);

/* A file descriptor that is readable when pp_client_dispatch() has something to do. Borrowed. */
int pp_client_fd(const struct pp_client *client);

/*
 * Serves what the daemon has sent unasked and replies that came too late, waiting up to timeout_ms
 * for the first (0: not at all, -1: for ever). Returns the number of messages served, or a negative
 * errno. Calls that wait serve these too, so only a program that is idle for long needs it.
 */
int pp_client_dispatch(struct pp_client *client, int timeout_ms);

/* Pools. */

/*
 * Opens a pool by name and maps each of its segments once, with all the room that it may grow into;
 * that reserves address space and costs no memory. The mapping is left out of core dumps. NULL
 * opens "default". A pool opened twice with the same flags gives the same handle, counted. The
 * handle is the client's: it ends with pp_client_free() at the latest.
 * -ENOENT no such pool, -EACCES not for this user, -EDQUOT no more pools on this connection,
 * -ENOMEM no address space, -EINVAL a name that is empty, too long or not printable UTF-8.
 */
int pp_pool_open(struct pp_client *client, const char *name, unsigned flags, struct pp_pool **ret);

/*
 * Undoes one pp_pool_open(). With the last, the segments are unmapped: pointers into them die, and
 * so do the handles of its caches. What is still held stays held until the client is freed. Accepts
 * NULL. Returns NULL.
 */
struct pp_pool *pp_pool_close(struct pp_pool *pool);

/*
 * Keeps requests through this handle to some of the pool's nodes: bit n of `nodes` allows node n, 0
 * allows all, as at the start. Nodes that the pool does not have are ignored. Within the mask the
 * flags of a request choose: PP_INTERLEAVE takes its nodes in turn; PP_NODE() outside of it means
 * the nearest inside; PP_THISNODE for a node outside gives EINVAL. Blocks that are held stay where
 * they are. Handles are counted, so it holds for whoever else in this process opened the pool.
 * -EINVAL when the pool has none of the nodes, -EACCES when it was opened for reading only.
 */
int pp_pool_set_nodes(struct pp_pool *pool, uint64_t nodes);

/* Fills *ret up to the struct_size that the caller set in it; what this library can't tell is 0. */
int pp_pool_stat(struct pp_pool *pool, struct pp_pool_stat *ret);

/* Pages. */

/*
 * A block of 2^order pages, aligned to its size within the pool's segment, zeroed only with
 * PP_ZERO. ENOMEM when no block of that order is free on the nodes that may serve it, or what is
 * free is kept back (the min watermark, others' reserves); EDQUOT when it would pass a limit on
 * what this client, its user or a group may hold; EINVAL for an order above the pool's, or for
 * flags that make no sense.
 */
void *pp_alloc_pages(struct pp_pool *pool, unsigned order, unsigned flags);

/*
 * Frees a block of that order that this client holds. -EINVAL, and nothing happens, when the
 * block is not this client's, has another order, is free already, or is no block's start.
 */
int pp_free_pages(struct pp_pool *pool, void *addr, unsigned order);

/* size_bytes rounded up to pages, adjacent; up to 1 GiB. Give it back with the same size. */
void *pp_alloc_exact(struct pp_pool *pool, size_t size_bytes, unsigned flags);
int pp_free_exact(struct pp_pool *pool, void *addr, size_t size_bytes);

/*
 * Up to `count` blocks of one order into addrs[]. Returns how many: fewer than `count` when the
 * pool has no more, or when something failed after the first 2,048, which the next call then tells.
 * -ENOMEM or -EDQUOT, as above, when not even one can be had. Entries behind those returned have no
 * meaning.
 */
ssize_t pp_alloc_bulk(struct pp_pool *pool, unsigned order, unsigned flags, void **addrs,
		      size_t count);

/*
 * Frees them all. -EINVAL when one of them is wrong or named twice: then none of the batch of up to
 * 2,048 adjacent entries that holds it is freed, the other batches are. Takes 32 KiB of stack.
 * Fastest for addresses in the order in which pp_alloc_bulk() gave them.
 */
int pp_free_bulk(struct pp_pool *pool, unsigned order, void *const *addrs, size_t count);

/*
 * Objects: many things of one size, many to a page, each held on its own. What dies with its client
 * goes back object by object, whoever else has objects beside them.
 */

/* pp_cache_config.flags. PP_MOVABLE and PP_RECLAIMABLE may be among them: of the cache's slabs. */
#define PP_CACHE_DEBUG 0x0100u /* red zones around objects, poison in free ones; slower */
#define PP_CACHE_MERGE 0x0200u /* may share the slabs of a cache that is alike but for its name */

/* Fields that are zero have their default. */
struct pp_cache_config {
	size_t struct_size;
	const char *name;   /* 1 to 63 bytes of printable UTF-8; not "malloc-..." */
	size_t object_size; /* bytes, 1 to 2 MiB */
	size_t align;       /* a power of two up to 4096; less than 8 is as 8 */
	unsigned flags;     /* PP_CACHE_..., PP_MOVABLE, PP_RECLAIMABLE */
	/*
	 * Called once for each object, in the process that is first granted it, before it gets it;
	 * who frees an object leaves it constructed for the next to get it, in whatever process.
	 * After a client's death, or when its bytes were cleared for another user, an object is
	 * constructed anew. It runs in the thread that asked and may call the library. NULL:
	 * objects are just bytes.
	 */
	void (*ctor)(void *object);
};

/*
 * Makes a cache in the pool, or finds the one of this name if it was made alike (with a constructor
 * or without, too). A cache is the pool's: it stays when its maker goes. Each call gives a handle
 * of its own, with its own constructor. It belongs to the pool's handle, and ends with that at the
 * latest. The name is copied.
 * -EINVAL for a config that makes no sense, -EEXIST when a cache of this name is not alike, -EDQUOT
 * when the pool has no room for another cache, -EACCES when it was opened for reading only, -E2BIG
 * for a config of a newer library that asks for what this one does not know.
 */
int pp_cache_create(struct pp_pool *pool, const struct pp_cache_config *config,
		    struct pp_cache **ret);

/* Frees the handle; the cache and its objects stay. Accepts NULL. Returns NULL. */
struct pp_cache *pp_cache_close(struct pp_cache *cache);

/*
 * Unmakes the cache for everybody and frees the handle. -EBUSY while objects of it are held, by
 * whomever, or -ENOENT when it is gone already, or another error: then the handle stays. Of several
 * names that were merged it takes away one, and objects that are held are freed by another.
 */
int pp_cache_destroy(struct pp_cache *cache);

/*
 * One object. Flags are those of pages, but for PP_MOVABLE and PP_RECLAIMABLE, which are the
 * cache's (EINVAL); PP_ZERO does not go together with a constructor. NULL and errno as for
 * pp_alloc_pages(); ENOENT when the cache was destroyed.
 */
void *pp_cache_alloc(struct pp_cache *cache, unsigned flags);

/*
 * Frees an object. -EINVAL, and nothing happens, when it is not this client's, not of this cache,
 * free already, or no object's start; -ENOENT when this name of a cache was destroyed. -EUCLEAN,
 * and nothing happens, when the cache has PP_CACHE_DEBUG and somebody wrote around the object: the
 * daemon's log says what and who.
 */
int pp_cache_free(struct pp_cache *cache, void *object);

/*
 * Up to `count` objects into objects[]. Returns how many, as pp_alloc_bulk() does: what was granted
 * is granted, fewer when the pool has no more or a limit is reached.
 */
ssize_t pp_cache_alloc_bulk(struct pp_cache *cache, unsigned flags, void **objects, size_t count);

/* Frees them all. When one is wrong, its batch is not freed: as for pp_free_bulk(). */
int pp_cache_free_bulk(struct pp_cache *cache, void *const *objects, size_t count);

/* Gives the pages of the cache's empty slabs back to the pool. -ENOENT when it was destroyed. */
int pp_cache_shrink(struct pp_cache *cache);

/*
 * size_bytes of any size up to 1 GiB, or the pool's largest block: an object of a general cache up
 * to 32 KiB, adjacent pages above. Aligned to 16, and to its size if that is a power of two (8, 16
 * and 32 KiB to 4 KiB alone in a pool that debugs all its caches). Flags are those of pages; a
 * mobility counts for pages alone. A size of 0 is as 1. NULL and errno as for pp_alloc_pages().
 */
void *pp_malloc(struct pp_pool *pool, size_t size_bytes, unsigned flags);

/*
 * Gives back what pp_malloc() gave through this pool handle. NULL is fine. -EINVAL, and nothing
 * happens, for any other address, and for one that was freed already; -EUCLEAN as from
 * pp_cache_free() in a pool that debugs all its caches.
 */
int pp_free(struct pp_pool *pool, void *addr);

/*
 * Bytes that may be used at an address that pp_malloc() gave through this pool handle: the size
 * asked for or somewhat more. 0 for NULL, and where pp_malloc() gave nothing. The daemon is not
 * asked, so for an address within an object, or one that was freed, it may be any size.
 */
size_t pp_usable_size(struct pp_pool *pool, const void *addr);

/* Addresses travel as offsets. */

/* PP_OFFSET_INVALID and EINVAL for an address outside the pool. */
pp_offset pp_to_offset(struct pp_pool *pool, const void *addr);

/*
 * NULL and EINVAL for an offset outside the pool and the room that it may grow into. The offset is
 * not checked to be held.
 */
void *pp_from_offset(struct pp_pool *pool, pp_offset offset);

/* The library's version, as "0.1.0". */
const char *pp_version(void);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
