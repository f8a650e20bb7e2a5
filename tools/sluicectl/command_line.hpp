// What was typed, as a value: the commands of the daemon's table and the few that need no daemon.
//
//   auto parsed = parse(words, getenv("SLUICE_SOCKET"));
//   if (auto* ending = std::get_if<Ending>(&parsed)) ... print it, exit
//   else run(std::get<Invocation>(parsed))
#pragma once

#include <optional>
#include <span>
#include <string>
#include <variant>

#include <boost/json/object.hpp>

#include "control/commands.hpp"

namespace sluice::ctl {

// Scripts depend on these.
enum class ExitCode : int { done = 0, refused = 1, usage = 2, no_daemon = 3 };

// Where the daemon is: a Unix socket, or a host and port of its read-only TCP listener.
struct Target {
  std::string socket;  // empty: `host` and `port` hold
  std::string host, port;
};
inline constexpr const char* default_socket = "state/admin.sock";

// A command of the table, and how the CLI goes about it.
struct ApiCall {
  const control::CommandRow* row = nullptr;
  boost::json::object arguments;
  bool dry_run = false;
  bool watch = false;   // status: again each second
  bool follow = false;  // events: go on with new ones
  bool wait = false;    // endpoint drain: return when no cache can hold the address
};
struct ConfigCheck {
  std::optional<std::string> file;  // none: the running daemon's
};
struct ConfigExplain {
  std::string key;  // empty: all
};
using Action = std::variant<ApiCall, ConfigCheck, ConfigExplain>;

struct Invocation {
  Target target;
  bool json = false;
  Action action;
};

// There is nothing to run: help was asked for, or the words make no sense.
struct Ending {
  ExitCode code = ExitCode::done;
  std::string text;  // for stdout when done, else for stderr
};

std::variant<Invocation, Ending> parse(std::span<const std::string> words,
                                       const std::optional<std::string>& socket_variable);

}  // namespace sluice::ctl
