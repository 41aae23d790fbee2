/* SPDX-License-Identifier: MIT */
/*
 * What holds for every list of blocks or objects that is longer than one request may be.
 *
 * An allocation ends with the first batch that is not granted in full: the pool has no more, and
 * asking on would only take what others give back meanwhile. An error after the first batch is not
 * told, as it would hide what was granted; who asks again meets it again. A free goes on after a
 * batch that the daemon refuses for what it names, and ends with an error of any other kind, which
 * all that follow would meet too.
 */

#include "lib/batches.h"

#include <errno.h>
#include <stdbool.h>

static size_t batch_length(size_t batch_blocks, size_t left)
{
	return left < batch_blocks ? left : batch_blocks;
}

ssize_t ppc_batches_alloc(size_t batch_blocks, void **addrs, size_t count,
			  ppc_alloc_batch_fn alloc_batch, void *data)
{
	size_t done = 0;

	while (done < count) {
		size_t length = batch_length(batch_blocks, count - done);
		ssize_t nr_granted = alloc_batch(data, addrs + done, length);

		if (nr_granted < 0 && done == 0)
			return nr_granted;
		if (nr_granted > 0)
			done += (size_t)nr_granted;
		if (nr_granted < (ssize_t)length)
			break;
	}
	return (ssize_t)done;
}

/* Something that the batch names is wrong. */
static bool error_is_of_batch(int error)
{
	return error == -EINVAL || error == -EUCLEAN;
}

int ppc_batches_free(size_t batch_blocks, void *const *addrs, size_t count,
		     ppc_free_batch_fn free_batch, void *data)
{
	int first_error = 0;

	for (size_t done = 0; done < count;) {
		size_t length = batch_length(batch_blocks, count - done);
		int error = free_batch(data, addrs + done, length);

		if (error && !first_error)
			first_error = error;
		if (error && !error_is_of_batch(error))
			break;
		done += length;
	}
	return first_error;
}
