/* SPDX-License-Identifier: MIT */
#pragma once

/* The parts of the wire group. */

struct bench;

/* A client that is killed while it holds many objects. 0 or a negative errno. */
int wire_measure_death(const struct bench *bench);
