/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What pagepoolctl asks of the daemon, for pagepoolctl alone: not installed, not part of the ABI.
 *
 * A ppc_info owns the memory of the last answer: the message it returns points into it and stays
 * valid until the next question through the same ppc_info.
 */

#include <stddef.h>
#include <stdint.h>

struct message;
struct pp_client;
struct ppc_info;

int ppc_info_new(struct pp_client *client, struct ppc_info **ret);
struct ppc_info *ppc_info_free(struct ppc_info *info);

/*
 * Sends a request (its id is filled in) and waits for the reply. 0 with *ret_reply the reply, which
 * is of the type that answers this request; or a negative errno, and then ppc_info_error() says why
 * in words: the daemon's own when it refused.
 */
int ppc_info_call(struct ppc_info *info, struct message *request, const struct message **ret_reply);
const char *ppc_info_error(const struct ppc_info *info);

/* The daemon's version and this client's id, as told at hello. */
const char *ppc_client_daemon_version(const struct pp_client *client);
uint32_t ppc_client_id(const struct pp_client *client);

/*
 * Writes the path that pp_client_new() tries when its config.socket is `socket` (NULL: the
 * default). 0 or -ENAMETOOLONG.
 */
int ppc_socket_find(const char *socket, char *ret, size_t size_bytes);
