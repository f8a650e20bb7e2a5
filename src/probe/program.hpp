// The pure part of exec checks: what a program is started with, what its end says about the endpoint, and the
// messages between the daemon and the runner, the process that starts programs (runner.hpp).
//
//   daemon --Identity, once--> runner      Started, each time that a runner begins  --> daemon
//          --RunRequest------>             RunReply, one a request                  -->
//
// A message is a packet of a socket within one machine, so numbers are in its own order of octets.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "health/endpoint.hpp"
#include "probe/prober.hpp"

namespace sluice::probe {

struct Program {
  std::vector<std::string> arguments;    // the first one is the file's path
  std::vector<std::string> environment;  // "NAME=value", beside PATH and LANG
  Duration timeout{};
  friend bool operator==(const Program&, const Program&) = default;
};

enum class Ending : std::uint8_t {
  exited,       // `code` is the exit status
  killed,       // `code` is the signal
  timed_out,    // it was killed at its deadline
  not_started,  // `code` is an errno
  lost,         // who watched it was killed: nothing is known of its end
};

struct ProgramEnd {
  Ending ending = Ending::lost;
  int code = 0;
  std::string output;  // the beginning of what it wrote to stdout and stderr, as it came
  Duration took{};
  friend bool operator==(const ProgramEnd&, const ProgramEnd&) = default;
};

// How much of a program's output is kept; the rest is read and thrown away.
inline constexpr std::size_t output_size_max = 4096;

// Several times what a config can hold for one program.
inline constexpr std::size_t program_texts_max = 256;
inline constexpr std::size_t message_size_max = 128 * 1024;

// Of the output, so much is shown.
inline constexpr std::size_t shown_output_size_max = 200;

// Whom the runner becomes; nobody else unless it is root.
struct Identity {
  std::uint32_t user = 0, group = 0;
  std::vector<std::uint32_t> groups;
  friend bool operator==(const Identity&, const Identity&) = default;
};
inline constexpr std::size_t groups_max = 1024;

struct RunRequest {
  std::uint64_t id = 0;
  Program program;
  friend bool operator==(const RunRequest&, const RunRequest&) = default;
};

struct Started {
  friend bool operator==(const Started&, const Started&) = default;
};

struct RunReply {
  std::uint64_t id = 0;
  ProgramEnd end;
  friend bool operator==(const RunReply&, const RunReply&) = default;
};

using Message = std::variant<Identity, RunRequest, Started, RunReply>;

// Nothing when it would be larger than message_size_max, or have more parts than a message may have.
std::optional<std::string> encode(const Message& message);

// Nothing when it is no whole message and nothing else.
std::optional<Message> decode(std::string_view octets);

// What an exec check starts for the target.
Program program_of(const Target& target);

// What its end says about the endpoint. An error when it says nothing about it, because we ran out of
// something ourselves. A program that is lost may be lost by chance; the one that was `lost_before`, too,
// ends its watcher itself.
Result<health::ProbeResult> judge(const config::Check& check, const ProgramEnd& end,
                                  bool lost_before = false);

}  // namespace sluice::probe
