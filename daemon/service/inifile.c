/* SPDX-License-Identifier: MIT */
/*
 * INI files with line numbers.
 *
 * inih does the parsing: comments, "key = value", trimming. As distributions build it, it tells
 * its handler neither the line nor the start of a section, cuts headings at 50 bytes, goes on past
 * a syntax error without a word, and takes an indented line for a continuation. All of that can be
 * had without touching it, since it asks its caller for each line and handles that line before it
 * asks for the next: the reader here counts the lines, looks at headings itself, drops the
 * indentation, and knows of a line that should have led to a handler call whether it did.
 *
 * Only a regular file is read, as another could block or have no end, and only text: reading ends
 * at the first control character, so that none gets into a message, and from there to a terminal.
 */

#include "service/inifile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct inifile_reader {
	FILE *file;
	const struct inifile_events *events;
	void *data;
	unsigned line;
	bool is_expected; /* the line handed out last should be a key */
	int error;
};

static void report_unparsed(struct inifile_reader *reader)
{
	if (reader->is_expected)
		reader->events->error(reader->data, reader->line,
				      "neither a [section], a key = value nor a comment");
	reader->is_expected = false;
}

/* inih would take "[]" and "[a" too. */
static void read_heading(struct inifile_reader *reader, const char *text)
{
	char heading[INIFILE_LINE_BYTES_MAX + 2];
	const char *end = strchr(text, ']');
	const char *rest = end ? end + 1 : "";

	rest += strspn(rest, " \t\r\n");
	if (!end || end == text + 1 || (*rest && *rest != ';' && *rest != '#')) {
		reader->events->error(reader->data, reader->line,
				      "a section starts with [NAME] on a line of its own");
		return;
	}
	memcpy(heading, text + 1, (size_t)(end - text - 1));
	heading[end - text - 1] = '\0';
	reader->events->section(reader->data, reader->line, heading);
}

static bool is_cut(const struct inifile_reader *reader, const char *buf)
{
	return !strchr(buf, '\n') && !feof(reader->file);
}

/* A line that ends before its end has a NUL in it. */
static bool is_text(const struct inifile_reader *reader, const char *buf, int size)
{
	if (is_cut(reader, buf) && strlen(buf) + 1 < (size_t)size)
		return false;
	for (; *buf; buf++)
		if (iscntrl((unsigned char)*buf) && *buf != '\t' && *buf != '\n' &&
		    strcmp(buf, "\r\n") != 0)
			return false;
	return true;
}

/* Takes the rest of a line that did not fit; what was read of it becomes an empty line. */
static void skip_long_line(struct inifile_reader *reader, char *buf)
{
	int c;

	while ((c = fgetc(reader->file)) != EOF && c != '\n')
		;
	buf[0] = '\0';
	reader->events->error(reader->data, reader->line,
			      "longer than 198 bytes: split it (access may be given repeatedly)");
}

/* fgets() for inih. */
static char *next_line(char *buf, int size, void *stream)
{
	struct inifile_reader *reader = stream;
	char *text = buf;

	report_unparsed(reader);
	if (!fgets(buf, size, reader->file)) {
		if (ferror(reader->file))
			reader->error = -errno;
		return NULL;
	}
	reader->line++;
	if (!is_text(reader, buf, size)) {
		reader->events->error(reader->data, reader->line,
				      "a control character: this is no text");
		return NULL;
	}
	if (is_cut(reader, buf))
		skip_long_line(reader, buf);
	while (isspace((unsigned char)*text))
		text++;
	memmove(buf, text, strlen(text) + 1);
	if (*buf == '[')
		read_heading(reader, buf);
	else
		reader->is_expected = *buf && *buf != ';' && *buf != '#';
	return buf;
}

static int take_key(void *data, const char *section, const char *key, const char *value)
{
	struct inifile_reader *reader = data;

	(void)section; /* may be cut short */
	if (!*key)
		return 0;
	reader->is_expected = false;
	reader->events->key(reader->data, reader->line, key, value);
	return 1;
}

/* O_NONBLOCK: what is no regular file is found out, not waited for. */
static int open_regular(const char *path, FILE **ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	int error = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0)
		error = -errno;
	else if (!S_ISREG(status.st_mode))
		error = S_ISDIR(status.st_mode) ? -EISDIR : -ENOTSUP;
	else if (!(*ret = fdopen(fd, "r")))
		error = -errno;
	if (error)
		close(fd);
	return error;
}

int inifile_read(const char *path, const struct inifile_events *events, void *data)
{
	struct inifile_reader reader = { .events = events, .data = data };
	int error;

	error = open_regular(path, &reader.file);
	if (error)
		return error;
	error = ini_parse_stream(next_line, &reader, take_key, &reader) == -2 ? -ENOMEM : 0;
	fclose(reader.file);
	return reader.error ? reader.error : error;
}
