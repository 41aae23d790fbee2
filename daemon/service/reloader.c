/* SPDX-License-Identifier: MIT */
/*
 * The way of a reload: SIGHUP or a request -> the files, on a helper thread -> what they say, on
 * the loop -> the log, the service manager and whoever asked.
 *
 * Files are read by a helper because a name in an access list may have to be asked of a server on
 * the network. One reload runs at a time. Who asks while one is under way may have changed the
 * files since they were read, so he gets one of his own, together with all who asked meanwhile.
 */

#include "service/reloader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"
#include "proto/message.h"
#include "service/log.h"
#include "service/notify.h"
#include "service/reload.h"
#include "service/state.h"
#include "service/worker.h"

#define PREFIX "pagepoold: " /* of messages for a terminal; the log has its own */

_Static_assert(RELOAD_LINES_MAX <= MESSAGE_LINES_MAX, "all lines fit one reply");
_Static_assert(RELOAD_LINES_MAX *(RELOAD_LINE_BYTES_MAX + 8) < FRAME_BYTES_MAX, "all lines fit");

void reloader_init(struct reloader *reloader, struct service *service,
		   const struct service_source *source)
{
	reloader->service = service;
	reloader->source = source;
	TAILQ_INIT(&reloader->served);
	TAILQ_INIT(&reloader->waiting);
}

static void reloader_drop_config(struct reloader *reloader)
{
	if (reloader->error == 0)
		reloader->source->unload(&reloader->config);
	free(reloader->text);
	reloader->text = NULL;
	reloader->is_running = false;
}

static void reloader_forget(struct reloader_waiters *waiters)
{
	struct reloader_waiter *waiter;

	while ((waiter = TAILQ_FIRST(waiters))) {
		TAILQ_REMOVE(waiters, waiter, link);
		free(waiter);
	}
}

void reloader_deinit(struct reloader *reloader)
{
	if (!reloader->service)
		return;
	if (reloader->is_running)
		reloader_drop_config(reloader);
	reloader_forget(&reloader->served);
	reloader_forget(&reloader->waiting);
}

static void reloader_run(struct worker_job *job)
{
	struct reloader *reloader = (struct reloader *)job;
	const struct service_source *source = reloader->source;
	size_t size;
	FILE *messages = open_memstream(&reloader->text, &size);

	if (!messages)
		return; /* the error is there from the start */
	reloader->error = source->load(&reloader->config, messages, source->data);
	if (fclose(messages) != 0 && reloader->error == 0) {
		source->unload(&reloader->config);
		reloader->error = -ENOMEM;
	}
}

/* What the files' reader had to say. */
static void reloader_say(const struct reloader *reloader, struct reload_lines *lines)
{
	char *rest = reloader->text, *line;

	while (rest && (line = strsep(&rest, "\n"))) {
		if (strncmp(line, PREFIX, strlen(PREFIX)) == 0)
			line += strlen(PREFIX);
		if (*line)
			reload_say(lines, strstr(line, ": warning: ") ? LOG_WARNING : LOG_ERR, "%s",
				   line);
	}
	if (reloader->error && lines->nr_errors == 0)
		reload_say(lines, LOG_ERR, "%s", strerror(-reloader->error));
}

static void reloader_answer(struct reloader *reloader, const struct reload_lines *lines)
{
	struct reloader_waiter *waiter;
	char why[MESSAGE_TEXT_BYTES_MAX];

	while ((waiter = TAILQ_FIRST(&reloader->served))) {
		struct message reply = { .error = "" };

		if (lines->nr_errors) {
			snprintf(why, sizeof(why), "%s (%zu error%s in all; nothing has changed)",
				 lines->first_error ? lines->first_error : "no memory",
				 lines->nr_errors, lines->nr_errors == 1 ? "" : "s");
			reply.status = MESSAGE_STATUS_INVALID;
			reply.error = why;
		} else {
			reply.type = MESSAGE_RELOAD_RESULT;
			reply.u.reload_result.lines = (const char *const *)lines->lines;
			reply.u.reload_result.nr_lines = lines->nr_lines;
		}
		TAILQ_REMOVE(&reloader->served, waiter, link);
		client_later_end(&waiter->later, &reply);
		free(waiter);
	}
}

static void reloader_next(struct reloader *reloader);

static void reloader_finish(struct worker_job *job)
{
	struct reloader *reloader = (struct reloader *)job;
	struct reload_lines lines = { 0 };

	reloader_say(reloader, &lines);
	if (reloader->error == 0)
		reload_apply(reloader->service, &reloader->config, &lines);
	if (lines.nr_errors)
		log_error("reload: nothing has changed");
	else if (lines.nr_lines == 0)
		log_info("reload: nothing differs");
	reloader_drop_config(reloader);
	reloader_answer(reloader, &lines);
	reload_lines_deinit(&lines);
	notify_ready();
	reloader_next(reloader);
}

/* Starts one if one is wanted, and none is under way. */
static void reloader_next(struct reloader *reloader)
{
	if (!reloader->is_open || !reloader->is_wanted || reloader->is_running)
		return;
	reloader->is_wanted = false;
	reloader->is_running = true;
	TAILQ_CONCAT(&reloader->served, &reloader->waiting, link);
	reloader->job = (struct worker_job){ .run = reloader_run, .done = reloader_finish };
	reloader->error = -ENOMEM;
	notify_reloading();
	log_info("reading the configuration again");
	worker_pool_submit(reloader->service->workers, &reloader->job);
}

void reloader_open(struct reloader *reloader)
{
	reloader->is_open = true;
	reloader_next(reloader);
}

void reloader_start(struct reloader *reloader)
{
	if (!reloader->source)
		return;
	reloader->is_wanted = true;
	reloader_next(reloader);
}

int reloader_ask(struct reloader *reloader, struct client *client, uint64_t id)
{
	struct reloader_waiter *waiter;

	if (!reloader->source)
		return -ENOTSUP;
	waiter = malloc(sizeof(*waiter));
	if (!waiter)
		return -ENOMEM;
	client_later_begin(client, id, &waiter->later);
	TAILQ_INSERT_TAIL(&reloader->waiting, waiter, link);
	reloader_start(reloader);
	return 0;
}
