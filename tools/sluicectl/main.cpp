// sluicectl: asks and changes a running sluiced, and checks configs.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>
#include <vector>

#include <unistd.h>

#include "command_line.hpp"
#include "run.hpp"

namespace {

using sluice::ctl::Ending;
using sluice::ctl::ExitCode;
using sluice::ctl::Invocation;

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? std::optional<std::string>(value) : std::nullopt;
}

// https://no-color.org: any value that is not empty.
bool wants_colours() { return ::isatty(STDOUT_FILENO) != 0 && environment("NO_COLOR").value_or("").empty(); }

ExitCode end(const Ending& ending) {
  std::fputs(ending.text.c_str(), ending.code == ExitCode::done ? stdout : stderr);
  return ending.code;
}

ExitCode parse_and_run(const std::vector<std::string>& words) {
  const auto parsed = sluice::ctl::parse(words, environment("SLUICE_SOCKET"));
  if (const auto* ending = std::get_if<Ending>(&parsed)) return end(*ending);
  sluice::ctl::Style style;
  style.colours = wants_colours();
  return sluice::ctl::run(std::get<Invocation>(parsed), style);
}

}  // namespace

int main(int count, char** words) {
  auto code = ExitCode::refused;
  try {
    code = parse_and_run({words + 1, words + count});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "sluicectl: %s\n", error.what());
  }
  // What could not be written was not done.
  if (code == ExitCode::done && !sluice::ctl::flush_output()) code = ExitCode::refused;
  return static_cast<int>(code);
}
