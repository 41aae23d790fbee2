/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What was found broken in objects of debug caches, told to people: in the journal and in the text
 * of a refusal.
 */

#include <stddef.h>

struct clients;
struct message_object_fault;
struct message_party;
struct zone_leaver;

/*
 * Who a slot stood for while its generation was this. When that client is gone, its successor in
 * the slot is not named: what is left is its id, and its process id while the slot is free. The
 * name is borrowed from the client.
 */
void object_report_party(const struct clients *clients, const struct zone_leaver *leaver,
			 struct message_party *ret);

/* One line without a newline; cut when there is no room. */
void object_report_print(const struct message_object_fault *fault, char *ret, size_t size_bytes);

/* To the log, with fields for the journal; `when` it was found. A client can cause such lines. */
void object_report_log(const struct message_object_fault *fault, const char *when);
