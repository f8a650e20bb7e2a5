// What a case file's queries are put to: its zones and steers as the daemon would have compiled them.
#pragma once

#include <optional>
#include <string>

#include "answer/answer.hpp"
#include "base/published.hpp"
#include "case_file.hpp"

namespace sluice::query_cases {

class World {
 public:
  // Nothing, and `error` says why, when a zone does not load.
  static std::unique_ptr<World> build(const Setup& setup, std::string& error);

  // The reply; empty when there is none.
  std::vector<std::uint8_t> ask(const Case& query, answer::Transport transport);

  // How often answer() has allocated in the last ask(): it never may.
  std::uint64_t allocations() const { return allocations_; }

  // Whether the last reply holds an octet that answer() did not write: only valgrind can tell (see
  // ./valgrind).
  bool unwritten() const { return unwritten_; }

  const answer::Snapshot& snapshot() const { return snapshot_; }

  // For servers.
  const Published<answer::Snapshot>& published() const { return published_; }
  Quiescence& quiescence() { return quiescence_; }
  Counters& counters() { return counters_; }

 private:
  explicit World(std::size_t names) : block_(std::make_shared<steer::Block>(quiescence_, names)) {}

  Quiescence quiescence_;
  Quiescence::Reader reader_{quiescence_};
  Counters counters_;
  answer::Scratch scratch_{counters_.add_shard(), 1};
  std::shared_ptr<steer::Block> block_;
  answer::Snapshot snapshot_;
  std::uint64_t allocations_ = 0;
  bool unwritten_ = false;
  Published<answer::Snapshot> published_;
};

}  // namespace sluice::query_cases
