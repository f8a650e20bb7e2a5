// The daemon's side of the runner: programs are started by it, and their ends awaited here.
//
//   RunnerClient client(context.get_executor(), std::move(runner));
//   auto end = co_await client.run(Purpose::check, std::move(program), timer);
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "probe/program.hpp"
#include "probe/runner.hpp"

namespace sluice::probe {

// At most this many programs of a purpose run at once: they are heavier than connections. The others wait for
// their turn, and their time begins with it.
inline constexpr std::size_t programs_open_max = 64;

// What a program is run for. Each has places of its own: hooks that take minutes keep no check waiting.
enum class Purpose : std::uint8_t { check, analysis, hook };
inline constexpr std::size_t purpose_count = 3;
static_assert(purpose_count * programs_open_max <= supervisors_max);

// What a runner that was stopped, or has lost a request, may be late by until we go on without an answer. It
// takes up to kill_time_max to end what a program has left.
inline constexpr Duration answer_grace{5000};

// Not thread-safe: everything runs on one implicit or explicit strand, `executor`.
class RunnerClient {
 public:
  // The runner has been told to begin().
  RunnerClient(boost::asio::any_io_executor executor, RunnerProcess runner);
  ~RunnerClient();  // stops
  RunnerClient(const RunnerClient&) = delete;
  RunnerClient& operator=(const RunnerClient&) = delete;

  // An error when the program could not be run for lack of something of our own (the runner, say), and when
  // the timer was cancelled by somebody else. The timer is the caller's, lives until the end, and is set
  // here. `is_wanted` is asked when the program's turn comes; without it, it is.
  boost::asio::awaitable<Result<ProgramEnd>> run(Purpose purpose, Program program,
                                                 boost::asio::steady_timer& timer,
                                                 std::function<bool()> is_wanted = {});

  // Ends the runner, and with it all programs.
  void stop();

 private:
  class State;
  std::shared_ptr<State> state_;
};

}  // namespace sluice::probe
