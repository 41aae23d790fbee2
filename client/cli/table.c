/* SPDX-License-Identifier: MIT */
/*
 * Tables through libsmartcols, which knows the terminal's width, what to cut, and how a tree is
 * drawn in this locale.
 *
 * Its own escaping is switched off: it lets marks through that turn the direction of text, and
 * would escape our escapes. In its place every string from outside passes text_escape() here.
 * Colours are for a terminal alone, and NO_COLOR is respected.
 */

#include "cli/table.h"

#include <errno.h>
#include <langinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libsmartcols/libsmartcols.h>

#include "cli/complain.h"
#include "cli/human.h"
#include "cli/text.h"

struct table {
	struct libscols_table *smartcols;
	struct libscols_line *parent, *row;
	size_t nr_columns;
	size_t next_cell;
	bool out_of_memory;
};

bool table_has_utf8(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static bool colours_wanted(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no_color && no_color[0] != '\0') && term &&
	       strcmp(term, "dumb") != 0;
}

static int add_columns(struct table *table, const struct table_column *columns)
{
	static const int flags[] = { [TABLE_LEFT] = SCOLS_FL_TRUNC,
				     [TABLE_RIGHT] = SCOLS_FL_RIGHT,
				     [TABLE_TREE] = SCOLS_FL_TREE | SCOLS_FL_TRUNC };

	for (size_t i = 0; i < table->nr_columns; i++)
		if (!scols_table_new_column(table->smartcols, columns[i].name, 0,
					    flags[columns[i].align]))
			return -1;
	return 0;
}

struct table *table_new(const struct table_column *columns, size_t nr_columns)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->nr_columns = nr_columns;
	table->smartcols = scols_new_table();
	if (!table->smartcols || add_columns(table, columns) < 0 ||
	    scols_table_enable_noencoding(table->smartcols, 1) < 0 ||
	    scols_table_enable_colors(table->smartcols, colours_wanted()) < 0)
		return table_free(table);
	return table;
}

struct table *table_free(struct table *table)
{
	if (table)
		scols_unref_table(table->smartcols);
	free(table);
	return NULL;
}

static void add_row(struct table *table, struct libscols_line *parent)
{
	if (!table)
		return;
	table->row = scols_table_new_line(table->smartcols, parent);
	table->next_cell = 0;
	table->out_of_memory |= !table->row;
}

void table_add_row(struct table *table)
{
	add_row(table, NULL);
	if (table)
		table->parent = table->row;
}

void table_add_child_row(struct table *table)
{
	add_row(table, table ? table->parent : NULL);
}

void table_add_own_text(struct table *table, const char *text, enum table_colour colour)
{
	static const char *const sequences[] = {
		[TABLE_PLAIN] = NULL, [TABLE_YELLOW] = "\033[33m", [TABLE_RED] = "\033[31m"
	};
	struct libscols_cell *cell;

	if (!table || !table->row)
		return;
	cell = scols_line_get_cell(table->row, table->next_cell++);
	if (!cell || scols_cell_set_data(cell, text) < 0 ||
	    scols_cell_set_color(cell, sequences[colour]) < 0)
		table->out_of_memory = true;
}

void table_add_text(struct table *table, const char *text)
{
	char escaped[TEXT_BYTES_MAX];

	text_escape(text, escaped, sizeof(escaped));
	table_add_own_text(table, escaped, TABLE_PLAIN);
}

void table_add_size(struct table *table, uint64_t size_bytes)
{
	char size[HUMAN_BYTES_MAX];

	table_add_own_text(table, human_size(size_bytes, size), TABLE_PLAIN);
}

void table_add_format(struct table *table, const char *format, ...)
{
	char text[TEXT_BYTES_MAX];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	table_add_own_text(table, text, TABLE_PLAIN);
}

/*
 * What has been printed stays the least width for what follows. A column is never narrower than its
 * heading, printed or not. One that is wider needs a hint, and STRICTWIDTH, without which the hint
 * does not count when all cells are narrower than the heading.
 */
static void keep_width(struct libscols_column *column)
{
	const char *heading = scols_cell_get_data(scols_column_get_header(column));
	size_t width = scols_column_get_width(column);

	if (width <= strlen(heading))
		return;
	scols_column_set_whint(column, (double)width);
	scols_column_set_flags(column, scols_column_get_flags(column) | SCOLS_FL_STRICTWIDTH);
}

enum command_exit table_print(struct table *table)
{
	if (!table || table->out_of_memory || scols_print_table(table->smartcols) == -ENOMEM) {
		complain("out of memory");
		return COMMAND_REFUSED;
	}
	/* An empty one has printed nothing, headings neither. */
	if (!scols_table_is_empty(table->smartcols)) {
		for (size_t i = 0; i < table->nr_columns; i++)
			keep_width(scols_table_get_column(table->smartcols, i));
		scols_table_enable_noheadings(table->smartcols, 1);
		scols_table_remove_lines(table->smartcols);
	}
	table->row = table->parent = NULL;
	return COMMAND_DONE;
}
