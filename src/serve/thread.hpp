// What every serving thread needs at its start.
#pragma once

#include <cstdint>
#include <functional>
#include <thread>

#include "answer/answer.hpp"

namespace sluice::serve {

// Starts a thread with all signals blocked: they are the main thread's business, and must not interrupt a
// batch. `name`, at most 15 characters, is what ps and top show. Throws std::system_error when the system
// gives no thread.
std::thread start_thread(const char* name, std::function<void()> body);

// What answer::Scratch wants to know of the time. Coarse clocks: a few milliseconds matter to no one there,
// and they cost a fraction of the fine ones.
answer::Moment moment_now();

// Different for each thread and each start.
std::uint64_t random_seed();

}  // namespace sluice::serve
