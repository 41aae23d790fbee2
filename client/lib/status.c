/* SPDX-License-Identifier: MIT */
/*
 * The one place where what the daemon says becomes what a caller of the library sees.
 */

#include "lib/status.h"

#include <errno.h>

int ppc_status_to_errno(enum message_status status, enum message_type request)
{
	switch (status) {
	case MESSAGE_STATUS_OK:
		return 0;
	case MESSAGE_STATUS_INVALID:
		return -EINVAL;
	case MESSAGE_STATUS_NO_MEMORY:
		return -ENOMEM;
	case MESSAGE_STATUS_ACCESS:
		return -EACCES;
	case MESSAGE_STATUS_NOT_FOUND:
		return -ENOENT;
	case MESSAGE_STATUS_LIMIT:
		/* At hello the limit is that of clients; later it is one of this client's own. */
		return request == MESSAGE_HELLO ? -EUSERS : -EDQUOT;
	case MESSAGE_STATUS_UNSUPPORTED:
		return -EOPNOTSUPP;
	case MESSAGE_STATUS_BUSY:
		return -EBUSY;
	case MESSAGE_STATUS_EXISTS:
		return -EEXIST;
	case MESSAGE_STATUS_CORRUPT:
		return -EUCLEAN;
	case MESSAGE_STATUS_PROTOCOL:
	case MESSAGE_STATUS_VERSION:
	case MESSAGE_NR_STATUSES:
		break;
	}
	return -EPROTO; /* also for a status of a newer protocol */
}
