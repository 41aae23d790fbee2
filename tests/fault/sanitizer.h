/* SPDX-License-Identifier: MIT */
#pragma once

/* Whether this is a build for the thread sanitizer; the compilers say so in two ways. */

#if defined(__SANITIZE_THREAD__)
#define IS_THREAD_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define IS_THREAD_SANITIZED 1
#endif
#endif

#ifndef IS_THREAD_SANITIZED
#define IS_THREAD_SANITIZED 0
#endif
