// Runs the query cases of a folder: query-cases DIR reads every DIR/*.cases (see case_file.hpp for their
// form).
//
// Every `new` is counted while a case is answered; a case in which there was one fails.
//
// Prints one line for each case that fails, with what was expected and what came, and at last `N passed, N
// failed`.
#include <algorithm>
#include <filesystem>
#include <iostream>

#include <valgrind/valgrind.h>

#include "../unit/answer/allocations.hpp"
#include "case_file.hpp"
#include "reply_text.hpp"
#include "transports.hpp"
#include "world.hpp"

namespace sluice::query_cases {
namespace {

struct Counts {
  unsigned passed = 0, failed = 0;
};

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += (text.empty() ? "" : " | ") + line;
  return text;
}

// One reply against what was expected. `way` says how the query was put.
void check_reply(const std::string& path, const Case& current, const std::string& way,
                 std::vector<std::string> got, Counts& counts) {
  const bool sized = std::any_of(current.expected.begin(), current.expected.end(),
                                 [](const std::string& line) { return line.starts_with("size "); });
  if (!sized) std::erase_if(got, [](const std::string& line) { return line.starts_with("size "); });
  if (got == current.expected) {
    ++counts.passed;
    return;
  }
  ++counts.failed;
  std::cout << path << ':' << current.line << ": " << current.title << " (" << way << "): expected ["
            << joined(current.expected) << "], got [" << joined(got) << "]\n";
}

const char* name_of(answer::Transport transport) {
  switch (transport) {
    case answer::Transport::udp:
      return "UDP";
    case answer::Transport::tcp:
      return "TCP";
    case answer::Transport::tls:
      return "TLS";
  }
  return "";
}

void run_case(const std::string& path, const Case& current, World& world, Transports* transports,
              Counts& counts) {
  for (const auto transport : current.transports) {
    const std::string name = name_of(transport);
    auto got = describe(world.ask(current, transport));
    if (world.allocations() != 0) got.push_back("allocations " + std::to_string(world.allocations()));
    if (world.unwritten()) got.push_back("octets that were not written");
    check_reply(path, current, "answer() for " + name, std::move(got), counts);
    // Over TCP, an empty message is the end of the connection.
    const bool empty = current.message.empty() && transport != answer::Transport::udp;
    if (transports != nullptr && current.through_sockets && !empty)
      check_reply(path, current, name, describe(transports->ask(transport, current.message)), counts);
  }
}

void run_file(const std::string& path, Counts& counts) {
  std::string error;
  const auto file = read_case_file(path, error);
  const auto world = file ? World::build(file->setup, error) : nullptr;
  if (world == nullptr) {
    ++counts.failed;
    std::cout << path << ": " << error << '\n';
    return;
  }
  // Valgrind is asked about replies, and takes its time with handshakes.
  std::unique_ptr<Transports> transports;
  if (RUNNING_ON_VALGRIND == 0)
    transports = std::make_unique<Transports>(
        serve::Context{world->published(), world->quiescence(), world->counters()});
  for (const auto& current : file->cases) run_case(path, current, *world, transports.get(), counts);
}

// A count that does not move would find nothing.
bool allocations_are_counted() {
  const std::uint64_t before = answer::test::allocations();
  ::operator delete(::operator new(1));
  return answer::test::allocations() == before + 1;
}

int run(const std::string& folder) {
  if (!allocations_are_counted()) throw std::logic_error("allocations are not counted");
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".cases") paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  Counts counts;
  for (const auto& path : paths) run_file(path, counts);
  std::cout << counts.passed << " passed, " << counts.failed << " failed\n";
  return counts.failed == 0 && counts.passed > 0 ? 0 : 1;
}

}  // namespace
}  // namespace sluice::query_cases

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: query-cases DIR\n";
    return 2;
  }
  try {
    return sluice::query_cases::run(argv[1]);
  } catch (const std::exception& error) {
    std::cerr << argv[1] << ": " << error.what() << '\n';
    return 2;
  }
}
