/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Answers for people: tables on standard output.
 *
 * Cells are given from left to right, row by row. Running out of memory on the way is remembered
 * and reported once, by table_print().
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/command.h"

enum table_align {
	TABLE_LEFT, /* cut where the terminal ends; for names */
	TABLE_RIGHT,
	TABLE_TREE /* the column whose rows hang from each other */
};

enum table_colour { TABLE_PLAIN, TABLE_YELLOW, TABLE_RED };

struct table_column {
	const char *name; /* a string that outlives the table */
	enum table_align align;
};

struct table;

struct table *table_new(const struct table_column *columns, size_t nr_columns);
struct table *table_free(struct table *table);

void table_add_row(struct table *table);
/* A row that hangs from the last one that table_add_row() made. */
void table_add_child_row(struct table *table);

/* The next cell of the row. */
void table_add_text(struct table *table, const char *text); /* anybody's: escaped */
void table_add_own_text(struct table *table, const char *text, enum table_colour colour);
void table_add_size(struct table *table, uint64_t size_bytes);
void table_add_format(struct table *table, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Prints the rows that are there and removes them; the headings only the first time, and columns
 * never become narrower, so that a long list can be printed in parts.
 */
enum command_exit table_print(struct table *table);

/* The user's locale shows UTF-8. */
bool table_has_utf8(void);
